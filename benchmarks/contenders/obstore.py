"""obstore: Rust's object_store behind Python's asyncio."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from contenders.base import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from contenders.base import Page
    from shared.job import Job

KEYS_PER_PAGE = 1000
RANGE_SIZE = 8 * 1024 * 1024
RANGES_AT_A_TIME = 8


class ObstoreClient(AsyncClient):
    """The functions of obstore's asyncio side."""

    def __init__(self, store: S3Store) -> None:
        """Use a store."""
        self._store = store

    async def get(self, name: str) -> bytes:
        """Give obstore's own buffer: it has the methods of bytes, and a copy would be held against it."""
        response = await obstore.get_async(self._store, name)
        body: bytes = await response.bytes_async()
        return body

    async def put(self, name: str, body: bytes) -> None:
        """Write in one request."""
        await obstore.put_async(self._store, name, body, use_multipart=False)

    async def pages(self) -> AsyncIterator[Page]:
        """List in chunks of the server's page size, which is faster than the default of 50."""
        async for chunk in obstore.list(self._store, chunk_size=KEYS_PER_PAGE):
            yield [(meta["path"], meta["size"]) for meta in chunk]

    async def download(self, name: str, path: Path) -> None:
        """Fetch ranges side by side, and write each in its place: it has no function for it, and a stream is slower."""
        size = (await obstore.head_async(self._store, name))["size"]
        starts = iter(range(0, size, RANGE_SIZE))

        async def work(descriptor: int) -> None:
            for start in starts:
                end = min(start + RANGE_SIZE, size)
                piece = await obstore.get_range_async(self._store, name, start=start, end=end)
                await asyncio.to_thread(os.pwrite, descriptor, piece, start)

        with path.open("wb") as file:
            await asyncio.gather(*(work(file.fileno()) for _ in range(RANGES_AT_A_TIME)))

    async def upload(self, path: Path, name: str) -> None:
        """Upload in parts, twelve at a time."""
        await obstore.put_async(self._store, name, path)


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[ObstoreClient]:
    """Make a store; its pool of connections has no limit."""
    yield ObstoreClient(
        S3Store(
            job.target.bucket,
            endpoint=job.target.endpoint,
            region=job.target.region,
            access_key_id=job.target.access_key_id,
            secret_access_key=job.target.secret_access_key,
            virtual_hosted_style_request=False,
            unsigned_payload=not job.hashes_bodies,
            client_options={"allow_http": True, **_trusted(job.target.ca_file)},
        )
    )


def _trusted(ca_file: str | None) -> dict[str, str]:
    return {"root_certificate": Path(ca_file).read_text()} if ca_file else {}
