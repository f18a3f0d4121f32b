"""Which answers are tried again, how often, after how long, and what comes out in the end."""

from __future__ import annotations

import email.utils

import aiohttp
import pytest

from aiohttp_s3_client import (
    AccessDenied,
    RetryPolicy,
    S3ConnectionError,
    S3ResponseError,
    ServerError,
    SlowDown,
)
from tests.network.clients import NOON, TOKEN, ManualTime, fetch, opened, signature_holds
from tests.scripted import Ending, Reply, ScriptedServer

HTML = Reply(503, {"Content-Type": "text/html"}, b"<html><body><h1>503 Slow down</h1></body>")
CUT_OFF = Reply(503, {"Content-Type": "application/xml"}, b"<?xml version='1.0'?><Error><Code>SlowDo")
OK = Reply(body=b"at last")

TEMPORARY = [
    *(Reply(status) for status in (408, 429, 500, 502, 503, 504)),
    *(Reply.error(400, code) for code in ("RequestTimeout", "IncompleteBody")),
    Reply.error(503, "SlowDown"),
    HTML,
    CUT_OFF,
]
FINAL = [
    *(Reply(status) for status in (400, 403, 404, 405, 409, 412, 416, 501)),
    Reply.error(403, "AccessDenied"),
    Reply.error(404, "NoSuchKey"),
    Reply.error(400, "BadDigest"),
    Reply(400, {"Content-Type": "text/html"}, b"<html>RequestTimeout</html>"),
]


def described(reply: Reply) -> str:
    """Name a reply in a test's name."""
    return f"{reply.status}-{reply.body[:64].decode()}" if reply.body else str(reply.status)


@pytest.fixture(params=["PUT", "GET", "DELETE", "POST"])
def method(request: pytest.FixtureRequest) -> str:
    """Give each method whose answer has a body."""
    return str(request.param)


@pytest.mark.parametrize("reply", TEMPORARY, ids=described)
async def test_a_temporary_error_is_tried_again(
    session: aiohttp.ClientSession | None, reply: Reply, method: str
) -> None:
    """One temporary answer, then success: two requests, whole and alike, and the second one's answer."""
    data = None if method in {"GET", "DELETE"} else b"data"
    async with ScriptedServer(reply, OK) as server:
        async with opened(server, session=session) as client, client.request(method, "key", data=data) as response:
            assert (response.status, await response.read()) == (200, b"at last")
        assert [(request.method, request.body) for request in server.requests] == [(method, data or b"")] * 2
        assert all(signature_holds(request) for request in server.requests)


@pytest.mark.parametrize("reply", TEMPORARY, ids=described)
async def test_an_operation_tries_a_temporary_error_again(reply: Reply) -> None:
    """What judges the answer itself repeats as the verbs do."""
    async with ScriptedServer(reply, OK) as server:
        async with opened(server) as client:
            assert await fetch(client) == b"at last"
        assert len(server.requests) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_head_is_tried_again_although_its_answer_says_nothing(
    session: aiohttp.ClientSession | None, status: int
) -> None:
    """The status alone decides where no document can come."""
    async with ScriptedServer(Reply(status, body=b"unseen"), OK) as server:
        async with opened(server, session=session) as client, client.head("key") as response:
            assert response.status == 200
        assert len(server.requests) == 2


@pytest.mark.parametrize("reply", FINAL, ids=described)
async def test_a_final_error_is_not_tried_again(
    session: aiohttp.ClientSession | None, reply: Reply, method: str
) -> None:
    """The verb hands it over as it came, after one request."""
    async with ScriptedServer(reply) as server:
        async with opened(server, session=session) as client, client.request(method, "key") as response:
            assert (response.status, await response.read()) == (reply.status, reply.body)
        assert len(server.requests) == 1


@pytest.mark.parametrize("reply", FINAL, ids=described)
async def test_an_operation_raises_a_final_error_at_once(reply: Reply) -> None:
    """One request, one typed error."""
    async with ScriptedServer(reply) as server:
        async with opened(server) as client:
            with pytest.raises(S3ResponseError) as caught:
                await fetch(client)
        assert (caught.value.status, caught.value.attempts, len(server.requests)) == (reply.status, 1, 1)


@pytest.mark.parametrize("max_attempts", [1, 2, 4])
async def test_a_verb_hands_over_the_last_answer_with_its_body(max_attempts: int) -> None:
    """After as many attempts as were allowed comes the response itself, still to be read."""
    async with ScriptedServer(then=Reply.error(503, "SlowDown", "Please")) as server:
        retry = RetryPolicy(max_attempts=max_attempts)
        async with opened(server, retry=retry) as client, client.put("key", b"data") as response:
            assert response.status == 503
            assert b"<Code>SlowDown</Code>" in await response.read()
        assert len(server.requests) == max_attempts


@pytest.mark.parametrize("max_attempts", [1, 2, 4])
async def test_an_operation_raises_the_last_answer_with_all_that_s3_said(
    session: aiohttp.ClientSession | None, max_attempts: int
) -> None:
    """The error carries status, code, message, ids and how often it was tried."""
    async with ScriptedServer(then=Reply.error(503, "SlowDown", "Please reduce")) as server:
        async with opened(server, session=session, retry=RetryPolicy(max_attempts=max_attempts)) as client:
            with pytest.raises(SlowDown, match=r"GET http.*/bucket/key: 503 SlowDown: Please reduce") as caught:
                await fetch(client)
        error = caught.value
        assert len(server.requests) == error.attempts == max_attempts
        assert (error.status, error.code, error.message) == (503, "SlowDown", "Please reduce")
        assert (error.resource, error.request_id, error.host_id) == ("/bucket/key", "REQUEST", "HOST")
        assert f"{max_attempts} attempt" in str(error)


