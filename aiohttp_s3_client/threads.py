"""Blocking calls in threads, which end before whoever waits for them goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("in_thread",)

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a thread and wait for its end, also when cancelled meanwhile.

    ``asyncio.to_thread`` goes on at once when it is cancelled, and the thread still writes into a file that is closed
    by then, or into another one that got its descriptor.
    """
    call = asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        while not call.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([call])
        # Read, so that it is not reported as forgotten; the cancellation is what comes out.
        call.exception()
        raise
