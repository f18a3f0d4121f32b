"""What a contender must be able to do, in the smallest words: the workloads are written against this."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from pathlib import Path

    from shared.job import Job, Target

    SignedHeaders: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
    Signer: TypeAlias = Callable[[], SignedHeaders]
    Page: TypeAlias = list[tuple[str, int]]
    Pair: TypeAlias = tuple[str, Path]
    Connection: TypeAlias = AbstractAsyncContextManager["AsyncClient"] | AbstractContextManager["BlockingClient"]

# The request that every signer signs: a GET, and so without a body.
SIGNED_KEY: Final = "warehouse/events/part-00017-1f0c9a3b77e24d15.snappy.parquet"
EMPTY_PAYLOAD_HASH: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

# How many small files are moved at a time by a client that has no function of its own for many.
FILES_AT_A_TIME: Final = 32


class AsyncClient:
    """A client for an event loop. A contender overrides what it takes part in."""

    def credentials(self) -> Callable[[], Awaitable[object]]:
        """Give the function that is asked for credentials before each request."""
        raise NotImplementedError

    async def get(self, name: str) -> bytes:
        """Read an object; an answer that is an error raises."""
        raise NotImplementedError(name)

    async def put(self, name: str, body: bytes) -> None:
        """Write an object; an answer that is an error raises."""
        raise NotImplementedError(name)

    def pages(self) -> AsyncIterator[Page]:
        """List the bucket: key and size of each object, page by page."""
        raise NotImplementedError

    async def download(self, name: str, path: Path) -> None:
        """Make a file of a large object, in the way that is made for it."""
        raise NotImplementedError(name)

    async def upload(self, path: Path, name: str) -> None:
        """Make an object of a large file, in the way that is made for it."""
        raise NotImplementedError(name)

    async def upload_stream(self, chunks: AsyncIterator[bytes], name: str) -> None:
        """Make an object of chunks that come one after the other, of which nobody knows how many there are."""
        raise NotImplementedError(name)

    async def download_many(self, pairs: list[Pair]) -> None:
        """Make files of many small objects; where a client has nothing made for it, tasks that ``get``."""

        async def work(shared: Iterator[Pair]) -> None:
            for name, path in shared:
                path.write_bytes(await self.get(name))

        shared = iter(pairs)
        await asyncio.gather(*(work(shared) for _ in range(FILES_AT_A_TIME)))

    async def upload_many(self, pairs: list[Pair]) -> None:
        """Make objects of many small files; where a client has nothing made for it, tasks that ``put``."""

        async def work(shared: Iterator[Pair]) -> None:
            for name, path in shared:
                await self.put(name, path.read_bytes())

        shared = iter(pairs)
        await asyncio.gather(*(work(shared) for _ in range(FILES_AT_A_TIME)))


class BlockingClient:
    """A client for threads, safe to share. A contender overrides what it takes part in."""

    def get(self, name: str) -> bytes:
        """Read an object; an answer that is an error raises."""
        raise NotImplementedError(name)

    def put(self, name: str, body: bytes) -> None:
        """Write an object; an answer that is an error raises."""
        raise NotImplementedError(name)

    def pages(self) -> Iterator[Page]:
        """List the bucket: key and size of each object, page by page."""
        raise NotImplementedError

    def download(self, name: str, path: Path) -> None:
        """Make a file of a large object, in the way that is made for it."""
        raise NotImplementedError(name)

    def upload(self, path: Path, name: str) -> None:
        """Make an object of a large file, in the way that is made for it."""
        raise NotImplementedError(name)

    def download_many(self, pairs: list[Pair]) -> None:
        """Make files of many small objects: threads that ``get``."""

        def work(shared: Iterator[Pair]) -> None:
            for name, path in shared:
                path.write_bytes(self.get(name))

        self._in_threads(work, pairs)

    def upload_many(self, pairs: list[Pair]) -> None:
        """Make objects of many small files: threads that ``put``."""

        def work(shared: Iterator[Pair]) -> None:
            for name, path in shared:
                self.put(name, path.read_bytes())

        self._in_threads(work, pairs)

    @staticmethod
    def _in_threads(work: Callable[[Iterator[Pair]], None], pairs: list[Pair]) -> None:
        with ThreadPoolExecutor(FILES_AT_A_TIME) as threads:
            list(threads.map(work, itertools.repeat(iter(pairs), FILES_AT_A_TIME)))


class ContenderModule(Protocol):
    """A module of this package."""

    def connect(self, job: Job) -> Connection:
        """Make a client of the job's target, as its documentation advises for that many requests at a time."""

    def signer(self, target: Target) -> Signer:
        """Make a function that signs a GET of ``SIGNED_KEY`` afresh on every call, and gives the headers to send."""


def load(name: str) -> ContenderModule:
    """Import a contender, and with it its client."""
    return cast("ContenderModule", import_module(f"contenders.{name}"))
