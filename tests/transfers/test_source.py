"""What can be uploaded, and how it is cut into parts."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import os
import random
import tempfile
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias, cast

import pytest

from aiohttp_s3_client import BodyLengthError
from aiohttp_s3_client.body import BytesBody, StreamBody
from aiohttp_s3_client.region import FileRegion
from aiohttp_s3_client.source import opened
from tests.network.clients import opened as client_of
from tests.scripted import Choose, Reply, ScriptedServer
from tests.stored_uploads import UploadStore

if TYPE_CHECKING:
    from aiohttp_s3_client import S3Client
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
    if isinstance(body, BytesBody | FileRegion):
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
            await source.check(is_stored=False)
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
        await source.check(is_stored=False)
        with path.open("r+b") as file:
            change(file)
        with pytest.raises(BodyLengthError, match=r"written to.*nothing was stored"):
            await source.check(is_stored=False)
        with pytest.raises(BodyLengthError, match=r"written to.*neither the old nor the new"):
            await source.check(is_stored=True)


async def test_a_file_that_is_replaced_stays_the_old_one(path: Path) -> None:
    """Another file took its name, not its bytes."""
    async with opened(path) as source:
        other = path.with_name("other")
        other.write_bytes(b"new")
        other.replace(path)
        assert b"".join(await parts_of(source)) == DATA
        await source.check(is_stored=False)


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
        (Path("/dev/null"), OSError, "not a regular file.*'/dev/null'"),
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


async def test_a_pipe_by_its_path_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody waits until somebody writes to it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def let_go() -> None:
        # Only a reader that waits is let go.
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    timer = asyncio.get_running_loop().call_later(0.5, let_go)
    with pytest.raises(OSError, match="not a regular file") as caught:
        async with opened(path):
            pass
    timer.cancel()
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))
    assert str(path) not in open_files()


async def test_a_file_that_stands_behind_its_end_has_no_bytes(path: Path) -> None:
    """Rather than fewer than none."""
    with path.open("rb") as file:
        file.seek(len(DATA) + 5)
        async with opened(file) as source:
            assert source.size == 0
            assert await whole_of(source) == b""


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_others_have_turns_while_many_small_pieces_are_gathered(*, is_async: bool) -> None:
    """Though no piece has to be waited for."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def asynchronous() -> AsyncIterator[bytes]:
        for _ in range(8 * 1024 * 1024 // 80):
            yield bytes(80)

    def sync() -> Iterator[bytes]:
        return (bytes(80) for _ in range(8 * 1024 * 1024 // 80))

    counting = asyncio.create_task(count())
    async with opened(asynchronous() if is_async else sync()) as source:
        assert len(await parts_of(source, 16 * 1024 * 1024)) == 1
    counting.cancel()
    assert turns >= 8 * 1024 * 1024 // (256 * 1024)


@asynccontextmanager
async def storing() -> AsyncIterator[tuple[UploadStore, S3Client]]:
    """Give a store and a client of it."""
    store = UploadStore()
    async with ScriptedServer(then=Choose(store.answer)) as server, client_of(server) as client:
        yield store, client


class Yielding(io.BytesIO):
    """A file between whose seeking and reading another thread has its turn."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Seek."""
        position = super().seek(offset, whence)
        time.sleep(0.0005)
        return position


@pytest.mark.parametrize("kind", ["in memory", "on disk"])
@pytest.mark.parametrize("size", [3_000_000, 7_000_000], ids=["in one request", "in parts"])
async def test_one_file_object_is_uploaded_many_times_at_once(tmp_path: Path, kind: str, size: int) -> None:
    """Each time from where it stands, and there it stands afterwards."""
    data = (DATA * 12)[:size]
    path = tmp_path / "file"
    path.write_bytes(data)
    with Yielding(data) if kind == "in memory" else path.open("rb") as file:
        file.seek(3)
        async with storing() as (store, client):
            uploads = [client.upload(file, f"{number}", part_size=5 * 1024 * 1024) for number in range(3)]
            puts = [client.put(f"put {number}", file).__aenter__() for number in range(2)]
            await asyncio.gather(*uploads, *puts)
        assert file.tell() == 3
    assert len(store.objects) == 5
    assert all(stored == data[3:] for stored in store.objects.values())


async def test_a_file_that_is_rewritten_while_it_is_sent_in_one_request_is_an_error(tmp_path: Path) -> None:
    """It says that the object is there."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    os.utime(path, (1_000_000_000, 1_000_000_000))

    def change(reply: Reply) -> Reply:
        with path.open("r+b") as file:
            file.write(b"x")
        return reply

    async with storing() as (store, client):
        store.faults["put"] = [change]
        with pytest.raises(BodyLengthError, match=r"written to.*what was stored may be neither"):
            await client.upload(path, "key")
    assert store.objects == {"/bucket/key": DATA}


class Gate(io.BytesIO):
    """A file whose reading ends when somebody says so."""

    def __init__(self) -> None:
        """Be long enough."""
        super().__init__(DATA)
        self.reading, self.may_end = threading.Event(), threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read."""
        self.reading.set()
        self.may_end.wait(5)
        return super().read(size)

    def bar_readers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the system's own reading wait, too."""
        preadv = os.preadv

        def read(descriptor: int, buffers: list[memoryview], offset: int) -> int:
            self.reading.set()
            self.may_end.wait(5)
            return preadv(descriptor, buffers, offset)

        monkeypatch.setattr(os, "preadv", read)


class OnlyReads:
    """A file that cannot seek."""

    def __init__(self, file: Gate) -> None:
        """Take what it reads."""
        self.read = file.read


async def ends_with_its_reading(upload: Coroutine[Any, Any, object], file: Gate) -> None:
    """Cancel an upload that reads, and see that it ends when the reading does."""
    task = asyncio.create_task(upload)
    assert await asyncio.to_thread(file.reading.wait, 5)
    task.cancel()
    for _ in range(200):
        await asyncio.sleep(0)
    assert not task.done()
    file.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("wrap", [lambda file: file, OnlyReads], ids=["that can seek", "that cannot"])
@pytest.mark.parametrize("length", [len(DATA), None], ids=["sent", "gathered"])
async def test_a_cancelled_upload_reads_a_file_no_longer(wrap: Callable[[Gate], Any], length: int | None) -> None:
    """Whoever gets the cancellation can do with it what they like."""
    file = Gate()
    async with storing() as (_, client):
        await ends_with_its_reading(client.upload(wrap(file), "key", length=length), file)


async def test_a_cancelled_upload_hashes_a_file_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be closed by then, and its descriptor another file's."""
    path, gate = tmp_path / "file", Gate()
    path.write_bytes(DATA * 10)
    gate.bar_readers(monkeypatch)
    async with storing() as (_, client):
        uploading = client.put_file_multipart("key", path, part_size=5 * 1024 * 1024, calculate_content_sha256=True)
        await ends_with_its_reading(uploading, gate)
    assert str(path) not in open_files()


@pytest.mark.parametrize("size", [len(DATA), 10 * len(DATA)], ids=["in one request", "in parts"])
async def test_a_cancelled_upload_closes_no_file_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Where the kernel cannot send it, as under TLS."""
    path, gate = tmp_path / "file", Gate()
    path.write_bytes((DATA * 10)[:size])
    gate.bar_readers(monkeypatch)
    monkeypatch.delattr(os, "sendfile")
    async with storing() as (_, client):
        await ends_with_its_reading(client.upload(path, "key", part_size=5 * 1024 * 1024), gate)
    assert str(path) not in open_files()


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
