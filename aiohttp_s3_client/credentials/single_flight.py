"""One call for any number of callers at a time, which none of them can cancel for the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ("SingleFlight", "end_task", "is_alive")

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """A coroutine function that runs at most once at a time, in a task of its own.

    Whoever comes while it runs gets the result of that run. A caller that is cancelled takes nothing from the others.
    """

    __slots__ = ("_call", "_task", "_who")

    def __init__(self, call: Callable[[], Coroutine[Any, Any, _T]], who: str) -> None:
        """Take the function, and the name of its owner for errors."""
        self._call = call
        self._who = who
        self._task: asyncio.Task[_T] | None = None

    def begin(self) -> asyncio.Task[_T]:
        """Give the run that is going on in this event loop, or begin one; nobody has to wait for it."""
        if self._task is None or not is_alive(self._task):
            self._task = asyncio.get_running_loop().create_task(self._call())
            self._task.add_done_callback(_read)
        return self._task

    async def join(self) -> _T:
        """Wait for the run that is going on, or for a new one, and give its result or raise its error.

        Raises:
            CredentialsError: It was stopped meanwhile.

        """
        task = self.begin()
        # Unlike an await of the task, this does not cancel it when the caller is cancelled.
        await asyncio.wait([task])
        if task.cancelled():
            raise CredentialsError(f"{self._who} was stopped while it was asked for credentials")
        return task.result()

    async def stop(self) -> None:
        """Cancel the run that is going on, and wait for its end."""
        task, self._task = self._task, None
        await end_task(task)


def is_alive(task: asyncio.Task[Any]) -> bool:
    """Say whether a task goes on in this event loop; one of a loop that has ended never will."""
    return not task.done() and task.get_loop() is asyncio.get_running_loop()


async def end_task(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, if there is one that goes on in this event loop, and wait for its end."""
    if task is not None and is_alive(task):
        task.cancel()
        await asyncio.wait([task])


def _read(task: asyncio.Task[Any]) -> None:
    """Read how a run ended, so that one that nobody waited for is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
