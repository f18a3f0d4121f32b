"""This project's client, with a session of its own."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.models import Credentials
from aiohttp_s3_client.sigv4 import sign_headers
from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY
from contenders.verbs import VerbsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from contenders.base import Signer
    from shared.job import Job, Target


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[VerbsClient]:
    """Make a client with its defaults: its own session opens as many connections as there are requests."""
    async with S3Client(
        url=job.target.bucket_url,
        access_key_id=job.target.access_key_id,
        secret_access_key=job.target.secret_access_key,
        region=job.target.region,
    ) as client:
        yield VerbsClient(client)


def signer(target: Target) -> Signer:
    """Sign as the client does, with the time of each call."""
    credentials = Credentials(target.access_key_id, target.secret_access_key)
    path = f"/{target.bucket}/{SIGNED_KEY}"

    def sign() -> dict[str, str]:
        headers = (("Host", target.host),)
        return sign_headers(
            "GET", path, "", headers, EMPTY_PAYLOAD_HASH, credentials, region=target.region, now=time.time()
        )

    return sign