async def test_an_error_without_a_document_is_told_by_its_status_and_headers() -> None:
    """A proxy's page, or nothing at all, still gives a typed error with the ids of the headers."""
    ids = {"x-amz-request-id": "R", "x-amz-id-2": "H"}
    script = (Reply(403, ids), Reply(502, ids, b"<html>Bad Gateway</html>"))
    async with ScriptedServer(*script) as server:
        async with opened(server, retry=RetryPolicy(max_attempts=1)) as client:
            with pytest.raises(AccessDenied) as denied:
                await fetch(client)
            with pytest.raises(ServerError) as failed:
                await fetch(client)
        for caught, status in ((denied.value, 403), (failed.value, 502)):
            assert (caught.status, caught.code, caught.request_id, caught.host_id) == (status, "", "R", "H")
        assert len(server.requests) == 2


async def test_every_attempt_is_signed_afresh(session: aiohttp.ClientSession | None) -> None:
    """Each attempt has the date of its own moment, and a signature that holds."""
    time = ManualTime()
    busy = Reply(503, {"Retry-After": "7"})
    async with ScriptedServer(busy, busy, OK) as server:
        async with (
            opened(server, session=session, time=time, session_token=TOKEN) as client,
            client.put("a b//+~ü", b"data") as answer,
        ):
            assert answer.status == 200
        dates = [request.headers["x-amz-date"] for request in server.requests]
        assert dates == ["20260301T120000Z", "20260301T120007Z", "20260301T120014Z"]
        assert len({request.headers["Authorization"] for request in server.requests}) == 3
        assert all(signature_holds(request, TOKEN) for request in server.requests)


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("3", 3.0),
        ("0", 0.0),
        (email.utils.formatdate(NOON + 4, usegmt=True), 4.0),
        (email.utils.formatdate(NOON - 60, usegmt=True), 0.0),
        ("120", 20.0),
        ("9" * 400, 20.0),
        (email.utils.formatdate(NOON + 3600, usegmt=True), 20.0),
        ("soon", 0.0),
        ("", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("Mon, 99 Foo 99999999999999999999 99:99:99 GMT", 0.0),
        ("Mon, 01 Jan 99999 00:00:00 GMT", 0.0),
        ("\N{SUPERSCRIPT TWO}", 0.0),
    ],
)
async def test_retry_after_is_followed_up_to_the_longest_delay(said: str, waited: float) -> None:
    """Seconds and HTTP dates count, up to ``max_delay``; what is neither does not."""
    time = ManualTime()
    async with ScriptedServer(Reply(503, {"Retry-After": said}), OK) as server:
        retry = RetryPolicy(base_delay=0, max_delay=20)
        async with opened(server, time=time, retry=retry) as client:
            assert await fetch(client) == b"at last"
        assert time.waits == [waited]
        assert len(server.requests) == 2


async def test_the_waits_between_attempts_grow_and_are_random() -> None:
    """Each wait is a part of a bound that doubles up to ``max_delay``, and no two runs wait alike."""
    runs = []
    for _ in range(3):
        time = ManualTime()
        async with ScriptedServer(then=Reply(500)) as server:
            retry = RetryPolicy(max_attempts=6, base_delay=1, max_delay=4)
            async with opened(server, time=time, retry=retry) as client, client.get("key") as response:
                assert response.status == 500
            assert len(server.requests) == 6
        assert all(0 <= wait <= bound for wait, bound in zip(time.waits, (1, 2, 4, 4, 4), strict=True))
        runs.append(tuple(time.waits))
    assert len(set(runs)) == 3


async def test_an_answer_that_breaks_off_is_fetched_again(session: aiohttp.ClientSession | None) -> None:
    """Half a document is no document."""
    async with ScriptedServer(Reply(body=b"whole", sent=3, ending=Ending.CLOSE), Reply(body=b"whole")) as server:
        async with opened(server, session=session) as client:
            assert await fetch(client) == b"whole"
        assert len(server.requests) == 2


async def test_an_answer_that_always_breaks_off_raises_after_all_attempts() -> None:
    """The error says how often it was tried, and aiohttp's own is its cause."""
    async with ScriptedServer(then=Reply(body=b"whole", sent=3, ending=Ending.RESET)) as server:
        async with opened(server, retry=RetryPolicy(max_attempts=3)) as client:
            with pytest.raises(S3ConnectionError, match=r"\(3 attempts\)") as caught:
                await fetch(client)
        assert len(server.requests) == caught.value.attempts == 3
        assert caught.value.sent


async def test_an_error_document_that_breaks_off_is_fetched_again() -> None:
    """A 400 whose document did not arrive may have been temporary."""
    broken = Reply(400, body=b"<Error><Code>RequestTimeout</Code></Error>", sent=20, ending=Ending.CLOSE)
    async with ScriptedServer(broken, OK) as server:
        async with opened(server) as client, client.put("key", b"data") as response:
            assert await response.read() == b"at last"
        assert len(server.requests) == 2


async def test_a_verb_hands_over_a_download_that_breaks_off() -> None:
    """A verb's response is the caller's to read, and so is its failure."""
    async with ScriptedServer(Reply(body=b"whole", sent=3, ending=Ending.CLOSE)) as server:
        async with opened(server) as client, client.get("key") as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert len(server.requests) == 1
