"""The file that a download writes: who does the writing, and when."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from aiohttp_s3_client.target import TargetFile
from tests.network.clients import ManualTime

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PIECE = memoryview(bytes(128 * 1024))


async def test_threads_write_until_writing_is_known_to_be_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again as soon as it is not: the event loop never waits for a disk twice."""
    time = ManualTime()
    on_the_loop: list[bool] = []
    slow = {11, 12}
    loop_thread, pwrite = threading.get_ident(), os.pwrite

    def write(descriptor: int, data: memoryview, position: int) -> int:
        time.now += 1.0 if len(on_the_loop) in slow else 0.0
        on_the_loop.append(threading.get_ident() == loop_thread)
        return pwrite(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", write)
    async with TargetFile(tmp_path / "file", clock=time.clock) as file:
        await file.allocate(24 * len(PIECE))
        for number in range(24):
            await file.write_at(number * len(PIECE), PIECE)
        await file.commit()
    assert on_the_loop == [False] * 8 + [True] * 4 + [False] * 9 + [True] * 3


async def test_a_small_write_needs_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done before one has begun."""
    threads: list[int] = []
    pwrite = os.pwrite

    def write(descriptor: int, data: memoryview, position: int) -> int:
        threads.append(threading.get_ident())
        return pwrite(descriptor, data, position)

    monkeypatch.setattr(os, "pwrite", write)
    async with TargetFile(tmp_path / "file") as file:
        await file.write_at(0, PIECE[:1000])
    assert threads == [threading.get_ident()]


async def test_a_write_that_takes_a_part_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a system call may do."""
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, position: pwrite(descriptor, data[:1000], position))
    data = os.urandom(100_000)
    async with TargetFile(tmp_path / "file") as file:
        await file.allocate(len(data))
        await file.write_at(0, memoryview(data))
        await file.commit()
    assert (tmp_path / "file").read_bytes() == data
