"""The file that a download writes."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from aiohttp_s3_client.journal import JournalEntry
from aiohttp_s3_client.target import StreamTarget, TargetFile


def names(folder: Path) -> list[str]:
    """Give what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


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


@pytest.mark.parametrize("platform", ["linux", "win32"])
async def test_a_file_that_cannot_take_the_targets_place_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """Also where it had to be closed before."""
    (tmp_path / "file").write_bytes(b"old")

    def replace(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, f"{source} to {target}: another program has it open")

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PermissionError):
        await write(tmp_path / "file")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


async def test_an_error_that_comes_with_closing_leaves_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems write only then."""
    (tmp_path / "file").write_bytes(b"old")
    close = os.close

    def fail(descriptor: int) -> None:
        is_partial = Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".part"
        close(descriptor)
        if is_partial:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "close", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)):
        await write(tmp_path / "file")
    monkeypatch.undo()
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("mode", [0o444, 0o640])
async def test_what_replaces_a_file_gets_its_permissions_at_the_end(tmp_path: Path, mode: int) -> None:
    """Until then nobody else reads it, and it can be written to, also the next time."""
    (tmp_path / "file").touch(mode=mode)
    async with TargetFile(tmp_path / "file", resume=True) as file:
        await file.allocate(3, JournalEntry("key", '"etag"', 3, 1))
        await file.write_at(0, memoryview(b"n"))
        await file.mark_done(0)
    [name] = [name for name in names(tmp_path) if name.endswith(".part")]
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    async with TargetFile(tmp_path / "file", resume=True) as file:
        assert file.entry is not None
        await file.allocate(3, file.entry)
        await file.write_at(0, memoryview(b"new"))
        await file.commit()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


async def test_a_torn_line_of_the_journal_does_not_join_the_next(tmp_path: Path) -> None:
    """Or a part that never came would count as done."""
    async with TargetFile(tmp_path / "file", resume=True) as file:
        await file.allocate(20, JournalEntry("key", '"etag"', 20, 1))
        await file.mark_done(0)
    [name] = [name for name in names(tmp_path) if name.endswith(".json")]
    with (tmp_path / name).open("a") as text:
        text.write("1")
    async with TargetFile(tmp_path / "file", resume=True) as file:
        await file.allocate(20, file.entry)
        await file.mark_done(2)
    async with TargetFile(tmp_path / "file", resume=True) as file:
        assert file.entry is not None
        assert file.entry.done == {0, 2}


@pytest.mark.parametrize(("said", "error"), [(None, BlockingIOError), (0, OSError)])
async def test_a_file_object_that_takes_nothing_is_an_error(said: int | None, error: type[Exception]) -> None:
    """And no success, and no endless loop."""

    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _data: object) -> int | None:
            return said

    with pytest.raises(error):
        await StreamTarget(Full()).write_at(0, memoryview(b"data"))


async def write(path: Path) -> None:
    """Write a file as a download does."""
    async with TargetFile(path) as file:
        await file.allocate(3)
        await file.write_at(0, memoryview(b"new"))
        await file.commit()
