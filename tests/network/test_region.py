"""Regions of files as bodies: what arrives, by which way, and what becomes of a file that changes meanwhile."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import random
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import pytest

from aiohttp_s3_client import AccessDenied, BodyLengthError, RetryPolicy, S3ConnectionError, S3TimeoutError, Timeouts
from aiohttp_s3_client.buffers import Buffers
from aiohttp_s3_client.region import FileRegion
from aiohttp_s3_client.sigv4 import UNSIGNED_PAYLOAD
from aiohttp_s3_client.transport import S3Request
from tests.network.clients import opened, signature_holds
from tests.network.links import Link
from tests.scripted import Choose, Drop, Ending, Reply, ScriptedServer, Sip, Stall, Step, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    import aiohttp

    from aiohttp_s3_client import S3Client
    from aiohttp_s3_client.body import Body, StreamPayload
    from tests.scripted import Received

PIECE: Final = 1024 * 1024
BUFFERS: Final = Buffers()
DATA: Final = random.Random(4).randbytes(8 * PIECE)  # noqa: S311 - the same bytes in every run
TWICE: Final = RetryPolicy(max_attempts=2)
SHORT: Final = Timeouts(connect=1, read=0.1)
DENIED: Final = Reply.error(403, "AccessDenied")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Give an open file."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        yield file


@asynccontextmanager
async def serving(
    *script: Step,
    link: Link | None = None,
    session: aiohttp.ClientSession | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncIterator[tuple[ScriptedServer, S3Client]]:
    """Give a server that takes everything after its script, and a client."""
    async with (
        ScriptedServer(*script, then=Reply(), tls=None if link is None else link.server, receive_buffer=4096) as server,
        opened(server, session=session, retry=TWICE, timeouts=timeouts) as client,
    ):
        if link is not None:
            link.let_trust(client)
        yield server, client


async def send(client: S3Client, region: Body) -> None:
    """Put a region."""
    await client._transport.fetch(S3Request("PUT", "key", body=region))


@pytest.fixture
def sendfile_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note every call that lets the kernel send, by its offset."""
    calls: list[int] = []
    sendfile = os.sendfile

    def noted(out: int, source: int, offset: int, count: int) -> int:
        calls.append(offset)
        return sendfile(out, source, offset, count)

    monkeypatch.setattr(os, "sendfile", noted)
    return calls


@pytest.fixture
def small_send_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a connection hold no more than a part of what the kernel is asked to send."""
    sendfile = os.sendfile

    def narrow(out: int, source: int, offset: int, count: int) -> int:
        with socket.socket(fileno=os.dup(out)) as connected:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        return sendfile(out, source, offset, count)

    monkeypatch.setattr(os, "sendfile", narrow)


def refuse(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Let the system not send files."""

    def refused(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "sendfile", refused)


def descriptors() -> set[str]:
    """Give the numbers of all open descriptors."""
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough


@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7])
@pytest.mark.parametrize("offset", [0, 12_345])
async def test_a_region_arrives_bit_for_bit_and_the_connection_is_used_again(
    session: aiohttp.ClientSession | None, link: Link, file: IO[bytes], offset: int, length: int
) -> None:
    """Whatever the way."""
    async with serving(link=link, session=session) as (server, client):
        for _ in range(2):
            await send(client, FileRegion(file, offset, length, BUFFERS))
        assert [request.body == DATA[offset : offset + length] for request in server.requests] == [True, True]
        assert all(signature_holds(request) for request in server.requests)
        assert server.connections == 1


async def test_the_kernel_sends_over_plain_tcp_alone(
    session: aiohttp.ClientSession | None, link: Link, file: IO[bytes], sendfile_calls: list[int]
) -> None:
    """TLS has to see the bytes."""
    async with serving(link=link, session=session) as (_, client):
        await send(client, FileRegion(file, 5, 2 * PIECE, BUFFERS))
    assert bool(sendfile_calls) == (link.server is None)


