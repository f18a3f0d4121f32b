"""What can be sent: every kind of body arrives byte for byte, and what can be sent again is."""

from __future__ import annotations

import array
import asyncio
import io
import os
import tempfile
import threading
import time
import zlib
from typing import TYPE_CHECKING

import aiohttp
import pytest

from aiohttp_s3_client.body import GATHER_LIMIT
from tests.network.clients import fetch, opened, signature_holds
from tests.scripted import Drop, Ending, Reply, ScriptedServer, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from aiohttp_s3_client.body import Data
    from tests.scripted import Received

BUSY = Reply(503)
# Longer than one piece that a file is read in, and no multiple of anything.
LARGE = bytes(range(251)) * 9973


class ShortReads(io.RawIOBase):
    """A file that cannot seek, and gives one to three bytes at a time."""

    def __init__(self, content: bytes) -> None:
        """Take the content."""
        super().__init__()
        self._rest = content

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stub's buffer is no usable type
        """Give a few bytes."""
        size = min(len(buffer), len(self._rest), 1 + len(self._rest) % 3)
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class OnlyRead:
    """The least that is a file."""

    def __init__(self, content: bytes) -> None:
        """Take the content."""
        self._file = io.BytesIO(content)

    def read(self, size: int = -1, /) -> bytes:
        """Read."""
        return self._file.read(size)


