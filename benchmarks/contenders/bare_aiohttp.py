"""aiohttp alone, unsigned: the limit for every client that stands on it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from contenders.base import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.job import Job


class BareClient(AsyncClient):
    """A default session and the bucket's address."""

    def __init__(self, session: ClientSession, bucket_url: str) -> None:
        """Use a session that is open."""
        self._session = session
        self._bucket_url = bucket_url

    async def get(self, name: str) -> bytes:
        """Fetch the object's URL."""
        async with self._session.get(f"{self._bucket_url}/{name}") as response:
            response.raise_for_status()
            return await response.read()

    async def put(self, name: str, body: bytes) -> None:
        """Send the body to the object's URL."""
        async with self._session.put(f"{self._bucket_url}/{name}", data=body) as response:
            response.raise_for_status()
            await response.read()


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[BareClient]:
    """Open a default session, which allows 100 connections."""
    async with ClientSession() as session:
        yield BareClient(session, job.target.bucket_url)
