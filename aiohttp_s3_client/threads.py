"""Blocking calls: in threads, which end before whoever waits for them goes on; or at once, where that is quicker."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from aiohttp_s3_client.endings import to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("BlockingCalls", "in_thread")

_P = ParamSpec("_P")
_T = TypeVar("_T")

# A call that takes longer would have been better off in a thread. In seconds.
_LONG: Final = 0.005
# How many calls go to threads at the beginning, after the first one that took long, and at most.
_FIRST: Final = 2
_AFTER_LONG: Final = 16
_MOST: Final = 4096


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a thread and wait for its end, also when cancelled meanwhile.

    ``asyncio.to_thread`` goes on at once when it is cancelled, and the thread still writes into a file that is closed
    by then, or into another one that got its descriptor.
    """
    return await to_the_end(asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs)))


class BlockingCalls:
    """Short calls to a disk, all of one transfer; mostly they end before a thread would have begun with them.

    They run on the event loop, but for the first two. One that takes longer than 5 ms has held the loop for that long
    once, and sends the next 16 to threads, twice as many the next time: the slower a disk is, the less it is waited for
    here. What may take long by its nature belongs in a thread at once.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        """Take a clock that gives seconds."""
        self._clock = clock
        self._in_threads = _FIRST
        self._after_long = _AFTER_LONG

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function, and wait for its end, also when cancelled meanwhile."""
        if self._in_threads:
            self._in_threads -= 1
            return await in_thread(function, *args, **kwargs)
        began = self._clock()
        try:
            return function(*args, **kwargs)
        finally:
            if self._clock() - began > _LONG:
                self._in_threads = self._after_long
                self._after_long = min(2 * self._after_long, _MOST)