class Replayable:
    """An asynchronous iterable that begins anew each time."""

    def __init__(self, *chunks: bytes) -> None:
        """Take the chunks."""
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the chunks."""
        for chunk in self._chunks:
            yield chunk


def halves() -> Iterator[bytes]:
    """Give four bytes in two pieces."""
    yield b"da"
    yield b"ta"


async def async_halves() -> AsyncIterator[bytes]:
    """Give four bytes in two pieces."""
    yield b"da"
    yield b"ta"


IN_MEMORY: dict[str, Callable[[], Data]] = {
    "str": lambda: "data",
    "bytes": lambda: b"data",
    "bytearray": lambda: bytearray(b"data"),
    "memoryview": lambda: memoryview(b"data"),
    "memoryview of numbers": lambda: memoryview(array.array("H", b"data")),
    "memoryview with gaps": lambda: memoryview(b"dxaxtxax")[::2],
    "BytesIO": lambda: io.BytesIO(b"data"),
    "list": lambda: [b"da", b"ta"],
    "tuple with empty pieces": lambda: (b"", b"da", b"", memoryview(b"ta"), bytearray()),
    "asynchronous iterable": lambda: Replayable(b"da", b"ta"),
    "callable": lambda: halves,
    "asynchronous callable": lambda: async_halves,
    "callable that gives a list": lambda: lambda: [b"da", b"ta"],
    "generator": halves,
    "asynchronous generator": async_halves,
    "file that cannot seek": lambda: ShortReads(b"data"),
    "file that can only read": lambda: OnlyRead(b"data"),
}
# With the length said, these are streamed as they come, and what came cannot come again.
ONCE: dict[str, Callable[[], Data]] = {
    "generator": halves,
    "iterator": lambda: iter([b"da", b"ta"]),
    "asynchronous generator": async_halves,
    "file that cannot seek": lambda: ShortReads(b"data"),
    "file that can only read": lambda: OnlyRead(b"data"),
}
AGAIN: dict[str, Callable[[], Data]] = {
    "list": lambda: [b"da", b"ta"],
    "asynchronous iterable": lambda: Replayable(b"da", b"ta"),
    "callable": lambda: halves,
    "asynchronous callable": lambda: async_halves,
    "BytesIO": lambda: io.BytesIO(b"data"),
}


def assert_plain(request: Received, body: bytes) -> None:
    """See that a request came whole, with its length, not in chunks, and that its signature covers what came."""
    assert request.whole
    assert request.body == body
    assert request.headers["Content-Length"] == str(len(body))
    assert "Transfer-Encoding" not in request.headers
    assert signature_holds(request)


@pytest.mark.parametrize("make", IN_MEMORY.values(), ids=IN_MEMORY)
async def test_every_kind_of_body_arrives_and_is_sent_again(
    session: aiohttp.ClientSession | None, make: Callable[[], Data]
) -> None:
    """After a 503 the same bytes go out from the same start: small ones of unknown length are held for that."""
    async with ScriptedServer(BUSY, Reply()) as server:
        async with opened(server, session=session) as client, client.put("key", make()) as response:
            assert response.status == 200
        assert len(server.requests) == 2
        for request in server.requests:
            assert_plain(request, b"data")


@pytest.mark.parametrize("make", AGAIN.values(), ids=AGAIN)
async def test_a_body_of_known_length_that_can_be_opened_again_is_sent_again(make: Callable[[], Data]) -> None:
    """Nothing is held in memory for it."""
    async with ScriptedServer(BUSY, Reply()) as server:
        async with opened(server) as client, client.put("key", make(), data_length=4) as response:
            assert response.status == 200
        assert len(server.requests) == 2
        for request in server.requests:
            assert_plain(request, b"data")


@pytest.mark.parametrize("make", ONCE.values(), ids=ONCE)
async def test_a_body_that_comes_once_is_sent_once(
    session: aiohttp.ClientSession | None, make: Callable[[], Data]
) -> None:
    """A 503 is then handed over as it is, and no half body follows."""
    async with ScriptedServer(Reply(503, body=b"busy"), Reply()) as server:
        async with opened(server, session=session) as client, client.put("key", make(), data_length=4) as response:
            assert (response.status, await response.read()) == (503, b"busy")
        assert len(server.requests) == 1
        assert_plain(server.requests[0], b"data")


@pytest.mark.parametrize(
    "kind", ["bytes", "bytearray", "memoryview", "BytesIO", "list", "generator", "real file", "put_file"]
)
@pytest.mark.parametrize("size", [len(LARGE), 1024 * 1024, 5 * 1024 * 1024, 5 * 1024 * 1024 + 1])
async def test_a_large_body_arrives_exactly(
    session: aiohttp.ClientSession | None, kind: str, size: int, tmp_path: Path
) -> None:
    """Megabytes go out in pieces, and twice when the first answer is 503."""
    content = (LARGE * 3)[:size]
    path = tmp_path / "file"
    path.write_bytes(content)
    pieces = [content[start : start + 70_001] for start in range(0, size, 70_001)]
    async with ScriptedServer(BUSY, Reply()) as server:
        async with opened(server, session=session) as client:
            with path.open("rb") as file:
                data: dict[str, Data] = {
                    "bytes": content,
                    "bytearray": bytearray(content),
                    "memoryview": memoryview(content),
                    "BytesIO": io.BytesIO(content),
                    "list": pieces,
                    "generator": (piece for piece in pieces),
                    "real file": file,
                }
                sending = client.put_file("key", path) if kind == "put_file" else client.put("key", data[kind])
                async with sending as response:
                    assert response.status == 200
        assert len(server.requests) == 2
        for request in server.requests:
            assert_plain(request, content)


async def test_a_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    """What was read before stays out, in every attempt."""
    path = tmp_path / "file"
    path.write_bytes(b"header" + LARGE)
    async with ScriptedServer(BUSY, BUSY, Reply()) as server:
        async with opened(server) as client:
            with path.open("rb") as file:
                file.read(6)
                async with client.put("key", file) as response:
                    assert response.status == 200
        assert len(server.requests) == 3
        for request in server.requests:
            assert_plain(request, LARGE)


class YieldingFile(io.BytesIO):
    """A file between whose seeking and reading another thread has its turn."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Seek."""
        position = super().seek(offset, whence)
        time.sleep(0.0005)
        return position


