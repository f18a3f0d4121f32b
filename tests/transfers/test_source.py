"""What can be uploaded, and how it is cut into parts."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import random
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias, cast

import pytest

from aiohttp_s3_client import BodyLengthError
from aiohttp_s3_client.body import BytesBody, StreamBody
from aiohttp_s3_client.region import FileRegion
from aiohttp_s3_client.source import opened

if TYPE_CHECKING:
    from aiohttp_s3_client.body import Body
    from aiohttp_s3_client.source import Source

DATA: Final = random.Random(5).randbytes(600_000)  # noqa: S311 - the same bytes in every run
PART: Final = 100_000

Made: TypeAlias = Callable[[Path, ExitStack], Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def content(body: Body) -> bytes:
    """Read a part."""
    if isinstance(body, FileRegion):
        return os.pread(body.file.fileno(), body.length, body.offset)
    assert isinstance(body, BytesBody)
    return bytes(body.data or b"")


async def parts_of(source: Source, part_size: int = PART) -> list[bytes]:
    """Read all parts."""
    async with aclosing(source.parts(part_size)) as parts:
        return [content(part) async for part in parts]


async def whole_of(source: Source) -> bytes:
    """Read the body that is sent when there is one request."""
    body = source.whole()
    if isinstance(body, BytesBody):
        return content(body)
    assert isinstance(body, StreamBody)
    async with aclosing(body.chunks()) as chunks:
        return b"".join([bytes(chunk) async for chunk in chunks])


def open_files() -> set[str]:
    """Give the paths of all open descriptors."""
    return {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}  # noqa: PTH208 - names are enough


class AsyncFile:
    """An async file object that is no more than that."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file = io.BytesIO(path.read_bytes())

    async def read(self, size: int = -1, /) -> bytes:
        """Read at most 99,991 bytes."""
        await asyncio.sleep(0)
        return self._file.read(min(size, 99_991))


class AsyncLines(AsyncFile):
    """An async file object that gives its lines when it is iterated."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Refuse: a line can be as long as the file."""
        raise AssertionError


