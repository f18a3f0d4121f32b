"""Connections that break: what is sent again, what is not, and that aiohttp sends nothing by itself."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from aiohttp_s3_client import RetryPolicy, S3ConnectionError
from tests.network.clients import ManualTime, fetch, opened, signature_holds
from tests.scripted import Drop, Ending, Raw, Reply, ScriptedServer, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp_s3_client import S3Client

    OpenSession = Callable[[], aiohttp.ClientSession | None]

ONCE = RetryPolicy(max_attempts=1)
THREE = RetryPolicy(max_attempts=3)
LARGE = b"0123456789abcdef" * 64 * 1024 * 3
DROPS = [Drop(after, ending) for after in Taken for ending in (Ending.CLOSE, Ending.RESET)]


async def accept_all(response: aiohttp.ClientResponse) -> None:
    """Judge a response as a session's own function does; here, kindly."""
    assert response.status in {200, 418, 503}


async def pass_on(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Do what a caller's middleware does that changes a header."""
    request.headers["x-seen"] = "yes"
    return await handler(request)


SESSIONS: dict[str, OpenSession] = {
    "the client's own": lambda: None,
    "a caller's": aiohttp.ClientSession,
    "with a middleware": lambda: aiohttp.ClientSession(middlewares=(pass_on,)),
    "with raise_for_status": lambda: aiohttp.ClientSession(raise_for_status=True),
    "with a function for it": lambda: aiohttp.ClientSession(raise_for_status=accept_all),
}


@pytest.fixture(params=list(SESSIONS.values()), ids=list(SESSIONS))
def open_session(request: pytest.FixtureRequest) -> OpenSession:
    """Give each kind of session, to be made where the loop runs."""
    made: OpenSession = request.param
    return made


@asynccontextmanager
async def warmed(server: ScriptedServer, open_session: OpenSession, retry: RetryPolicy) -> AsyncIterator[S3Client]:
    """Give a client that holds a connection from an earlier request."""
    session = open_session()
    try:
        async with opened(server, session=session, retry=retry) as client:
            async with client.get("earlier") as response:
                assert await response.read() == b"earlier"
            yield client
    finally:
        if session is not None:
            await session.close()


EARLIER = Reply(body=b"earlier")


def described(drop: Drop) -> str:
    """Name a drop in a test's name."""
    return f"{drop.ending.name.lower()}-after-{drop.after.name.lower()}"


@pytest.mark.parametrize("drop", DROPS, ids=described)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
async def test_a_kept_connection_that_breaks_sends_no_second_request(
    open_session: OpenSession, method: str, drop: Drop
) -> None:
    """With one attempt allowed the server sees one request, and the caller an error, whoever made the session."""
    async with ScriptedServer(EARLIER, drop) as server:
        async with warmed(server, open_session, ONCE) as client:
            with pytest.raises(S3ConnectionError) as caught:
                await client.request(method, "key", data=b"data" if method in {"PUT", "POST"} else None)
        assert len(server.requests) == 2
        assert server.connections == 1
        assert (caught.value.attempts, caught.value.sent) == (1, True)
        assert isinstance(caught.value.__cause__, aiohttp.ClientConnectionError)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_a_kept_connection_that_breaks_is_tried_again_knowingly(open_session: OpenSession, method: str) -> None:
    """The server sees as many requests as the client counts attempts, each signed for itself."""
    async with ScriptedServer(EARLIER, Drop(), Drop(), Reply()) as server:
        async with (
            warmed(server, open_session, THREE) as client,
            client.request(method, "key", data=b"data" if method == "PUT" else None) as response,
        ):
            assert response.status == 200
        assert len(server.requests) == 4
        assert all(request.whole and signature_holds(request) for request in server.requests)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_the_attempts_of_a_request_that_always_breaks_are_those_that_the_server_counts(
    open_session: OpenSession, method: str
) -> None:
    """No more and no fewer, on kept and on fresh connections."""
    async with ScriptedServer(EARLIER, then=Drop()) as server:
        async with warmed(server, open_session, THREE) as client:
            with pytest.raises(S3ConnectionError, match=r"\(3 attempts\)") as caught:
                await client.request(method, "key", data=b"data" if method == "PUT" else None)
        assert len(server.requests) == 1 + 3
        assert caught.value.attempts == 3


@pytest.mark.parametrize("drop", DROPS, ids=described)
@pytest.mark.parametrize("data", [b"data", LARGE], ids=["small", "large"])
async def test_a_fresh_connection_that_breaks_is_tried_again(
    session: aiohttp.ClientSession | None, drop: Drop, data: bytes
) -> None:
    """Wherever it breaks, the second attempt sends the whole body from its start."""
    async with ScriptedServer(drop, Reply()) as server:
        async with opened(server, session=session) as client, client.put("key", data) as response:
            assert response.status == 200
        assert len(server.requests) == 2
        assert server.requests[-1].body == data


@pytest.mark.parametrize("drop", DROPS, ids=described)
@pytest.mark.parametrize("condition", [{"If-None-Match": "*"}, {"if-match": '"etag"'}], ids=["absent", "unchanged"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_conditional_write_is_not_repeated_once_it_was_sent(
    session: aiohttp.ClientSession | None, drop: Drop, condition: dict[str, str], method: str
) -> None:
    """Its own effect would make the condition fail: the caller is told that the outcome is unknown."""
    async with ScriptedServer(drop) as server:
        async with opened(server, session=session) as client:
            with pytest.raises(S3ConnectionError, match=r"\(1 attempt\)") as caught:
                await client.request(method, "key", headers=condition)
        assert len(server.requests) == 1
        assert caught.value.sent


async def test_a_conditional_read_is_repeated() -> None:
    """It changes nothing, so its condition cannot be held against it."""
    async with ScriptedServer(Drop(), Reply(304)) as server:
        async with opened(server) as client, client.get("key", headers={"If-None-Match": '"etag"'}) as response:
            assert response.status == 304
        assert len(server.requests) == 2


async def test_a_conditional_write_is_repeated_after_an_answer_that_asks_for_it() -> None:
    """A store that throttles has not written."""
    async with ScriptedServer(Reply.error(503, "SlowDown"), Reply()) as server:
        async with opened(server) as client, client.put("key", b"data", headers={"If-None-Match": "*"}) as response:
            assert response.status == 200
        assert len(server.requests) == 2


@pytest.mark.parametrize("drop", DROPS, ids=described)
async def test_post_is_not_repeated_once_it_was_sent(session: aiohttp.ClientSession | None, drop: Drop) -> None:
    """What it did once it could do twice, such as begin an upload."""
    async with ScriptedServer(drop) as server:
        async with opened(server, session=session) as client:
            with pytest.raises(S3ConnectionError) as caught:
                await client.post("key", b"data", params={"uploads": ""})
        assert len(server.requests) == 1
        assert caught.value.sent


class Opening(ManualTime):
    """A time in which a server begins to listen while somebody sleeps."""

    def __init__(self, server: ScriptedServer) -> None:
        """Take the server."""
        super().__init__()
        self._opens = server.listen

    async def sleep(self, seconds: float) -> None:
        """Sleep, the second time until the server listens."""
        await super().sleep(seconds)
        if len(self.waits) == 2:
            await self._opens()


REQUESTS: dict[str, Callable[[S3Client], Awaitable[aiohttp.ClientResponse]]] = {
    "a conditional write": lambda client: client.put("key", b"data", headers={"If-None-Match": "*"}),
    "post": lambda client: client.post("key", b"data"),
    "a body that comes once": lambda client: client.put("key", iter([b"da", b"ta"]), data_length=4),
    "an asynchronous one": lambda client: client.put("key", once(), data_length=4),
}


async def once() -> AsyncIterator[bytes]:
    """Give four bytes."""
    yield b"da"
    yield b"ta"


@pytest.mark.parametrize("send", REQUESTS.values(), ids=REQUESTS)
async def test_what_was_never_sent_is_tried_again_whatever_it_is(
    session: aiohttp.ClientSession | None, send: Callable[[S3Client], Awaitable[aiohttp.ClientResponse]]
) -> None:
    """A refused connection carries nothing: the request is made until the server listens, and arrives once, whole."""
    async with ScriptedServer(Reply(), listening=False) as server:
        time = Opening(server)
        async with opened(server, session=session, time=time) as client:
            response = await send(client)
            assert response.status == 200
            response.release()
        assert len(time.waits) == 2
        assert [request.body for request in server.requests] == [b"data"]


async def test_a_refused_connection_raises_after_all_attempts_and_says_that_nothing_was_sent() -> None:
    """The error is aiohttp's too, so that existing code catches it."""
    time = ManualTime()
    async with ScriptedServer(listening=False) as server, opened(server, time=time, retry=THREE) as client:
        with pytest.raises(aiohttp.ClientConnectionError) as caught:
            await client.put("key", b"data")
    assert isinstance(caught.value, S3ConnectionError)
    assert (caught.value.attempts, caught.value.sent, len(time.waits)) == (3, False, 2)
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)


async def test_an_idle_connection_that_the_server_closed_is_not_noticed_by_the_caller(
    open_session: OpenSession,
) -> None:
    """The next request goes over a new one."""
    async with ScriptedServer(EARLIER, Reply(), Reply()) as server:
        async with warmed(server, open_session, THREE) as client:
            await server.drop_idle()
            async with client.put("key", b"data") as response:
                assert response.status == 200
        assert server.requests[-1].whole
        assert server.connections == 2


@pytest.mark.parametrize(
    "junk", [b"\x00\xff\r\n\r\n", b"HTTP/1.1 twohundred OK\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\n"]
)
async def test_an_answer_that_is_no_http_is_a_broken_connection(
    session: aiohttp.ClientSession | None, junk: bytes
) -> None:
    """It is tried again, and in the end one of our own errors."""
    async with ScriptedServer(then=Raw(junk)) as server:
        async with opened(server, session=session, retry=THREE) as client:
            with pytest.raises(S3ConnectionError, match=r"\(3 attempts\)"):
                await fetch(client)
        assert len(server.requests) == 3


async def test_a_middleware_of_the_session_still_runs_once_an_attempt() -> None:
    """It sees aiohttp's own errors, as it would without this client."""
    seen: list[str] = []

    async def watch(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            response = await handler(request)
        except aiohttp.ClientError as error:
            seen.append(type(error).__name__)
            raise
        seen.append(str(response.status))
        return response

    async with ScriptedServer(EARLIER, Drop(), Reply(503), Reply()) as server:
        async with (
            warmed(server, lambda: aiohttp.ClientSession(middlewares=(pass_on, watch)), THREE) as client,
            client.put("key", b"data") as response,
        ):
            assert response.status == 200
        assert seen == ["200", "ServerDisconnectedError", "503", "200"]
        assert all(request.headers["x-seen"] == "yes" for request in server.requests)


async def test_a_middleware_that_repeats_by_itself_can_still_tell_when() -> None:
    """Its own second request is sent, and goes on as the same attempt."""

    async def again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except aiohttp.ServerDisconnectedError:
            return await handler(request)

    async with ScriptedServer(EARLIER, Drop(), Reply(body=b"data")) as server:
        async with (
            warmed(server, lambda: aiohttp.ClientSession(middlewares=(again,)), ONCE) as client,
            client.get("key") as response,
        ):
            assert await response.read() == b"data"
        assert len(server.requests) == 3


async def test_a_middleware_that_fails_is_not_answered_with_a_second_request() -> None:
    """An error like aiohttp's own, raised by a middleware, makes aiohttp send again no more than one of its own."""
    calls = 0

    async def fail(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal calls
        calls += 1
        (await handler(request)).close()
        raise aiohttp.ClientOSError("made up")

    async with ScriptedServer(then=Reply(body=b"unread")) as server:
        async with (
            aiohttp.ClientSession(middlewares=(fail,)) as session,
            opened(server, session=session, retry=ONCE) as client,
        ):
            with pytest.raises(S3ConnectionError, match="made up"):
                await client.put("key", b"data")
        assert calls == len(server.requests) == 1


async def test_a_cancelled_request_leaves_no_connection(session: aiohttp.ClientSession | None) -> None:
    """Cancelled while the answer is awaited, it is not tried again, and its connection is closed."""
    async with ScriptedServer(Drop(ending=Ending.STALL)) as server:
        async with opened(server, session=session) as client:
            sending = asyncio.ensure_future(client.put("key", b"data").__aenter__())
            await server.until(lambda server: any(request.whole for request in server.requests))
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        assert len(server.requests) == 1
