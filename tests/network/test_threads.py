"""Blocking calls: where they run, what they give, and that none outlives whoever waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aiohttp_s3_client.threads import BlockingCalls, in_thread
from tests.network.clients import ManualTime


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


async def test_calls_run_on_the_loop_until_one_takes_long() -> None:
    """After each of those, twice as many go to threads as the time before."""
    time = ManualTime()
    loop_thread, on_the_loop = threading.get_ident(), list[bool]()

    def call(number: int) -> int:
        time.now += 0.1 if number in {5, 30} else 0.001
        on_the_loop.append(threading.get_ident() == loop_thread)
        return number

    calls = BlockingCalls(time.clock)
    assert [await calls.run(call, number) for number in range(70)] == list(range(70))
    assert on_the_loop == [False] * 2 + [True] * 4 + [False] * 16 + [True] * 9 + [False] * 32 + [True] * 7


@pytest.mark.parametrize("done", [0, 10])
async def test_an_error_comes_out_as_itself(done: int) -> None:
    """Of a thread, and of a call on the loop; one that took long counts, too."""
    time = ManualTime()
    calls = BlockingCalls(time.clock)
    for _ in range(done):
        await calls.run(int)

    def fail() -> None:
        time.now += 1
        raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"):
        await calls.run(fail)
    assert (await calls.run(threading.get_ident) == threading.get_ident()) is False
