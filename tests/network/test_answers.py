"""Answers that are not what they seem: errors after a 200, documents without an end, judges of the session's own."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import aiohttp
import pytest

from aiohttp_s3_client import (
    AccessDenied,
    InvalidResponseError,
    NoSuchKey,
    NotFound,
    RetryPolicy,
    S3ConnectionError,
    S3Error,
    S3ResponseError,
    S3TimeoutError,
    ServerError,
    SlowDown,
)
from aiohttp_s3_client.models import ErrorDocument
from tests.network.clients import fetch, opened
from tests.scripted import Ending, Raw, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

COPIED = Reply(body=b"<?xml version='1.0'?><CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
SIXTEEN = 16 * 1024 * 1024


def late(code: str) -> Reply:
    """Answer as S3 does when a copy fails on the way: it has sent white space to keep the connection."""
    document = Reply.error(200, code, "Failed late").body
    return Reply(200, body=b"  \n\n " + document)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "RequestTimeout", "ServiceUnavailable"])
async def test_a_copy_that_fails_late_for_a_while_is_tried_again(
    session: aiohttp.ClientSession | None, code: str
) -> None:
    """A 200 is not believed before its document was read."""
    async with ScriptedServer(late(code), COPIED) as server:
        async with opened(server, session=session) as client, client.copy("a", "b") as response:
            assert response.status == 200
            assert b"CopyObjectResult" in await response.read()
        assert [request.method for request in server.requests] == ["PUT", "PUT"]


@pytest.mark.parametrize(("code", "error_class"), [("NoSuchKey", NoSuchKey), ("AccessDenied", AccessDenied)])
async def test_a_copy_that_fails_late_for_good_raises_its_error(code: str, error_class: type[S3ResponseError]) -> None:
    """Also from the verb, since its status says success."""
    async with ScriptedServer(late(code)) as server:
        async with opened(server) as client:
            with pytest.raises(error_class, match="Failed late") as caught:
                await client.copy("a", "b")
        assert (caught.value.status, caught.value.code, len(server.requests)) == (200, code, 1)


async def test_a_copy_that_always_fails_late_raises_after_all_attempts() -> None:
    """With the last answer's error."""
    async with ScriptedServer(then=late("SlowDown")) as server:
        async with opened(server, retry=RetryPolicy(max_attempts=3)) as client:
            with pytest.raises(SlowDown) as caught:
                await client.copy("a", "b")
        assert len(server.requests) == caught.value.attempts == 3


@pytest.mark.parametrize(
    "answer", [late("AccessDenied"), Reply.error(403, "AccessDenied"), Reply.error(404, "NoSuchKey")], ids=repr
)
async def test_a_rename_does_not_delete_what_it_could_not_copy(answer: Reply) -> None:
    """The source stays, whatever way the copy was refused."""
    async with ScriptedServer(answer) as server:
        async with opened(server) as client:
            with pytest.raises(S3ResponseError):
                await client.rename("a", "b")
        assert [request.method for request in server.requests] == ["PUT"]


async def test_a_rename_copies_and_then_deletes() -> None:
    """Two requests, in this order."""
    async with ScriptedServer(COPIED, Reply(204)) as server:
        async with opened(server) as client:
            await client.rename("a", "b")
        assert [(request.method, request.path) for request in server.requests] == [
            ("PUT", "/bucket/b"),
            ("DELETE", "/bucket/a"),
        ]
        assert server.requests[0].headers["x-amz-copy-source"] == "/bucket/a"


async def test_a_copy_refused_with_a_status_is_handed_over_by_the_verb() -> None:
    """It does not judge a status."""
    async with ScriptedServer(Reply.error(403, "AccessDenied")) as server:
        async with opened(server) as client, client.copy("a", "b") as response:
            assert response.status == 403
            assert b"AccessDenied" in await response.read()
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 400, 503])
async def test_a_document_of_16_mib_is_read_and_a_longer_one_refused(status: int) -> None:
    """A hostile server cannot fill the memory."""
    longest, longer = (Reply(status, body=bytes(size)) for size in (SIXTEEN, SIXTEEN + 1))
    async with ScriptedServer(longest, longer) as server:
        async with opened(server, retry=RetryPolicy(max_attempts=1)) as client:
            if status == 200:
                assert len(await fetch(client)) == SIXTEEN
            else:
                with pytest.raises(S3ResponseError):
                    await fetch(client)
            with pytest.raises(InvalidResponseError, match="longer than 16777216 bytes"):
                await fetch(client)
        assert len(server.requests) == 2


async def test_an_answer_without_an_end_is_given_up(session: aiohttp.ClientSession | None) -> None:
    """Without a length, it is refused as soon as it is too long, and its connection closed."""
    async with ScriptedServer(Raw(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(SIXTEEN + 70_000), ending=Ending.STALL)) as server:
        async with opened(server, session=session) as client:
            with pytest.raises(InvalidResponseError):
                await fetch(client)
        assert len(server.requests) == 1


