"""Waiting for an end that must not be missed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TypeVar

__all__ = ("to_the_end",)

_T = TypeVar("_T")


async def to_the_end(future: asyncio.Future[_T]) -> _T:
    """Wait for the end of what must not be left undone, also when this is cancelled meanwhile, however often.

    A cancellation then comes out, in place of a result or an error.
    """
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            # Read, so that it is not reported as forgotten.
            future.exception()
        raise
