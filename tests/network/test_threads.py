"""Blocking calls in threads: what they give, and that none outlives whoever waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aiohttp_s3_client.threads import in_thread


async def test_a_call_gives_its_result_or_raises_its_error() -> None:
    """From another thread."""
    assert await in_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 1, 0)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancellation_comes_out_when_the_call_has_ended(*, fails: bool) -> None:
    """However often it is asked for."""
    begun, may_end, has_ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait()
        has_ended.set()
        if fails:
            raise LookupError

    task = asyncio.create_task(in_thread(work))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert has_ended.is_set()
