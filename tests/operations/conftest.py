"""What the tests of the operations share: a client in a bucket, and a stranger who knows no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from aiohttp_s3_client import S3Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.servers import S3Server


@pytest.fixture(scope="module")
async def bucket_client(s3_server: S3Server, bucket: str) -> AsyncIterator[S3Client]:
    """Give a client whose URL is in this module's bucket: its object names are keys."""
    async with S3Client(
        f"{s3_server.url}/{bucket}",
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
        region=s3_server.region,
    ) as client:
        yield client


@pytest.fixture(scope="module")
async def stranger() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a plain session of aiohttp's, which nobody gave any credentials."""
    async with aiohttp.ClientSession() as session:
        yield session
