"""Bodies on their way to a writer: through a protocol of our own or as aiohttp streams them, over TCP and over TLS."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import ByteRange, InvalidResponseError, S3Client, S3ConnectionError, S3TimeoutError, Timeouts
from aiohttp_s3_client import receive as receive_module
from aiohttp_s3_client.buffers import BUFFER_SIZE, Buffers
from aiohttp_s3_client.receive import receive
from tests.network.clients import opened
from tests.network.links import Link
from tests.scripted import Choose, Ending, Reply, ScriptedServer
from tests.stored import StoredObject, chunked, cut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp

DATA = random.Random(1).randbytes(3 * BUFFER_SIZE + 77_777)  # noqa: S311 - the same bytes in every run
SHORT = Timeouts(connect=1, read=0.05)


@dataclass(slots=True)
class Written:
    """A writer that keeps what it gets, and does something after each piece."""

    data: bytearray = field(default_factory=bytearray)
    after: Callable[[], None] = lambda: None
    turns: int = 0

    async def write(self, piece: memoryview) -> None:
        """Keep it, after ``turns`` turns of the loop, in which more comes."""
        for _ in range(self.turns):
            await asyncio.sleep(0)
        self.data += piece
        self.after()


@asynccontextmanager
async def connected(
    stored: StoredObject, link: Link, session: aiohttp.ClientSession | None, timeouts: Timeouts | None = None
) -> AsyncIterator[tuple[ScriptedServer, S3Client]]:
    """Give a server with an object, and its client."""
    async with (
        ScriptedServer(then=Choose(stored.answer), tls=link.server) as server,
        opened(server, session=session, timeouts=timeouts) as client,
    ):
        link.let_trust(client)
        yield server, client


async def fetch(client: S3Client, written: Written, length: int = len(DATA)) -> None:
    """Receive the object's first bytes."""
    async with client.open_range("key", ByteRange(0, length)) as response:
        await receive(response, written.write, length, Buffers())


@pytest.mark.parametrize("turns", [0, 1, 30])
@pytest.mark.parametrize("length", [1, 1000, 300_000, BUFFER_SIZE, BUFFER_SIZE + 1, 2 * BUFFER_SIZE, len(DATA)])
async def test_a_body_arrives_bit_for_bit_and_the_connection_is_used_again(
    session: aiohttp.ClientSession | None, link: Link, length: int, turns: int
) -> None:
    """Whether the writer is quick or slow."""
    async with connected(StoredObject(DATA), link, session) as (server, client):
        for _ in range(3):
            written = Written(turns=turns)
            await fetch(client, written, length)
            assert written.data == DATA[:length]
        assert server.connections == 1


