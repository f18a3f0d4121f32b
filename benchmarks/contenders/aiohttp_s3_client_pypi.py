"""aiohttp-s3-client from PyPI, which has this project's package name and so an environment of its own.

Type checkers see this project's client in its place: what is used here, both have.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import ClientSession, TCPConnector
from aws_request_signer import AwsRequestSigner

from aiohttp_s3_client import S3Client
from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY
from contenders.verbs import VerbsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from contenders.base import SignedHeaders, Signer
    from shared.job import Job, Target


WORKERS = 8


class PypiClient(VerbsClient):
    """The methods for files, with as many workers as its documentation shows."""

    async def download(self, name: str, path: Path) -> None:
        """``get_file_parallel``."""
        await self._client.get_file_parallel(name, path, workers_count=WORKERS)

    async def upload(self, path: Path, name: str) -> None:
        """``put_file_multipart``, which hashes the parts: a real store refuses those that it does not hash."""
        await self._client.put_file_multipart(name, path, workers_count=WORKERS)


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[PypiClient]:
    """Make a client on a default session, which allows 100 connections."""
    connector = TCPConnector(ssl=ssl.create_default_context(cafile=job.target.ca_file))
    async with ClientSession(connector=connector) as session:
        yield PypiClient(
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
