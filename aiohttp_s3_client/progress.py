"""How far a transfer is, told to whoever asked: never too often, never backwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohttp_s3_client.models import Progress

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ("ProgressCallback", "ProgressReporter")

ProgressCallback: TypeAlias = Callable[[Progress], object]

# The least time between two calls, in seconds.
_INTERVAL: Final = 0.1


class ProgressReporter:
    """Counts what a transfer has done, and calls the caller's function about ten times a second and at the end.

    The function is called on the event loop. What it raises fails the transfer.
    """

    def __init__(
        self,
        callback: ProgressCallback | None,
        *,
        bytes_total: int | None = None,
        parts_total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the function, None for nobody who asks, and what is known beforehand; ``clock`` gives seconds."""
        self._callback = callback
        self._clock = clock
        self._bytes_total = bytes_total
        self._parts_total = parts_total
        self._bytes_done = 0
        self._parts_done = 0
        self._attempts = 0
        # Of each part under way, how far it ever was: what is sent again is not counted again.
        self._reached: dict[Hashable, int] = {}
        self._last_call = -_INTERVAL + clock()

    def expect(self, bytes_total: int | None, parts_total: int | None) -> None:
        """Say how much there is to do in all, once it is known."""
        self._bytes_total = bytes_total
        self._parts_total = parts_total

    def skip(self, size: int) -> None:
        """Count a part of ``size`` bytes that was done before, without calling anybody yet."""
        self._bytes_done += size
        self._parts_done += 1

    def attempt(self) -> None:
        """Count a request for the object's bytes."""
        self._attempts += 1

    def reach(self, part: Hashable, position: int) -> None:
        """Say that the first ``position`` bytes of a part are done; less than was said before changes nothing."""
        before = self._reached.get(part, 0)
        if position > before:
            self._reached[part] = position
            self._bytes_done += position - before
            self._call_in_time()

    def complete(self, part: Hashable, size: int) -> None:
        """Say that a part is done with all of its ``size`` bytes."""
        self._bytes_done += max(size - self._reached.pop(part, 0), 0)
        self._parts_done += 1
        if self._parts_done != self._parts_total:
            # What the last one has to say, is said at the end.
            self._call_in_time()

    def finish(self) -> None:
        """Say that all is done, and so how much it was in all."""
        self._bytes_total, self._parts_total = self._bytes_done, self._parts_done
        self._call()

    def _call_in_time(self) -> None:
        if self._callback is not None and self._clock() - self._last_call >= _INTERVAL:
            self._call()

    def _call(self) -> None:
        if self._callback is None:
            return
        self._last_call = self._clock()
        self._callback(
            Progress(self._bytes_done, self._bytes_total, self._parts_done, self._parts_total, self._attempts)
        )