@pytest.mark.parametrize("session", ["own", "given"], indirect=True)
async def test_only_the_clients_own_session_is_taken_over(
    session: aiohttp.ClientSession | None, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways are really tested here, each with its kind of session."""
    taken: list[bool] = []
    take_over = receive_module._take_over

    def watched(response: aiohttp.ClientResponse, missing: int, buffers: Buffers) -> receive_module._Sink | None:
        sink = take_over(response, missing, buffers)
        taken.append(sink is not None)
        return sink

    monkeypatch.setattr(receive_module, "_take_over", watched)
    async with connected(StoredObject(DATA), link, session) as (_, client):
        await fetch(client, Written())
    assert taken == [session is None]


@pytest.mark.parametrize("sent", [0, 1000, 700_000, 1_300_000])
@pytest.mark.parametrize("turns", [0, 30])
async def test_what_came_before_a_body_broke_off_is_written(
    session: aiohttp.ClientSession | None, link: Link, sent: int, turns: int
) -> None:
    """To the last byte, so that the next request can go on there, also when the writer was slow."""
    async with connected(StoredObject(DATA, faults={0: [cut(sent)]}), link, session) as (_, client):
        written = Written(turns=turns)
        with pytest.raises(S3ConnectionError, match=f"broke off after {sent} of {len(DATA)} bytes"):
            await fetch(client, written)
        assert written.data == DATA[:sent]
        await fetch(client, Written())


async def test_a_body_that_stalls_times_out(session: aiohttp.ClientSession | None, link: Link) -> None:
    """What came before was written."""
    stalling = cut(700_000, Ending.STALL)
    async with connected(StoredObject(DATA, faults={0: [stalling]}), link, session, SHORT) as (_, client):
        written = Written()
        with pytest.raises(S3TimeoutError):
            await fetch(client, written)
        assert written.data == DATA[:700_000]


async def test_a_writer_that_takes_its_time_is_not_the_servers_silence(
    session: aiohttp.ClientSession | None, link: Link
) -> None:
    """Nothing is read meanwhile, and the limit does not count."""

    async def write(piece: memoryview) -> None:
        await asyncio.sleep(0.15)
        data.extend(piece)

    data = bytearray()
    async with (
        connected(StoredObject(DATA), link, session, SHORT) as (_, client),
        client.open_range("key", ByteRange(0, 2 * BUFFER_SIZE)) as response,
    ):
        await receive(response, write, 2 * BUFFER_SIZE, Buffers())
        assert data == DATA[: 2 * BUFFER_SIZE]


@pytest.mark.parametrize("session", ["own"], indirect=True)
async def test_reading_that_somebody_else_resumes_loses_nothing(
    session: aiohttp.ClientSession | None, link: Link
) -> None:
    """The transport is aiohttp's, too."""
    large, written, resumed = DATA * 6, Written(), 0
    async with (
        connected(StoredObject(large), link, session) as (_, client),
        client.open_range("key", ByteRange(0, len(large))) as response,
    ):
        connection = response.connection
        assert connection is not None
        transport = connection.transport
        assert transport is not None

        async def write(piece: memoryview) -> None:
            nonlocal resumed
            data = bytes(piece)
            for _ in range(20):
                if transport.get_protocol() is connection.protocol or connection.protocol is None:
                    break
                resumed += 1
                transport.resume_reading()
                await asyncio.sleep(0)
            assert data == piece
            await written.write(piece)

        await receive(response, write, len(large), Buffers(100_000))
    assert written.data == large
    assert resumed


async def test_a_writer_that_fails_ends_it(session: aiohttp.ClientSession | None, link: Link) -> None:
    """Its own error comes out, and no connection stays half read."""

    def fail() -> None:
        raise OSError(28, "no space")

    async with connected(StoredObject(DATA), link, session) as (server, client):
        with pytest.raises(OSError, match="no space"):
            await fetch(client, Written(after=fail))
        await server.until(lambda server: server.open_connections == 0)


async def test_a_cancelled_body_leaves_no_connection(session: aiohttp.ClientSession | None, link: Link) -> None:
    """However much was still to come."""
    stalling = cut(1_300_000, Ending.STALL)
    async with connected(StoredObject(DATA, faults={0: [stalling]}), link, session) as (_, client):
        came = asyncio.Event()
        fetching = asyncio.create_task(fetch(client, Written(after=came.set)))
        await came.wait()
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching


async def test_a_body_of_unknown_length_is_streamed(session: aiohttp.ClientSession | None) -> None:
    """Its chunks are aiohttp's to undo."""
    stored = StoredObject(DATA, every=chunked(bytes))
    async with connected(stored, Link(), session) as (_, client):
        written = Written()
        await fetch(client, written)
        assert written.data == DATA


@pytest.mark.parametrize("length", [1000, 700_000])
async def test_a_body_that_goes_on_too_long_is_an_error(session: aiohttp.ClientSession | None, length: int) -> None:
    """Where no header said so before, it is seen when it happens."""
    stored = StoredObject(DATA[:length], every=chunked(lambda body: body + b"more"))
    async with connected(stored, Link(), session) as (_, client):
        written = Written()
        with pytest.raises(InvalidResponseError, match=f"goes on after its {length} bytes"):
            await fetch(client, written, length)


async def test_bytes_after_the_body_are_not_taken_for_the_next_answer(session: aiohttp.ClientSession | None) -> None:
    """A server that sends more than it said loses the connection, not the next request."""
    length = 700_000
    longer = Reply(206, {"Content-Length": str(length)}, DATA[: length + 1000])
    async with (
        ScriptedServer(longer, then=Reply(206, {}, DATA[:length])) as server,
        opened(server, session=session) as client,
    ):
        for _ in range(2):
            written = Written()
            await fetch(client, written, length)
            assert written.data == DATA[:length]
            await asyncio.sleep(0)
