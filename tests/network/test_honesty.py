"""What a client must not claim: that a stray answer is its own, or that a condition failed which it met itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from multidict import CIMultiDict

from aiohttp_s3_client import NotFound, PreconditionFailed, RetryPolicy, ServerError
from aiohttp_s3_client.models import Part
from aiohttp_s3_client.transport import S3Request
from tests.network.clients import TOKEN, opened
from tests.scripted import Ending, Raw, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

THREE = RetryPolicy(max_attempts=3, base_delay=0.0)
ANSWER_AND_A_STRAY = Raw(
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray",
    ending=Ending.KEEP,
)


async def test_what_comes_unasked_on_a_kept_connection_is_no_answer() -> None:
    """The next request goes out on another connection, and gets its own answer."""
    async with ScriptedServer(ANSWER_AND_A_STRAY, Reply(body=b"second")) as server:
        async with opened(server) as client:
            async with client.get("a") as response:
                assert await response.read() == b"first"
            async with client.get("b") as response:
                assert await response.read() == b"second"
        assert [request.path for request in server.requests] == ["/bucket/a", "/bucket/b"]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_conditional_write_that_may_have_been_done_is_not_repeated(
    session: aiohttp.ClientSession | None, status: int
) -> None:
    """Else its own success would make the condition fail."""
    async with ScriptedServer(Reply(status), Reply(412)) as server:
        async with opened(server, session=session, retry=THREE) as client:
            request = S3Request("PUT", "key", headers=CIMultiDict({"If-None-Match": "*"}))
            with pytest.raises(ServerError):
                await client._transport.fetch(request)
        assert len(server.requests) == 1


async def test_a_conditional_write_that_was_throttled_is_repeated() -> None:
    """A store that throttles has not written."""
    async with ScriptedServer(Reply(503), Reply(412)) as server:
        async with opened(server, retry=THREE) as client:
            request = S3Request("PUT", "key", headers=CIMultiDict({"If-None-Match": "*"}))
            with pytest.raises(PreconditionFailed):
                await client._transport.fetch(request)
        assert len(server.requests) == 2


async def test_an_error_made_by_aiohttp_shows_no_token_and_no_signature(session: aiohttp.ClientSession | None) -> None:
    """The response knows what was asked, and not what it was asked with."""
    async with ScriptedServer(Reply(403)) as server:
        async with opened(server, session=session, session_token=TOKEN) as client, client.get("key") as response:
            with pytest.raises(aiohttp.ClientResponseError) as caught:
                response.raise_for_status()
        assert TOKEN in server.requests[0].headers["x-amz-security-token"]
    assert TOKEN not in repr(caught.value)
    assert "Signature" not in repr(caught.value)


async def test_a_sessions_raise_for_status_leaves_redirects_and_304_alone() -> None:
    """It raises for the same statuses as aiohttp's own."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        ScriptedServer(Reply(304), Reply(404)) as server,
        opened(server, session=session) as client,
    ):
        async with client.get("key", headers={"If-None-Match": '"e"'}) as response:
            assert response.status == 304
        with pytest.raises(NotFound):
            await client.get("key")


async def test_the_cause_of_a_sources_own_error_is_kept() -> None:
    """It comes out as it was raised."""

    def broken() -> Iterator[bytes]:
        yield b"data"
        raise ValueError("no more") from KeyError("why")

    async with ScriptedServer(Reply()) as server, opened(server) as client:
        with pytest.raises(ValueError, match="no more") as caught:
            await client.put("key", broken, data_length=8)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_the_operations_of_an_upload_refuse_a_name_without_a_key() -> None:
    """A store that passes over a parameter it does not know would do something else with the bucket."""
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client:
            for refused in (
                client.abort_multipart_upload("", "id"),
                client.list_parts("/", "id"),
                client.upload_part("", "id", 1, b""),
                client.complete_multipart_upload("", "id", [Part(1, '"e"', 1)]),
            ):
                with pytest.raises(ValueError, match="has no key"):
                    await refused
        assert not server.requests


async def test_an_address_as_str_is_not_signed_as_a_key() -> None:
    """Whoever means a key that begins so says it with a leading slash."""
    async with ScriptedServer(Reply()) as server, opened(server) as client:
        with pytest.raises(ValueError, match="as yarl"):
            client.presign_url("GET", "https://host/bucket/key")
        assert "/bucket/https" in str(client.presign_url("GET", "/https://host/bucket/key"))


async def test_an_error_document_that_breaks_off_hides_no_status() -> None:
    """412 says that the condition failed, whatever became of the words."""
    broken = Raw(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 100\r\n\r\n<Error>")
    async with ScriptedServer(broken) as server:
        async with opened(server, retry=THREE) as client:
            with pytest.raises(PreconditionFailed):
                await client._transport.fetch(S3Request("PUT", "key"))
        assert len(server.requests) == 1


async def test_a_verb_can_be_made_a_task() -> None:
    """As every coroutine can."""
    async with ScriptedServer(Reply(body=b"data")) as server, opened(server) as client:
        response = await asyncio.create_task(client.get("key"))
        assert await response.read() == b"data"


async def test_a_file_descriptor_is_no_path() -> None:
    """It would be closed in its owner's back."""
    async with ScriptedServer(Reply()) as server, opened(server) as client:
        with pytest.raises(TypeError, match="give a path"):
            client.put_file("key", 5)  # type: ignore[arg-type]
