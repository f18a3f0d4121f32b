"""Cancel a coroutine at each of its suspensions, one run after the other.

::

    step = 1
    while await cancelled_at(step, work):
        step += 1
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ("cancelled_at",)

_counted: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar("counted", default=None)


class Counting(Coroutine[Any, Any, Any]):
    """A coroutine that tells each of its suspensions."""

    def __init__(self, inner: Coroutine[Any, Any, Any], tell: Callable[[], None]) -> None:
        """Take the coroutine."""
        self._inner = inner
        self._tell = tell

    def __await__(self) -> Generator[Any, Any, Any]:
        """Be awaited as the inner one."""
        return self._inner.__await__()

    def send(self, value: object) -> Any:  # noqa: ANN401 - whatever a coroutine waits for
        """Go on to the next suspension."""
        waited_for = self._inner.send(value)
        self._tell()
        return waited_for

    def throw(self, *args: Any) -> Any:  # noqa: ANN401 - as a coroutine has it
        """Go on with an error."""
        waited_for = self._inner.throw(*args)
        self._tell()
        return waited_for

    def close(self) -> None:
        """End it."""
        self._inner.close()


def make_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **more: Any,  # noqa: ANN401 - whatever asyncio gives
) -> asyncio.Task[Any]:
    """Make a task whose suspensions are counted, where the context says so; a task factory of asyncio's."""
    context = more.get("context")
    tell = _counted.get() if context is None else context.get(_counted)
    assert isinstance(work, Coroutine)
    return asyncio.Task(work if tell is None else Counting(work, tell), loop=loop, **more)


async def cancelled_at(step: int, work: Callable[[], Coroutine[Any, Any, object]]) -> bool:
    """Run ``work``, cancel it when it and its tasks were suspended so often, and tell whether that came to be."""
    steps = 0
    loop = asyncio.get_running_loop()

    def count() -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            loop.call_soon(task.cancel)

    def begin() -> asyncio.Task[object]:
        _counted.set(count)
        return loop.create_task(work())

    before = loop.get_task_factory()
    loop.set_task_factory(make_task)
    try:
        task = contextvars.copy_context().run(begin)
        await asyncio.wait([task])
    finally:
        loop.set_task_factory(before)
    if task.cancelled():
        return True
    task.result()
    return False
