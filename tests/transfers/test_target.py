"""The file that a download writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp_s3_client.target import TargetFile

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
