"""How long the client waits: for a connection, for a sign of life, and never for a whole transfer."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest

from aiohttp_s3_client import RetryPolicy, S3ConnectionError, S3TimeoutError, Timeouts
from tests.network.clients import fetch, opened
from tests.scripted import Drip, Drop, Ending, Reply, ScriptedServer, Stall, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ONCE = RetryPolicy(max_attempts=1)
TWICE = RetryPolicy(max_attempts=2)
SHORT = Timeouts(connect=0.05, read=0.05)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_server_that_does_not_answer_times_out(session: aiohttp.ClientSession | None, method: str) -> None:
    """The error is a timeout in every tongue, after as many attempts as the server saw."""
    async with ScriptedServer(then=Drop(ending=Ending.STALL)) as server:
        async with opened(server, session=session, timeouts=SHORT, retry=TWICE) as client:
            with pytest.raises(S3TimeoutError, match=r"\(2 attempts\)") as caught:
                await client.request(method, "key", data=b"data" if method == "PUT" else None)
        assert len(server.requests) == 2
    for error_class in (TimeoutError, asyncio.TimeoutError, S3ConnectionError, aiohttp.ClientError):
        assert isinstance(caught.value, error_class)
    assert caught.value.sent


async def test_an_answer_that_stalls_times_out(session: aiohttp.ClientSession | None) -> None:
    """What an operation reads has the same limit between two pieces."""
    stalling = Reply(body=b"0123456789", sent=5, ending=Ending.STALL)
    async with ScriptedServer(stalling, Reply(body=b"0123456789")) as server:
        async with opened(server, session=session, timeouts=SHORT, retry=TWICE) as client:
            assert await fetch(client) == b"0123456789"
        assert len(server.requests) == 2


async def test_a_download_that_stalls_times_out_for_whoever_reads_it(session: aiohttp.ClientSession | None) -> None:
    """A verb's response has the limit too, with aiohttp's own error."""
    async with ScriptedServer(Reply(body=b"0123456789", sent=5, ending=Ending.STALL)) as server:
        async with opened(server, session=session, timeouts=SHORT) as client, client.get("key") as response:
            with pytest.raises(TimeoutError):
                await response.read()
        assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("size", [1024 * 1024, 20_000_000])
async def test_an_upload_that_stalls_times_out(method: str, size: int) -> None:
    """A server that stops taking the body is as silent as one that does not answer."""
    async with ScriptedServer(then=Stall(Taken.HEAD), receive_buffer=4096) as server:
        async with opened(server, timeouts=SHORT, retry=ONCE) as client:
            with pytest.raises(S3TimeoutError):
                await client.request(method, "key", data=bytes(size))
        assert len(server.requests) == 1


@pytest.mark.xfail(reason="aiohttp has no limit on the time that a body takes to be sent", raises=TimeoutError)
async def test_an_upload_that_stalls_in_a_given_session_times_out() -> None:
    """The client's limit would have to hold there too."""
    async with (
        asyncio.timeout(0.5),
        aiohttp.ClientSession() as session,
        ScriptedServer(Stall(Taken.HEAD), receive_buffer=4096) as server,
        opened(server, session=session, timeouts=SHORT, retry=ONCE) as client,
    ):
        with pytest.raises(S3TimeoutError):
            await client.put("key", bytes(20_000_000))


async def test_a_source_that_takes_its_time_is_not_the_servers_silence(session: aiohttp.ClientSession | None) -> None:
    """The limit is on the other side; whoever makes the body may wait for what it waits for."""

    async def slow() -> AsyncIterator[bytes]:
        for piece in (b"da", b"ta"):
            await asyncio.sleep(0.2)
            yield piece

    async with ScriptedServer(Reply()) as server:
        async with (
            opened(server, session=session, timeouts=SHORT, retry=ONCE) as client,
            client.put("key", slow(), data_length=4) as response,
        ):
            assert response.status == 200
        assert server.requests[0].body == b"data"


async def test_a_slow_answer_that_moves_is_read_to_its_end(session: aiohttp.ClientSession | None) -> None:
    """Each piece begins a new wait: the whole takes several times the limit."""
    timeouts = Timeouts(connect=1, read=0.2)
    async with ScriptedServer(Drip(b"slowly", pause=0.05)) as server:
        async with opened(server, session=session, timeouts=timeouts, retry=ONCE) as client:
            assert await fetch(client) == b"slowly"
        assert len(server.requests) == 1


async def test_a_connection_that_is_not_made_times_out_unsent(session: aiohttp.ClientSession | None) -> None:
    """A full queue of connections never answers; nothing was sent, so even POST is tried again."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", port))
        try:
            async with ScriptedServer(listening=False) as server:
                server._socket.close()
                server._socket = listening
                async with opened(server, session=session, timeouts=SHORT, retry=TWICE) as client:
                    with pytest.raises(S3TimeoutError, match=r"\(2 attempts\)") as caught:
                        await client.post("key", b"data")
            assert not caught.value.sent
        finally:
            for filler in fillers:
                filler.close()


async def test_a_sessions_own_timeout_counts() -> None:
    """A caller who says how long to wait means it."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.05)) as session,
        ScriptedServer(then=Drop(ending=Ending.STALL)) as server,
    ):
        async with opened(server, session=session, timeouts=Timeouts(), retry=TWICE) as client:
            with pytest.raises(S3TimeoutError):
                await fetch(client)
        assert len(server.requests) == 2


async def test_aiohttps_limit_on_a_whole_transfer_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default of 300 s, here made shorter, would end every large one; the client's own limits replace it."""
    monkeypatch.setattr(aiohttp.client, "DEFAULT_TIMEOUT", aiohttp.ClientTimeout(total=0.1))
    async with aiohttp.ClientSession() as session, ScriptedServer(Drip(b"slowly", pause=0.05)) as server:
        assert session.timeout.total == 0.1
        async with opened(server, session=session, retry=ONCE) as client:
            assert await fetch(client) == b"slowly"
        assert len(server.requests) == 1
