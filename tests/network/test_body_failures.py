"""Bodies that are not what was said, fail on the way, or are nothing that can be sent: nothing whole goes out."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest

from aiohttp_s3_client import BodyLengthError, S3ConnectionError
from aiohttp_s3_client.body import GATHER_LIMIT
from tests.network.clients import opened
from tests.scripted import Choose, Drop, Ending, Reply, ScriptedServer, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiohttp_s3_client.body import Data

PIECES = (b"0123456789" * 10_000, b"abcdefghij" * 10_000)
SIZE = sum(map(len, PIECES))


class SourceError(Exception):
    """What a source raises in these tests."""


class Source:
    """A source of pieces that knows how far it was read, and whether it was closed."""

    def __init__(self, *pieces: bytes, error: BaseException | None = None) -> None:
        """Take the pieces, and what to raise after them."""
        self.given = 0
        self.closed = False
        self.half_read = asyncio.Event()
        self._pieces = pieces
        self._error = error

    def sync(self) -> Iterator[bytes]:
        """Give the pieces."""
        try:
            for piece in self._pieces:
                self.given += 1
                yield piece
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True

    async def asynchronous(self) -> AsyncIterator[bytes]:
        """Give the pieces, and take some turns of the loop to close."""
        try:
            for piece in self._pieces:
                self.given += 1
                yield piece
            if self._error is not None:
                raise self._error
        finally:
            await asyncio.sleep(0)
            self.closed = True

    async def endless(self) -> AsyncIterator[bytes]:
        """Give the pieces again and again."""
        try:
            while True:
                self.given += 1
                yield self._pieces[self.given % len(self._pieces)]
                await asyncio.sleep(0)
                if self.given == 10:
                    self.half_read.set()
        finally:
            self.closed = True


SHAPES: dict[str, Callable[[Source], Data]] = {
    "generator": lambda source: source.sync(),
    "asynchronous generator": lambda source: source.asynchronous(),
    "callable": lambda source: source.sync,
    "asynchronous callable": lambda source: source.asynchronous,
}


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> Callable[[Source], Data]:
    """Give each way to hand a source over."""
    given: Callable[[Source], Data] = request.param
    return given


async def assert_nothing_whole(server: ScriptedServer) -> None:
    """See that no request arrived whole, and that there was at most one."""
    await server.until(lambda server: server.open_connections == 0)
    assert len(server.requests) <= 1
    assert not any(request.whole for request in server.requests)


@pytest.mark.parametrize("length", [0, 1, len(PIECES[0]), SIZE - 1, SIZE + 1, 2 * SIZE])
async def test_a_stream_of_another_length_than_said_never_makes_a_whole_request(
    session: aiohttp.ClientSession | None, shape: Callable[[Source], Data], length: int
) -> None:
    """Too long or too short: the store sees a request that breaks off, and the caller a clear error."""
    source = Source(*PIECES)
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server, session=session) as client:
            words = rf"declared to have {length} bytes, and has (more|only)"
            with pytest.raises(BodyLengthError, match=words) as caught:
                await client.put("key", shape(source), data_length=length)
        await assert_nothing_whole(server)
    assert isinstance(caught.value, ValueError)
    assert source.closed


@pytest.mark.parametrize("data", ["data", b"data", bytearray(b"data"), memoryview(b"data"), io.BytesIO(b"data")])
@pytest.mark.parametrize("length", [0, 3, 5])
async def test_a_body_that_knows_its_length_is_not_sent_under_another(data: Data, length: int) -> None:
    """The error comes before anything is sent."""
    async with ScriptedServer() as server, opened(server) as client:
        with pytest.raises(BodyLengthError, match=f"declared to have {length} bytes"):
            client.put("key", data, data_length=length)
        assert not server.requests


async def test_a_body_of_the_length_that_was_said_is_sent(shape: Callable[[Source], Data]) -> None:
    """The declared length is what counts, and the source is closed behind it."""
    source = Source(*PIECES)
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client, client.put("key", shape(source), data_length=SIZE) as response:
            assert response.status == 200
            assert source.closed
        assert server.requests[0].whole
        assert server.requests[0].body == b"".join(PIECES)


async def test_more_than_the_limit_of_unknown_length_is_refused_before_anything_is_sent(
    shape: Callable[[Source], Data],
) -> None:
    """Not even a connection is made, and no more is read than needed to know."""
    source = Source(bytes(GATHER_LIMIT // 2), bytes(GATHER_LIMIT // 2), b"1", b"2", b"3")
    async with ScriptedServer() as server:
        async with opened(server) as client:
            with pytest.raises(BodyLengthError, match="data_length="):
                await client.put("key", shape(source))
        assert server.connections == 0
    assert source.given == 3
    assert source.closed


@pytest.mark.parametrize(
    "error",
    [
        SourceError("mine"),
        OSError(5, "Input/output error"),
        ConnectionResetError("another connection"),
        TimeoutError("another timeout"),
        aiohttp.ClientPayloadError("another download"),
        ValueError("mine"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("length", [SIZE, SIZE + 1, None], ids=["at the end", "in the middle", "while gathering"])
async def test_what_a_source_raises_comes_out_as_itself(
    session: aiohttp.ClientSession | None, shape: Callable[[Source], Data], error: Exception, length: int | None
) -> None:
    """Not as an error of the network, and not tried again, even where a network's error looks alike."""
    source = Source(*PIECES, error=error)
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server, session=session) as client:
            with pytest.raises(type(error)) as caught:
                await client.put("key", shape(source), data_length=length)
        await assert_nothing_whole(server)
    assert caught.value is error
    assert source.closed


