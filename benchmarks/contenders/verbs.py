"""The verbs that this project's client and aiohttp-s3-client from PyPI have in common: one adapter drives both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contenders.base import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp_s3_client import S3Client
    from contenders.base import Page


class VerbsClient(AsyncClient):
    """A client whose verbs give aiohttp's response."""

    def __init__(self, client: S3Client) -> None:
        """Drive a client that is open."""
        self._client = client

    async def get(self, name: str) -> bytes:
        """``GetObject``."""
        async with self._client.get(name) as response:
            response.raise_for_status()
            return await response.read()

    async def put(self, name: str, body: bytes) -> None:
        """``PutObject``."""
        async with self._client.put(name, body) as response:
            response.raise_for_status()
            await response.read()

    async def pages(self) -> AsyncIterator[Page]:
        """``ListObjectsV2``."""
        async for objects, _ in self._client.list_objects_v2():
            yield [(meta.key, meta.size or 0) for meta in objects]