async def test_the_files_own_position_stays(session: aiohttp.ClientSession | None, file: IO[bytes]) -> None:
    """Whoever reads the file goes on where they were."""
    file.read(10)
    async with serving(session=session) as (_, client):
        await send(client, FileRegion(file, 100, 2 * PIECE, BUFFERS))
    assert file.read(100_000) == DATA[10:100_010]


@pytest.mark.parametrize("missing", ["sendfile", "preadv", "both"])
async def test_a_system_that_lacks_a_call_will_do(
    session: aiohttp.ClientSession | None, link: Link, file: IO[bytes], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read then, by seeking if need be."""
    for name in ("sendfile", "preadv"):
        if missing in {name, "both"}:
            monkeypatch.delattr(os, name)
    async with serving(link=link, session=session) as (server, client):
        await asyncio.gather(*[send(client, FileRegion(file, start * PIECE, PIECE, BUFFERS)) for start in range(4)])
        bodies = {request.body for request in server.requests}
    assert bodies == {DATA[start * PIECE : (start + 1) * PIECE] for start in range(4)}


async def test_a_file_that_the_kernel_cannot_send_is_read(
    session: aiohttp.ClientSession | None, file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems do not have it."""
    refuse(monkeypatch, errno.EINVAL)
    async with serving(session=session) as (server, client):
        await send(client, FileRegion(file, 7, 2 * PIECE, BUFFERS))
        assert [request.body for request in server.requests] == [DATA[7 : 7 + 2 * PIECE]]


async def test_a_connection_that_breaks_is_no_such_file(
    session: aiohttp.ClientSession | None, file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, on another one."""
    refuse(monkeypatch, errno.EPIPE)
    async with serving(session=session) as (_, client):
        with pytest.raises(S3ConnectionError, match="2 attempts"):
            await send(client, FileRegion(file, 0, PIECE, BUFFERS))


async def test_a_region_that_breaks_off_is_sent_again(session: aiohttp.ClientSession | None, file: IO[bytes]) -> None:
    """From its beginning."""
    async with serving(Drop(Taken.HALF, Ending.RESET), session=session) as (server, client):
        await send(client, FileRegion(file, 3, 4 * PIECE, BUFFERS))
        assert [request.whole for request in server.requests] == [False, True]
        assert server.requests[1].body == DATA[3 : 3 + 4 * PIECE]


async def test_many_regions_of_one_file_are_sent_at_once(
    session: aiohttp.ClientSession | None, link: Link, file: IO[bytes]
) -> None:
    """They do not get into each other's way."""
    async with serving(link=link, session=session) as (server, client):
        await asyncio.gather(*[send(client, FileRegion(file, start * PIECE, PIECE, BUFFERS)) for start in range(8)])
        bodies = {request.body for request in server.requests}
    assert bodies == {DATA[start * PIECE : (start + 1) * PIECE] for start in range(8)}


@pytest.mark.parametrize("size", [0, PIECE + 5, 4 * PIECE - 1])
async def test_a_file_that_is_too_short_is_an_error_at_once(
    session: aiohttp.ClientSession | None, link: Link, tmp_path: Path, size: int
) -> None:
    """No store gets as many bytes as were declared, and no second attempt is made."""
    path = tmp_path / "short"
    path.write_bytes(DATA[:size])
    with path.open("rb") as short:
        async with serving(link=link, session=session) as (server, client):
            with pytest.raises(BodyLengthError, match=str(4 * PIECE)):
                await send(client, FileRegion(short, 0, 4 * PIECE, BUFFERS))
            server.release()
            assert [request.whole for request in server.requests] in ([], [False])


async def test_a_server_that_stops_taking_times_out(link: Link, file: IO[bytes]) -> None:
    """Though the transport's own buffer is empty all the time."""
    async with serving(Stall(Taken.HEAD), Stall(Taken.HEAD), link=link, timeouts=SHORT) as (server, client):
        with pytest.raises(S3TimeoutError, match="2 attempts"):
            await send(client, FileRegion(file, 0, len(DATA), BUFFERS))
        assert len(server.requests) == 2


async def test_a_server_that_takes_slowly_does_not_time_out(link: Link, file: IO[bytes]) -> None:
    """What moves may take as long as it needs."""
    slow = Sip(PIECE // 4, pause=0.02, then=Reply())
    async with serving(slow, link=link, timeouts=Timeouts(connect=1, read=0.3)) as (server, client):
        await send(client, FileRegion(file, 0, len(DATA), BUFFERS))
        assert [request.body for request in server.requests] == [DATA]


@pytest.mark.parametrize("ending", [Ending.STALL, Ending.CLOSE, Ending.KEEP])
async def test_an_early_answer_is_seen_while_sending(
    session: aiohttp.ClientSession | None, link: Link, file: IO[bytes], ending: Ending
) -> None:
    """The rest of the body is not sent, and no descriptor stays."""
    async with serving(
        replace(DENIED, after=Taken.HEAD, ending=ending), link=link, session=session, timeouts=Timeouts(1, None)
    ) as (server, client):
        with pytest.raises(AccessDenied):
            await send(client, FileRegion(file, 0, len(DATA), BUFFERS))
        assert len(server.requests) == 1
        assert not server.requests[0].whole


@pytest.mark.parametrize("length", [PIECE, len(DATA)])
@pytest.mark.usefixtures("small_send_buffer")
async def test_a_success_before_the_body_is_sent_is_not_believed(
    session: aiohttp.ClientSession | None, file: IO[bytes], length: int
) -> None:
    """The store cannot have it, though the kernel may have been asked to send all of it."""
    early = Reply(after=Taken.HEAD, ending=Ending.STALL)
    async with serving(early, session=session) as (server, client):
        await send(client, FileRegion(file, 0, length, BUFFERS))
        assert [request.whole for request in server.requests] == [False, True]


async def test_a_success_is_not_believed_either_when_the_kernel_refuses_to_send(
    session: aiohttp.ClientSession | None, file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The region is read then, and that takes its time, too."""
    refuse(monkeypatch, errno.EINVAL)
    early = Reply(after=Taken.HEAD, ending=Ending.STALL)
    async with serving(early, session=session) as (server, client):
        await send(client, FileRegion(file, 0, PIECE, BUFFERS))
        assert [request.whole for request in server.requests] == [False, True]


class Told(NamedTuple):
    """A region that tells somebody how far it is."""

    region: FileRegion
    tell: Callable[[int], object]
    length: int
    payload_hash: str = UNSIGNED_PAYLOAD
    replayable: bool = True

    async def prepare(self) -> Told:
        """Nothing is to be found out."""
        return self

    def open(self) -> StreamPayload:
        """Give a fresh way through the region."""
        payload = self.region.open()
        payload.tell = self.tell
        return payload


@pytest.mark.parametrize(
    "error",
    [
        BrokenPipeError(errno.EPIPE, "another pipe"),
        BlockingIOError(errno.EAGAIN, "another file"),
        InterruptedError(errno.EINTR, "another call"),
        OSError(errno.ENOSPC, "a full disk"),
        TimeoutError("another timeout"),
        LookupError("mine"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("when", [1, PIECE + 1, 3 * PIECE], ids=["at once", "later", "at the end"])
async def test_what_the_one_who_is_told_raises_comes_out_as_itself(
    session: aiohttp.ClientSession | None, link: Link, file: IO[bytes], error: Exception, when: int
) -> None:
    """Once, and nothing is sent again, even where an error of the network looks alike."""
    told = []

    def fail(sent: int) -> None:
        if sent >= when:
            told.append(sent)
            raise error

    async with serving(link=link, session=session) as (server, client):
        with pytest.raises(type(error)) as caught:
            await send(client, Told(FileRegion(file, 0, 3 * PIECE, BUFFERS), fail, 3 * PIECE))
        server.release()
        assert len(server.requests) <= 1
    assert caught.value is error
    assert len(told) == 1


async def test_what_no_future_takes_ends_the_request_all_the_same(
    session: aiohttp.ClientSession | None, file: IO[bytes]
) -> None:
    """As of a function that asked an iterator for too much."""
    none: Iterator[int] = iter(())
    async with serving(session=session) as (server, client):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await send(client, Told(FileRegion(file, 0, PIECE, BUFFERS), lambda _: next(none), PIECE))
        server.release()
        assert len(server.requests) <= 1


def refuse_later(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Let the system send one piece, and then no more."""
    sendfile = os.sendfile

    def refused(out: int, source: int, offset: int, count: int) -> int:
        if offset:
            raise OSError(error, os.strerror(error))
        return sendfile(out, source, offset, count)

    monkeypatch.setattr(os, "sendfile", refused)


async def test_a_disk_that_fails_is_no_broken_connection(
    session: aiohttp.ClientSession | None, file: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own error comes out, and nothing is sent again."""
    refuse_later(monkeypatch, errno.EIO)
    async with serving(session=session) as (server, client):
        with pytest.raises(OSError, match="Input/output") as caught:
            await send(client, FileRegion(file, 0, 2 * PIECE, BUFFERS))
        server.release()
        assert not any(request.whole for request in server.requests)
        assert len(server.requests) <= 1
    assert type(caught.value) is OSError
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize("error", [errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTUNREACH])
@pytest.mark.parametrize("fail", [refuse, refuse_later], ids=["at once", "later"])
async def test_a_connection_that_breaks_is_no_failing_disk(
    session: aiohttp.ClientSession | None,
    file: IO[bytes],
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    fail: Callable[[pytest.MonkeyPatch, int], None],
) -> None:
    """It is tried again, on another one."""
    fail(monkeypatch, error)
    async with serving(session=session) as (_, client):
        with pytest.raises(S3ConnectionError, match="2 attempts"):
            await send(client, FileRegion(file, 0, 2 * PIECE, BUFFERS))


@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7])
async def test_what_a_region_passed_through_is_used_again(
    session: aiohttp.ClientSession | None, file: IO[bytes], length: int
) -> None:
    """As much as there was, and what passes through it then arrives as it is."""
    link, buffers = Link.over_tls(), CountedBuffers()
    async with serving(link=link, session=session) as (server, client):
        await send(client, FileRegion(file, 0, length, buffers))
        made = buffers.made
        assert len(buffers._free) == made
        await send(client, FileRegion(file, 99, length, buffers))
        assert buffers.made == made
        first, second = server.requests
    assert first.body == DATA[:length]
    assert second.body == DATA[99 : 99 + length]


class CountedBuffers(Buffers):
    """Buffers that know how many of them were made."""

    made = 0

    def take(self) -> bytearray:
        """Give one."""
        self.made += not self._free
        return super().take()


async def test_cancelling_leaves_no_descriptor(link: Link, file: IO[bytes]) -> None:
    """Nor does it send on."""
    before = descriptors()

    def stall(_: Received) -> Step:
        return Stall(Taken.HALF)

    async with serving(Choose(stall), link=link) as (server, client):
        task = asyncio.create_task(send(client, FileRegion(file, 0, len(DATA), BUFFERS)))
        await server.until(lambda server: len(server.requests) == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    for _ in range(20):
        await asyncio.sleep(0)
    assert descriptors() <= before


@pytest.mark.parametrize("change", [lambda data: data, lambda data: b"x" + data[1:]], ids=["right", "wrong"])
async def test_a_region_can_be_hashed(file: IO[bytes], change: Callable[[bytes], bytes]) -> None:
    """Its hash is that of its bytes."""
    digest = await asyncio.to_thread(FileRegion(file, 9, 2 * PIECE + 1, BUFFERS).sha256)
    expected = hashlib.sha256(change(DATA[9 : 9 + 2 * PIECE + 1])).hexdigest()
    assert (digest == expected) == (change(b"ab") == b"ab")
