"""miniopy-async: MinIO's client, ported to aiohttp."""

from __future__ import annotations

from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from miniopy_async import Minio

from contenders.base import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.job import Job


class MiniopyClient(AsyncClient):
    """One client for all workers."""

    def __init__(self, client: Minio, bucket: str) -> None:
        """Use a client that is open."""
        self._client = client
        self._bucket = bucket

    async def get(self, name: str) -> bytes:
        """``GetObject``."""
        response = await self._client.get_object(self._bucket, name)
        body: bytes = await response.read()
        response.release()
        return body

    async def put(self, name: str, body: bytes) -> None:
        """``PutObject``."""
        await self._client.put_object(self._bucket, name, BytesIO(body), len(body))


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[MiniopyClient]:
    """Make a client that knows the region, which it would otherwise ask for."""
    async with Minio(
        job.target.host,
        access_key=job.target.access_key_id,
        secret_key=job.target.secret_access_key,
        region=job.target.region,
        secure=job.target.endpoint.startswith("https://"),
    ) as client:
        yield MiniopyClient(client, job.target.bucket)