async def test_a_source_that_fails_at_once_sends_nothing(shape: Callable[[Source], Data]) -> None:
    """Nor does it hide behind a lost connection."""
    source = Source(error=SourceError("mine"))
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server) as client:
            with pytest.raises(SourceError):
                await client.put("key", shape(source), data_length=4)
        await assert_nothing_whole(server)


@pytest.mark.parametrize("chunk", ["text", 1, None, 1.5, ["bytes"]], ids=lambda chunk: type(chunk).__name__)
@pytest.mark.parametrize("length", [4, None])
async def test_a_piece_that_is_no_bytes_is_named(chunk: object, length: int | None) -> None:
    """Above all text, which would have to be encoded."""
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server) as client:
            with pytest.raises(TypeError, match=f"a piece of the body is a {type(chunk).__name__}: give bytes"):
                await client.put("key", cast("Data", [chunk]), data_length=length)
        await assert_nothing_whole(server)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "a NoneType cannot be sent"),
        (7, "a int cannot be sent"),
        (1.5, "a float cannot be sent"),
        ({"a": 1}, "a dict cannot be sent"),
        ({}, "a dict cannot be sent"),
        (object(), "a object cannot be sent"),
        (Path("x"), "put_file"),
        (io.StringIO("text"), "mode 'rb'"),
    ],
    ids=repr,
)
async def test_what_cannot_be_sent_is_named_before_anything_is_sent(data: object, words: str) -> None:
    """The error says what was given and what to give."""
    async with ScriptedServer() as server, opened(server) as client:
        with pytest.raises(TypeError, match=words):
            client.put("key", cast("Data", data))
        assert server.connections == 0


async def test_a_callable_that_gives_nothing_to_send_is_named() -> None:
    """What it returned is what the error is about."""
    async with ScriptedServer() as server, opened(server) as client:
        with pytest.raises(TypeError, match="a NoneType cannot be sent"):
            await client.put("key", cast("Data", lambda: None))
        assert server.connections == 0


async def test_a_file_in_text_mode_is_named(tmp_path: Path) -> None:
    """The cure is in the error."""
    (tmp_path / "file").write_text("text")
    async with ScriptedServer() as server, opened(server) as client:
        with (tmp_path / "file").open() as file, pytest.raises(TypeError, match="open it with mode 'rb'"):
            client.put("key", cast("Data", file))
        assert server.connections == 0


