"""Many requests for 1 KiB each: a fixed number of workers take names from one iterator until the time is over."""

from __future__ import annotations

import asyncio
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from shared.objects import READ_FOLDER, SMALL_BODY, small_name
from workloads.base import WrongResultError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from contenders.base import AsyncClient, BlockingClient
    from shared.job import Job
    from workloads.meter import Meter

WARM_UP_SECONDS: Final = 0.3


class Names:
    """An endless round of names that ends with the time; unlike a generator, threads may share it."""

    def __init__(self, folder: str, seconds: float) -> None:
        """Start the time."""
        self._folder = folder
        self._deadline = time.perf_counter() + seconds
        self._numbers = itertools.count()

    def __iter__(self) -> Self:
        """Give itself: whoever iterates takes from the same round."""
        return self

    def __next__(self) -> str:
        """Give the next name."""
        if time.perf_counter() >= self._deadline:
            raise StopIteration
        return small_name(self._folder, next(self._numbers))

    def count(self) -> int:
        """Give the number of names handed out; only to be asked at the end."""
        return next(self._numbers)


@dataclass(frozen=True, slots=True)
class SmallObjects:
    """An operation that is repeated on the names of a folder."""

    folder: str
    operation: Callable[[AsyncClient, str], Awaitable[None]]
    blocking_operation: Callable[[BlockingClient, str], None]

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Run with tasks as workers."""

        async def work(names: Names) -> None:
            for name in names:
                await self.operation(client, name)

        async def saturate(names: Names) -> int:
            await asyncio.gather(*(work(names) for _ in range(job.concurrency)))
            return names.count()

        await saturate(Names(self.folder, WARM_UP_SECONDS))
        with meter:
            count = await saturate(Names(self.folder, job.seconds))
        if self._reads_back(job):
            _check_body(await client.get(small_name(self.folder, 0)))
        return count

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """Run with threads as workers, which are there before the meter starts."""

        def work(names: Names) -> None:
            for name in names:
                self.blocking_operation(client, name)

        def saturate(names: Names) -> int:
            list(threads.map(work, itertools.repeat(names, job.concurrency)))
            return names.count()

        with ThreadPoolExecutor(job.concurrency) as threads:
            saturate(Names(self.folder, WARM_UP_SECONDS))
            with meter:
                count = saturate(Names(self.folder, job.seconds))
        if self._reads_back(job):
            _check_body(client.get(small_name(self.folder, 0)))
        return count

    def _reads_back(self, job: Job) -> bool:
        return job.target.keeps_objects or self.folder == READ_FOLDER


async def _get(client: AsyncClient, name: str) -> None:
    _check_size(await client.get(name))


def _get_blocking(client: BlockingClient, name: str) -> None:
    _check_size(client.get(name))


async def _put(client: AsyncClient, name: str) -> None:
    await client.put(name, SMALL_BODY)


def _put_blocking(client: BlockingClient, name: str) -> None:
    client.put(name, SMALL_BODY)


def _check_size(body: bytes) -> None:
    if len(body) != len(SMALL_BODY):
        message = f"{len(body)} bytes were read of an object of {len(SMALL_BODY)}"
        raise WrongResultError(message)


def _check_body(body: bytes) -> None:
    if bytes(body) != SMALL_BODY:
        message = "what was read back is not what the object holds"
        raise WrongResultError(message)


SMALL_GET: Final = SmallObjects(READ_FOLDER, _get, _get_blocking)
SMALL_PUT: Final = SmallObjects("written", _put, _put_blocking)
