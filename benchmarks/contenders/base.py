"""What a contender must be able to do, in the smallest words: the workloads are written against this."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from shared.job import Job, Target

    SignedHeaders: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
    Signer: TypeAlias = Callable[[], SignedHeaders]
    Page: TypeAlias = list[tuple[str, int]]
    Connection: TypeAlias = AbstractAsyncContextManager["AsyncClient"] | AbstractContextManager["BlockingClient"]

# The request that every signer signs: a GET, and so without a body.
SIGNED_KEY: Final = "warehouse/events/part-00017-1f0c9a3b77e24d15.snappy.parquet"
EMPTY_PAYLOAD_HASH: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class AsyncClient:
    """A client for an event loop. A contender overrides what it takes part in."""

    async def get(self, name: str) -> bytes:
        """Read an object; an answer that is an error raises."""
        raise NotImplementedError(name)

    async def put(self, name: str, body: bytes) -> None:
        """Write an object; an answer that is an error raises."""
        raise NotImplementedError(name)

    def pages(self) -> AsyncIterator[Page]:
        """List the bucket: key and size of each object, page by page."""
        raise NotImplementedError


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


class ContenderModule(Protocol):
    """A module of this package."""

    def connect(self, job: Job) -> Connection:
        """Make a client of the job's target, as its documentation advises for that many requests at a time."""

    def signer(self, target: Target) -> Signer:
        """Make a function that signs a GET of ``SIGNED_KEY`` afresh on every call, and gives the headers to send."""


def load(name: str) -> ContenderModule:
    """Import a contender, and with it its client."""
    return cast("ContenderModule", import_module(f"contenders.{name}"))
