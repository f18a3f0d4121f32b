"""Work in parallel, in one shape: a fixed number of workers, one shared iterator, and the first failure ends all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ("run_workers",)

_T = TypeVar("_T")


async def run_workers(items: AsyncIterator[_T], work: Callable[[_T], Awaitable[None]], concurrency: int) -> None:
    """Do ``work`` for every item, at most ``concurrency`` at once; an item is taken when a worker is free for it.

    The first failure, of the work or of the iterator, comes out as itself, after all other workers were cancelled and
    have ended; so does a cancellation.
    """
    taking = asyncio.Lock()

    async def worker() -> None:
        while True:
            async with taking:
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(concurrency)]
    try:
        ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    for task in ended:
        task.result()
