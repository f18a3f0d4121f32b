"""aiohttp-s3-client from PyPI, which has this project's package name and so an environment of its own.

Type checkers see this project's client in its place: what is used here, both have.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import ClientSession
from aws_request_signer import AwsRequestSigner

from aiohttp_s3_client import S3Client
from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY
from contenders.verbs import VerbsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from contenders.base import SignedHeaders, Signer
    from shared.job import Job, Target


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[VerbsClient]:
    """Make a client on a default session, which allows 100 connections."""
    async with ClientSession() as session:
        yield VerbsClient(
            S3Client(
                url=job.target.bucket_url,
                session=session,
                access_key_id=job.target.access_key_id,
                secret_access_key=job.target.secret_access_key,
                region=job.target.region,
            )
        )


def signer(target: Target) -> Signer:
    """Sign by the package that this client signs with."""
    request_signer = AwsRequestSigner(target.region, target.access_key_id, target.secret_access_key, "s3")
    url = f"{target.bucket_url}/{SIGNED_KEY}"

    def sign() -> SignedHeaders:
        headers: SignedHeaders = request_signer.sign_with_headers("GET", url, content_hash=EMPTY_PAYLOAD_HASH)
        return headers

    return sign