class NotReady(io.RawIOBase):
    """A file that has nothing at the moment, and says so."""

    def read(self, size: int = -1, /) -> None:
        """Give nothing."""


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Cut bytes."""
    return (data[start : start + size] for start in range(0, len(data), size))


async def async_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    """Cut bytes, and let the event loop turn in between."""
    for piece in in_pieces(data, size):
        await asyncio.sleep(0)
        yield piece


def kept(stack: ExitStack, file: Any) -> Any:  # noqa: ANN401 - any file
    """Close a file at the end of the test."""
    return stack.enter_context(file)


def written(file: IO[bytes], *, back_to: int | None = 0) -> IO[bytes]:
    """Fill a temporary file, and go back in it."""
    file.write(DATA)
    if back_to is not None:
        file.seek(back_to)
    return file


def temporary(make: Callable[[], Any], back_to: int | None = 0) -> Made:
    """Fill a temporary file."""
    return lambda _, stack: written(stack.enter_context(make()), back_to=back_to)


def behind_its_start(path: Path, stack: ExitStack) -> IO[bytes]:
    """Open a file whose first bytes are overwritten with what they were, and which does not know that yet."""
    file: IO[bytes] = kept(stack, path.open("r+b"))
    file.write(DATA[:100])
    return file


def unpacked(path: Path, stack: ExitStack) -> IO[bytes]:
    """Read a packed file through the same class as a plain one."""
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(DATA, 1))
    return cast("IO[bytes]", kept(stack, io.BufferedReader(cast("io.RawIOBase", gzip.open(packed)))))


def zipped(path: Path, stack: ExitStack) -> IO[bytes]:
    """Read a member of an archive."""
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        archive.writestr("member", DATA)
    archive = kept(stack, zipfile.ZipFile(path.with_suffix(".zip")))
    return cast("IO[bytes]", kept(stack, archive.open("member")))


def streamed(path: Path, stack: ExitStack) -> asyncio.StreamReader:
    """Read from a connection."""
    del stack
    reader = asyncio.StreamReader()
    reader.feed_data(path.read_bytes())
    reader.feed_eof()
    return reader


# What it is, and the bytes that it has; None where the length is not known beforehand.
SOURCES: Final[dict[str, tuple[Made, int, bool]]] = {
    "a path": (lambda path, _: path, 0, True),
    "a path as str": (lambda path, _: str(path), 0, True),
    "bytes": (lambda *_: DATA, 0, True),
    "a bytearray": (lambda *_: bytearray(DATA), 0, True),
    "a memoryview": (lambda *_: memoryview(DATA), 0, True),
    "a memoryview of numbers": (lambda *_: memoryview(DATA).cast("I"), 0, True),
    "a memoryview with steps": (lambda *_: memoryview(bytes(b for b in DATA for _ in "12"))[::2], 0, True),
    "a BytesIO": (lambda *_: io.BytesIO(DATA), 0, True),
    "a BytesIO from a position": (lambda *_: written(io.BytesIO(), back_to=1000), 1000, True),
    "a file": (lambda path, stack: kept(stack, path.open("rb")), 0, True),
    "an unbuffered file": (lambda path, stack: kept(stack, path.open("rb", buffering=0)), 0, True),
    "a file with unwritten changes": (behind_its_start, 100, True),
    "a new file at its end": (temporary(tempfile.TemporaryFile, back_to=None), len(DATA), True),
    "a TemporaryFile": (temporary(tempfile.TemporaryFile, back_to=3), 3, True),
    "a NamedTemporaryFile": (temporary(tempfile.NamedTemporaryFile, back_to=3), 3, True),
    "a SpooledTemporaryFile in memory": (temporary(tempfile.SpooledTemporaryFile), 0, True),
    "a SpooledTemporaryFile on disk": (temporary(partial(tempfile.SpooledTemporaryFile, 1000), back_to=3), 3, True),
    "an unpacking reader": (unpacked, 0, True),
    "a member of an archive": (zipped, 0, True),
    "a StreamReader": (streamed, 0, False),
    "an async file": (lambda path, _: AsyncFile(path), 0, False),
    "an async file with lines": (lambda path, _: AsyncLines(path), 0, False),
    "an async iterator": (lambda *_: async_pieces(DATA, 777), 0, False),
    "an iterator": (lambda *_: in_pieces(DATA, 99_999), 0, False),
    "a list": (lambda *_: [DATA[:1], b"", bytearray(DATA[1:250_001]), memoryview(DATA)[250_001:]], 0, False),
    "a function": (lambda path, _: lambda: path.open("rb"), 0, False),
}


@pytest.mark.parametrize(("make", "start", "is_known"), SOURCES.values(), ids=SOURCES)
async def test_a_source_is_cut_into_parts_of_one_size(path: Path, make: Made, start: int, is_known: bool) -> None:  # noqa: FBT001 - a column of the table
    """Together they are the source, to the byte; only the last one is smaller."""
    with ExitStack() as stack:
        async with opened(make(path, stack)) as source:
            assert source.size == (len(DATA) - start if is_known else None)
            parts = await parts_of(source)
            await source.check()
    assert b"".join(parts) == DATA[start:]
    assert {len(part) for part in parts[:-1]} <= {PART}
    assert all(0 < len(part) <= PART for part in parts)


@pytest.mark.parametrize(
    ("make", "start"),
    [(make, start) for make, start, is_known in SOURCES.values() if is_known],
    ids=[name for name, (_, _, is_known) in SOURCES.items() if is_known],
)
async def test_a_source_of_known_size_can_be_one_body(path: Path, make: Made, start: int) -> None:
    """It has the same bytes."""
    with ExitStack() as stack:
        async with opened(make(path, stack)) as source:
            assert await whole_of(source) == DATA[start:]


@pytest.mark.parametrize("size", [1, 7, 999, 1000, 1001, 2500, 10_000])
@pytest.mark.parametrize("total", [0, 1, 999, 1000, 1001, 3000, 3333])
async def test_pieces_of_any_size_become_parts_of_one(size: int, total: int) -> None:
    """Of no pieces there is no part."""
    expected = list(in_pieces(DATA[:total], 1000))
    async with opened(async_pieces(DATA[:total], size)) as source:
        assert await parts_of(source, 1000) == expected
    async with opened(in_pieces(DATA[:total], size), total) as source:
        assert source.size == total
        assert await parts_of(source, 1000) == expected


@pytest.mark.parametrize("declared", [0, 2999, 3001])
async def test_a_stream_of_another_length_than_declared_is_an_error(declared: int) -> None:
    """Whether it is too long or too short."""
    async with opened(in_pieces(DATA[:3000], 100), declared) as source:
        with pytest.raises(BodyLengthError, match=str(declared)):
            await parts_of(source, 1000)


async def test_only_as_much_of_a_stream_is_taken_as_is_needed() -> None:
    """Whoever stops in the middle closes it."""
    taken = []
    closed = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal closed
        try:
            for piece in in_pieces(DATA, 1000):
                taken.append(piece)
                yield piece
        finally:
            closed = True

    async with opened(pieces()) as source, aclosing(source.parts(2500)) as parts:
        await anext(parts)
        assert len(taken) == 3
    assert closed


@pytest.mark.parametrize("size", [1000, len(DATA)])
async def test_a_file_that_was_opened_by_its_path_is_closed(tmp_path: Path, size: int) -> None:
    """However the upload ends."""
    path = tmp_path / "file"
    path.write_bytes(DATA[:size])
    async with opened(path) as source:
        assert len(await whole_of(source)) == size
    assert str(path) not in open_files()


async def test_a_file_of_the_callers_stays_open(path: Path) -> None:
    """They may have use for it."""
    with path.open("rb") as file:
        async with opened(file):
            pass
        assert not file.closed


def truncated(file: IO[bytes]) -> None:
    """Make it shorter."""
    file.truncate(1000)


def grown(file: IO[bytes]) -> None:
    """Make it longer."""
    file.seek(0, os.SEEK_END)
    file.write(b"more")


def rewritten(file: IO[bytes]) -> None:
    """Make it another of the same length."""
    file.write(b"x")


@pytest.mark.parametrize("change", [truncated, grown, rewritten])
async def test_a_file_that_changed_is_no_source_any_more(path: Path, change: Callable[[IO[bytes]], None]) -> None:
    """What was sent of it is neither the old one nor the new one."""
    os.utime(path, (1_000_000_000, 1_000_000_000))
    async with opened(path) as source:
        await source.check()
        with path.open("r+b") as file:
            change(file)
        with pytest.raises(BodyLengthError, match="written to"):
            await source.check()


async def test_a_file_that_is_replaced_stays_the_old_one(path: Path) -> None:
    """Another file took its name, not its bytes."""
    async with opened(path) as source:
        other = path.with_name("other")
        other.write_bytes(b"new")
        other.replace(path)
        assert b"".join(await parts_of(source)) == DATA
        await source.check()


async def test_a_file_of_no_length_is_read_to_its_end() -> None:
    """The system makes up some files when they are read."""
    async with opened(Path("/proc/self/status")) as source:
        assert b"".join(await parts_of(source)).startswith(b"Name:")


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1])
async def test_a_small_file_needs_no_descriptor_for_long(tmp_path: Path, size: int) -> None:
    """It comes out the same."""
    path = tmp_path / "file"
    path.write_bytes(DATA[:size])
    async with opened(path) as source:
        assert source.size == size
        assert await whole_of(source) == DATA[:size]


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (Path("/missing/file"), FileNotFoundError, "/missing/file"),
        ("/missing/file", FileNotFoundError, "/missing/file"),
        ("text that was meant to be uploaded", FileNotFoundError, "text that"),
        (Path("/"), IsADirectoryError, "'/'"),
        (1, TypeError, "int"),
        (None, TypeError, "NoneType"),
        ({"a": 1}, TypeError, "dict"),
        (io.StringIO("text"), TypeError, "text mode"),
    ],
    ids=repr,
)
async def test_what_is_no_source_is_refused_by_name(source: Any, error: type[Exception], words: str) -> None:  # noqa: ANN401 - anything at all
    """Before anything is sent."""
    with pytest.raises(error, match=words):
        async with opened(source):
            pass


@pytest.mark.parametrize("source", [["text"], [1], NotReady()], ids=["str", "int", "nothing yet"])
async def test_a_piece_that_is_not_bytes_is_an_error(source: Any) -> None:  # noqa: ANN401 - anything at all
    """Least of all it is an end."""
    async with opened(source) as opened_source:
        with pytest.raises(TypeError, match="give bytes"):
            await parts_of(opened_source)


@pytest.mark.parametrize("source", [b"four", Path(__file__), io.BytesIO(b"four")], ids=["bytes", "path", "file"])
async def test_a_declared_length_is_held_against_what_knows_its_own(source: bytes | Path | IO[bytes]) -> None:
    """Before anything is sent."""
    with pytest.raises(BodyLengthError, match="5 bytes"):
        async with opened(source, 5):
            pass