@pytest.mark.parametrize("kind", ["in memory", "on disk"])
@pytest.mark.parametrize("start", [0, 5])
async def test_one_file_object_is_sent_many_times_at_once(tmp_path: Path, kind: str, start: int) -> None:
    """Each time from where it stands, and there it stands afterwards."""
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    with YieldingFile(LARGE) if kind == "in memory" else path.open("rb") as file:
        file.seek(start)
        async with ScriptedServer(Drop(Taken.HALF), BUSY, then=Reply()) as server:
            async with opened(server) as client:

                async def put(number: int) -> None:
                    # Some begin when others are under way.
                    await server.until(lambda server: len(server.requests) >= number)
                    async with client.put(f"{number}", file) as response:
                        assert response.status == 200

                await asyncio.gather(*map(put, range(4)))
            whole = [request for request in server.requests if request.whole]
            assert len(whole) >= 4
            for request in whole:
                assert_plain(request, LARGE[start:])
        assert file.tell() == start


class SlowFile(io.BytesIO):
    """A file whose third read returns only after the fourth has begun, or after a moment without one."""

    def __init__(self, content: bytes) -> None:
        """Take the content."""
        super().__init__(content)
        self.reads = 0
        self._fourth_began = threading.Event()
        self._third_ended = threading.Event()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read."""
        self.reads += 1
        if self.reads == 4:
            self._fourth_began.set()
            self._third_ended.wait(0.05)
        elif self.reads == 3:
            self._fourth_began.wait(0.05)
        chunk = super().read(size)
        if self.reads >= 3:
            self._third_ended.set()
        return chunk


async def test_a_read_that_is_still_under_way_does_not_shift_the_next_attempt() -> None:
    """A 503 in the middle of an upload cannot stop the thread that reads the file."""
    content = LARGE * 2
    busy = Reply(503, after=Taken.HEAD, ending=Ending.CLOSE)
    file = SlowFile(content)
    async with ScriptedServer(busy, Reply()) as server:
        async with opened(server) as client, client.put("key", file) as response:
            assert response.status == 200
        assert len(server.requests) == 2
        assert_plain(server.requests[-1], content)


async def test_an_unbuffered_file_arrives(tmp_path: Path) -> None:
    """A raw file reads as little as it likes at a time."""
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    async with ScriptedServer(BUSY, Reply()) as server:
        async with opened(server) as client:
            with path.open("rb", buffering=0) as file:
                async with client.put("key", file) as response:
                    assert response.status == 200
        for request in server.requests:
            assert_plain(request, LARGE)


@pytest.mark.parametrize("spooled", [False, True])
async def test_a_temporary_file_is_a_file(*, spooled: bool) -> None:
    """The wrappers of ``tempfile`` tell their length, and are sent again, like what they wrap."""
    content = LARGE * 4
    assert len(content) > GATHER_LIMIT
    async with ScriptedServer(BUSY, Reply()) as server:
        async with opened(server) as client:
            with tempfile.SpooledTemporaryFile() if spooled else tempfile.NamedTemporaryFile() as file:
                file.write(content)
                file.seek(0)
                async with client.put("key", file) as response:
                    assert response.status == 200
        assert len(server.requests) == 2
        for request in server.requests:
            assert_plain(request, content)


async def test_a_pipe_arrives() -> None:
    """It cannot seek, so it is held in memory."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"data")
    async with ScriptedServer(BUSY, Reply()) as server:
        with os.fdopen(reading, "rb") as file:
            async with opened(server) as client, client.put("key", file) as response:
                assert response.status == 200
        for request in server.requests:
            assert_plain(request, b"data")


async def test_the_body_of_another_response_arrives() -> None:
    """A download is sent on as it comes, however long its lines are."""
    one_line = LARGE.replace(b"\n", b" ")
    async with ScriptedServer(Reply(body=one_line), Reply()) as server:
        async with (
            opened(server) as client,
            aiohttp.ClientSession() as session,
            session.get(f"{server.url}/source") as source,
            client.put("key", source.content, data_length=source.content_length) as response,
        ):
            assert response.status == 200
        assert_plain(server.requests[-1], one_line)