async def test_a_document_with_entities_is_no_error_document() -> None:
    """It is not even parsed; the status decides."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Error><Code>&a;</Code></Error>'
    async with ScriptedServer(Reply(404, body=bomb)) as server:
        async with opened(server) as client:
            with pytest.raises(NotFound) as caught:
                await fetch(client)
        assert caught.value.code == ""
        assert len(server.requests) == 1


async def test_a_session_that_raises_for_status_gets_typed_errors() -> None:
    """They are aiohttp's too, so that existing code catches them, and come after all attempts."""
    async with ScriptedServer(Reply.error(404, "NoSuchKey"), then=Reply(503)) as server:
        retry = RetryPolicy(max_attempts=3)
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            opened(server, session=session, retry=retry) as client,
        ):
            with pytest.raises(NoSuchKey) as missing:
                await client.get("key")
            with pytest.raises(ServerError) as failed:
                await client.put("key", b"data")
        assert isinstance(missing.value, aiohttp.ClientResponseError)
        assert (missing.value.attempts, failed.value.attempts, len(server.requests)) == (1, 3, 4)


async def test_a_sessions_own_function_judges_the_last_answer() -> None:
    """What it raises comes out as itself, and the response does not keep its connection."""
    seen: list[aiohttp.ClientResponse] = []

    async def refuse(response: aiohttp.ClientResponse) -> None:
        seen.append(response)
        if response.status != 200:
            raise LookupError(response.status)

    async with ScriptedServer(Reply(503), Reply(404, body=b"unread" * 100_000), Reply()) as server:
        async with (
            aiohttp.ClientSession(raise_for_status=refuse) as session,
            opened(server, session=session) as client,
        ):
            with pytest.raises(LookupError, match="404"):
                await client.get("key")
            assert seen[0].closed
            async with client.get("key") as response:
                assert response.status == 200
        assert [response.status for response in seen] == [404, 200]
        assert len(server.requests) == 3


async def test_a_response_that_is_left_unread_gives_up_its_connection(session: aiohttp.ClientSession | None) -> None:
    """Entering a request and leaving it needs no read."""
    async with ScriptedServer(then=Reply(body=bytes(3_000_000))) as server:
        async with opened(server, session=session) as client:
            async with client.get("key") as response:
                assert await response.content.read(10)
            async with await client.get("key") as response:
                assert response.status == 200
        assert len(server.requests) == 2


async def test_a_response_that_was_read_leaves_its_connection_to_the_next(
    session: aiohttp.ClientSession | None,
) -> None:
    """One connection serves them all."""
    async with ScriptedServer(then=Reply(body=b"data")) as server:
        async with opened(server, session=session) as client:
            for _ in range(5):
                async with client.put("key", b"data") as response:
                    assert await response.read() == b"data"
                await fetch(client)
        assert (len(server.requests), server.connections) == (10, 1)


async def response_error() -> S3ResponseError:
    """Give an error as it comes from an answer."""
    ids = {"x-amz-bucket-region": "eu-west-1"}
    refusal = Reply.error(404, "NoSuchKey", "Not there", headers=ids)
    async with ScriptedServer(refusal) as server, opened(server) as client:
        with pytest.raises(NoSuchKey) as caught:
            await fetch(client, object_name="a b")
    return caught.value


def through_pickle(error: S3Error) -> S3Error:
    """Send an error to another process and back."""
    unpickled: S3Error = pickle.loads(pickle.dumps(error))  # noqa: S301 - it was pickled here
    return unpickled


WAYS: list[Callable[[S3Error], S3Error]] = [through_pickle, copy.copy, copy.deepcopy]


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_of_an_answer_survives_pickle_and_copy(way: Callable[[S3Error], S3Error]) -> None:
    """A worker process can send it home."""
    error = await response_error()
    twin = way(error)
    assert type(twin) is NoSuchKey
    assert (str(twin), repr(twin)) == (str(error), repr(error))
    for name in ("status", "code", "message", "resource", "request_id", "host_id", "method", "url", "attempts"):
        assert getattr(twin, name) == getattr(error, name)
    assert twin.headers == error.headers
    assert twin.headers["X-Amz-Bucket-Region"] == "eu-west-1"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error_class", [S3ConnectionError, S3TimeoutError])
async def test_an_error_of_a_connection_survives_pickle_and_copy(
    error_class: type[S3ConnectionError], way: Callable[[S3Error], S3Error]
) -> None:
    """With what it knows beyond its words."""
    error = error_class("GET http://x/: gone")
    error.attempts, error.sent = 3, False
    twin = way(error)
    assert isinstance(twin, error_class)
    assert (str(twin), twin.attempts, twin.sent) == ("GET http://x/: gone (3 attempts)", 3, False)


@pytest.mark.parametrize("error_class", [S3ConnectionError, S3TimeoutError, S3ResponseError])
async def test_every_error_is_of_the_tree_and_of_aiohttp(error_class: type[S3Error]) -> None:
    """One ``except`` of either catches it."""
    assert issubclass(error_class, S3Error)
    assert issubclass(error_class, aiohttp.ClientError)


async def test_an_error_that_knows_little_still_reads_well() -> None:
    """Nothing is empty in its words."""
    assert str(S3ResponseError(status=500)).endswith("500: no reason given (1 attempt)")
    assert ErrorDocument(code="").message == ""
