"""What one request looks like on the wire: few headers, each with a purpose, and a signature over what was sent."""

from __future__ import annotations

import logging

import aiohttp
import pytest

from aiohttp_s3_client import RetryPolicy, S3Client, S3ConnectionError, S3Error, S3ResponseError
from tests.network.clients import ACCESS_KEY_ID, SECRET, TOKEN, fetch, opened, signature_holds
from tests.scripted import Drop, Reply, ScriptedServer

SIGNED = {"authorization", "x-amz-content-sha256", "x-amz-date"}
ALWAYS = {"host", "accept-encoding", "user-agent"}
# Does no harm, and is hard to keep aiohttp from.
HARMLESS = {"accept"}


@pytest.mark.parametrize(
    ("method", "data", "more"),
    [
        ("GET", None, set()),
        ("HEAD", None, set()),
        ("DELETE", None, {"content-length"}),
        ("POST", None, {"content-length"}),
        ("POST", b"data", {"content-length"}),
        ("PUT", None, {"content-length"}),
        ("PUT", b"data", {"content-length"}),
        ("PUT", b"x" * 2_000_000, {"content-length"}),
    ],
)
async def test_a_request_has_no_header_that_it_does_not_need(
    session: aiohttp.ClientSession | None, method: str, data: bytes | None, more: set[str]
) -> None:
    """Nothing that aiohttp adds by itself: no type on a request without one, no chunks, no packing."""
    async with ScriptedServer(Reply()) as server:
        async with opened(server, session=session) as client, client.request(method, "key", data=data):
            pass
        headers = server.requests[0].headers
        assert {name.lower() for name in headers} - HARMLESS == ALWAYS | SIGNED | more
        assert len(headers) == len(set(headers))
        assert headers["Accept-Encoding"] == "identity"
        assert headers["User-Agent"].startswith("aiohttp-s3-client")
        assert headers["Host"] == f"127.0.0.1:{server.port}"
        assert headers.get("Content-Length", "0") == str(len(data or b""))
        assert signature_holds(server.requests[0])


async def test_a_put_says_a_type_that_is_signed(session: aiohttp.ClientSession | None) -> None:
    """It is guessed from the name, and the caller's own counts."""
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server, session=session) as client:
            for headers in (None, {"content-type": "text/x-mine"}):
                async with client.put("key.json", b"{}", headers=headers):
                    pass
        types = [request.headers.getall("Content-Type") for request in server.requests]
        assert types == [["application/json"], ["text/x-mine"]]
        for request in server.requests:
            assert "content-type" in request.headers["Authorization"].lower()
            assert signature_holds(request)


@pytest.mark.parametrize(
    "key",
    ["a b", "ü/\N{SNOWMAN}", "a//b", "./a", "a/../b", "%2F", "a+b", "a#b?c&d=e", "~-_.", "a\nb\x01", "trailing/", " "],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_key_arrives_as_it_was_signed(session: aiohttp.ClientSession | None, key: str, method: str) -> None:
    """Encoded once, never normalised, neither by aiohttp nor by yarl."""
    async with ScriptedServer(Reply()) as server:
        async with (
            opened(server, session=session) as client,
            client.request(method, key, params={"versionId": "a+b c/d~ü", "acl": ""}),
        ):
            pass
        assert signature_holds(server.requests[0])
        assert server.requests[0].query == "acl=&versionId=a%2Bb%20c%2Fd~%C3%BC"


async def test_a_session_token_is_sent_and_signed(session: aiohttp.ClientSession | None) -> None:
    """Without it the store does not know a temporary identity."""
    async with ScriptedServer(Reply()) as server:
        async with opened(server, session=session, session_token=TOKEN) as client, client.get("key"):
            pass
        assert server.requests[0].headers["x-amz-security-token"] == TOKEN
        assert signature_holds(server.requests[0], TOKEN)


async def test_an_anonymous_request_carries_no_trace_of_a_signature() -> None:
    """Nor a date, nor a hash."""
    async with ScriptedServer(Reply()) as server:
        async with S3Client(f"{server.url}/bucket", anonymous=True) as client, client.get("key"):
            pass
        assert {name.lower() for name in server.requests[0].headers} - HARMLESS == ALWAYS


async def test_a_sessions_own_headers_and_cookies_do_not_disturb_the_signature() -> None:
    """They go along unsigned."""
    session = aiohttp.ClientSession(
        headers={"x-team": "storage", "User-Agent": "theirs"},
        cookies={"cookie": "crumb"},
        cookie_jar=aiohttp.CookieJar(unsafe=True),
    )
    async with ScriptedServer(Reply()) as server, session:
        async with opened(server, session=session) as client, client.put("key", b"data"):
            pass
        headers = server.requests[0].headers
        assert headers["x-team"] == "storage"
        assert signature_holds(server.requests[0])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_handed_over_and_not_followed(session: aiohttp.ClientSession | None, status: int) -> None:
    """The signature is for one host alone, and never goes to another."""
    async with ScriptedServer() as other:
        redirect = Reply(status, {"Location": f"{other.url}/bucket/key"}, b"elsewhere")
        async with ScriptedServer(then=redirect) as server:
            async with opened(server, session=session) as client:
                for method in ("GET", "PUT"):
                    async with client.request(method, "key") as response:
                        assert (response.status, await response.read()) == (status, b"elsewhere")
                with pytest.raises(S3ResponseError) as caught:
                    await fetch(client)
            assert caught.value.status == status
            assert len(server.requests) == 3
        assert other.connections == 0


async def test_a_packed_object_arrives_packed(session: aiohttp.ClientSession | None) -> None:
    """What is stored with ``Content-Encoding: gzip`` is handed over as it is stored."""
    packed = b"\x1f\x8b no gzip at all"
    reply = Reply(headers={"Content-Encoding": "gzip"}, body=packed)
    async with (
        ScriptedServer(reply) as server,
        opened(server, session=session) as client,
        client.get("key") as response,
    ):
        assert await response.read() == packed


@pytest.mark.parametrize("step", [Reply.error(403, "AccessDenied", "no"), Drop()], ids=["an answer", "no answer"])
async def test_no_secret_is_shown_by_errors_or_logs(
    session: aiohttp.ClientSession | None, step: Reply | Drop, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the secret, nor the token, nor a signature, in words, representation, attributes or causes."""
    caplog.set_level(logging.DEBUG, logger="aiohttp_s3_client")
    retry = RetryPolicy(max_attempts=2)
    async with ScriptedServer(Reply(503), step) as server:
        async with opened(server, session=session, retry=retry, session_token=TOKEN) as client:
            with pytest.raises(S3Error) as caught:
                await fetch(client)
            shown = [repr(client), str(client), repr(client._transport)]
        signatures = [request.headers["Authorization"] for request in server.requests]
    error: BaseException | None = caught.value
    while error is not None:
        shown += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    shown.append(caplog.text)
    assert "attempt 1 failed" in caplog.text
    for secret in (SECRET, TOKEN, *signatures, *(signature[-64:] for signature in signatures)):
        assert not [text for text in shown if secret in text]
    assert isinstance(caught.value, S3ResponseError | S3ConnectionError)
    assert ACCESS_KEY_ID not in str(caught.value)