async def test_a_callable_may_open_a_file(tmp_path: Path) -> None:
    """Each attempt opens its own, which is closed behind it."""
    path = tmp_path / "file"
    path.write_bytes(b"li\nnes\n" * 9)
    files: list[io.BufferedReader] = []

    def opened_anew() -> io.BufferedReader:
        files.append(path.open("rb"))
        return files[-1]

    async with ScriptedServer(BUSY, Reply()) as server:
        async with opened(server) as client, client.put("key", opened_anew, data_length=63) as response:
            assert response.status == 200
        for request in server.requests:
            assert_plain(request, b"li\nnes\n" * 9)
    assert len(files) == 2
    assert all(file.closed for file in files)


@pytest.mark.parametrize("sync", [True, False], ids=["generator", "asynchronous generator"])
@pytest.mark.parametrize("length", [9, None], ids=["streamed", "gathered"])
async def test_a_source_may_use_one_buffer_for_all_pieces(*, sync: bool, length: int | None) -> None:
    """A piece is what it was when it was given, although it is sent after the next one was made."""
    buffer = bytearray(3)

    def refilled() -> Iterator[memoryview]:
        for piece in (b"abc", b"def", b"ghi"):
            buffer[:] = piece
            yield memoryview(buffer)

    async def refilled_later() -> AsyncIterator[bytearray]:
        for _ in refilled():
            yield buffer

    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client:
            data = refilled() if sync else refilled_later()
            async with client.put("key", data, data_length=length) as response:
                assert response.status == 200
        assert_plain(server.requests[0], b"abcdefghi")


async def test_the_body_of_a_stream_reader_arrives() -> None:
    """What comes from a subprocess or a socket need not have lines."""
    reader = asyncio.StreamReader()
    reader.feed_data(bytes(300_000))
    reader.feed_eof()
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client, client.put("key", reader) as response:
            assert response.status == 200
        assert_plain(server.requests[0], bytes(300_000))


@pytest.mark.parametrize("data", ["", b"", bytearray(), memoryview(b""), io.BytesIO(), [], iter(()), [b"", b""]])
async def test_an_empty_body_says_that_its_length_is_0(session: aiohttp.ClientSession | None, data: Data) -> None:
    """A store refuses a PUT without any length."""
    async with ScriptedServer(Reply()) as server:
        async with opened(server, session=session) as client, client.put("key", data) as response:
            assert response.status == 200
        assert_plain(server.requests[0], b"")


async def test_an_empty_file_says_that_its_length_is_0(tmp_path: Path) -> None:
    """So does a file with nothing in it."""
    (tmp_path / "file").touch()
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client, client.put_file("key", tmp_path / "file") as response:
            assert response.status == 200
        assert_plain(server.requests[0], b"")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_a_request_without_a_body_says_that_its_length_is_0(
    session: aiohttp.ClientSession | None, method: str
) -> None:
    """Google's store answers 411 to a POST that does not."""
    async with ScriptedServer(Reply()) as server:
        async with opened(server, session=session) as client:
            await fetch(client, method)
        assert_plain(server.requests[0], b"")


async def test_text_is_sent_as_utf_8() -> None:
    """Its length counts bytes, not characters."""
    text = "grün \N{SNOWMAN}"
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client, client.put("key", text) as response:
            assert response.status == 200
        assert_plain(server.requests[0], text.encode())


async def test_exactly_the_limit_of_unknown_length_is_one_request() -> None:
    """8 MiB are gathered and sent as one object."""
    pieces = (bytes(1024) for _ in range(GATHER_LIMIT // 1024))
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client, client.put("key", pieces) as response:
            assert response.status == 200
        assert len(server.requests) == 1
        assert zlib.crc32(server.requests[0].body) == zlib.crc32(bytes(GATHER_LIMIT))