async def test_a_missing_file_is_the_systems_own_error(tmp_path: Path) -> None:
    """Before a connection is made."""
    async with ScriptedServer() as server, opened(server) as client:
        with pytest.raises(FileNotFoundError) as caught:
            await client.put_file("key", tmp_path / "missing")
        assert caught.value.filename == str(tmp_path / "missing")
        assert server.connections == 0


async def test_a_folder_is_the_systems_own_error(tmp_path: Path) -> None:
    """It has a length, but cannot be read."""
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server) as client:
            with pytest.raises(IsADirectoryError):
                await client.put_file("key", tmp_path)
        await assert_nothing_whole(server)


@contextmanager
def let_go(path: Path) -> Iterator[None]:
    """Let whoever waits for the other end of a pipe go, in half a second: only a failing test takes so long."""

    def write() -> None:
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    timer = asyncio.get_running_loop().call_later(0.5, write)
    try:
        yield
    finally:
        timer.cancel()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")], ids=["a pipe", "a device"])
async def test_what_is_no_file_is_refused_before_anything_is_sent(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Nobody waits until somebody writes to a pipe."""
    path = tmp_path / "special"
    make(path)
    async with ScriptedServer(then=Reply()) as server, opened(server) as client:
        with let_go(path), pytest.raises(OSError, match="not a regular file") as caught:
            await client.put_file("key", path)
        assert server.connections == 0
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(path))


async def test_a_file_that_becomes_a_pipe_stops_nobody(tmp_path: Path) -> None:
    """It was one before the first attempt, and is none at the second."""
    path = tmp_path / "file"
    path.write_bytes(bytes(3_000_000))

    def replaced() -> Reply:
        path.unlink()
        os.mkfifo(path)
        return Reply(503)

    async with ScriptedServer(Choose(lambda _: replaced(), after=Taken.ALL), then=Reply()) as server:
        async with opened(server) as client:
            with let_go(path), pytest.raises(OSError, match="not a regular file"):
                await client.put_file("key", path)
        await server.until(lambda server: server.open_connections == 0)
        assert not any(request.whole for request in server.requests[1:])


class Gate(io.BytesIO):
    """A file whose second read ends when somebody says so."""

    def __init__(self) -> None:
        """Be long enough for three."""
        super().__init__(bytes(3_000_000))
        self.reads = 0
        self.reading = threading.Event()
        self.may_end = threading.Event()
        self.is_over = threading.Event()
        self.closed_while_read = False

    def close(self) -> None:
        """Close."""
        self.closed_while_read |= self.reading.is_set() and not self.may_end.is_set()
        super().close()
        self.is_over.set()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read."""
        self.reads += 1
        if self.reads == 2:
            self.reading.set()
            self.may_end.wait(5)
        return super().read(size)


async def test_what_a_callable_opened_is_closed_when_nobody_reads_it_any_more() -> None:
    """A cancellation does not stop the thread that does."""
    file = Gate()
    async with ScriptedServer(then=Reply()) as server, opened(server) as client:
        sending = asyncio.ensure_future(client.put("key", lambda: file, data_length=3_000_000).__aenter__())
        assert await asyncio.to_thread(file.reading.wait, 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        for _ in range(20):
            await asyncio.sleep(0)
        file.may_end.set()
        assert await asyncio.to_thread(file.is_over.wait, 5)
    assert not file.closed_while_read


@pytest.mark.parametrize("change", [-1, 1, 1_000_000])
@pytest.mark.parametrize("as_path", [True, False], ids=["put_file", "put"])
async def test_a_file_that_changes_its_length_on_the_way_never_makes_a_whole_request(
    tmp_path: Path, change: int, *, as_path: bool
) -> None:
    """It was measured before the first attempt, and is another at the second."""
    path = tmp_path / "file"
    path.write_bytes(bytes(3_000_000))

    def changed() -> Reply:
        path.write_bytes(bytes(3_000_000 + change))
        return Reply(503)

    async with ScriptedServer(Choose(lambda _: changed(), after=Taken.ALL), then=Reply()) as server:
        async with opened(server) as client:
            with path.open("rb") as file, pytest.raises(BodyLengthError, match="declared to have 3000000 bytes"):
                await (client.put_file("key", path) if as_path else client.put("key", file))
        await server.until(lambda server: server.open_connections == 0)
        assert [request.whole for request in server.requests[1:]] in ([], [False])


@pytest.mark.parametrize("drop", [Drop(Taken.HEAD), Drop(Taken.HALF, Ending.RESET), Drop(Taken.ALL)], ids=repr)
async def test_a_body_that_comes_once_is_not_sent_again_when_the_connection_breaks(drop: Drop) -> None:
    """Half of it is gone, and so is the connection's error honest."""
    source = Source(*PIECES)
    async with ScriptedServer(drop) as server:
        async with opened(server) as client:
            with pytest.raises(S3ConnectionError, match=r"\(1 attempt\)"):
                await client.put("key", source.asynchronous(), data_length=SIZE)
        assert len(server.requests) == 1
        await closed(source)


async def test_a_source_is_closed_when_the_answer_comes_early(
    session: aiohttp.ClientSession | None, shape: Callable[[Source], Data]
) -> None:
    """A store that refuses need not read to the end, and neither do we."""
    early = Reply(403, body=b"no", after=Taken.HEAD)
    source = Source(*PIECES * 50)
    async with ScriptedServer(early, receive_buffer=4096) as server:
        async with (
            opened(server, session=session) as client,
            client.put("key", shape(source), data_length=50 * SIZE) as response,
        ):
            assert (response.status, await response.read()) == (403, b"no")
        await closed(source)
        assert len(server.requests) == 1
        assert not server.requests[0].whole


@pytest.mark.parametrize("length", [10**9, None], ids=["streaming", "gathering"])
async def test_a_source_is_closed_when_the_request_is_cancelled(
    session: aiohttp.ClientSession | None, length: int | None
) -> None:
    """Wherever it stands at that moment."""
    source = Source(b"piece") if length is None else Source(*PIECES)
    async with ScriptedServer(Drop(ending=Ending.STALL)) as server:
        async with opened(server, session=session) as client:
            sending = asyncio.ensure_future(client.put("key", source.endless(), data_length=length).__aenter__())
            await (source.half_read.wait() if length is None else server.until(lambda server: bool(server.requests)))
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await closed(source)
        assert len(server.requests) == (0 if length is None else 1)


async def closed(source: Source) -> None:
    """Wait until a source is closed; in an order of its own, the loop may take a few turns for that."""
    for _ in range(20):
        if source.closed:
            return
        await asyncio.sleep(0)
    pytest.fail("the source was not closed")


async def test_each_attempt_closes_what_a_callable_made_for_it() -> None:
    """Three attempts, three sources, none left open."""
    made: list[Source] = []

    def make() -> AsyncIterator[bytes]:
        made.append(Source(*PIECES))
        return made[-1].asynchronous()

    async with ScriptedServer(Drop(Taken.HALF), Reply(503), Reply()) as server:
        async with opened(server) as client, client.put("key", make, data_length=SIZE) as response:
            assert response.status == 200
        assert len(server.requests) == len(made) == 3
    assert [source.closed for source in made] == [True] * 3


async def test_the_one_attempt_of_a_body_that_comes_once_can_raise() -> None:
    """With ``raise_for_status`` the only answer becomes the error."""
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with ScriptedServer(Reply.error(503, "SlowDown")) as server, opened(server, session=session) as client:
            with pytest.raises(aiohttp.ClientResponseError, match="SlowDown"):
                await client.put("key", iter([b"data"]), data_length=4)
        assert len(server.requests) == 1
