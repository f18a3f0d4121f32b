"""What the store says of credentials that have ended: they are fetched anew, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import Credentials, CredentialsError, ExpiredToken, RetryPolicy, S3Client, S3ResponseError
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from tests.network.clients import ACCESS_KEY_ID, NOON, SECRET, ManualTime, opened
from tests.scripted import Choose, Reply, ScriptedServer
from tests.stored_uploads import UploadStore

if TYPE_CHECKING:
    from tests.scripted import Received, Step

ENDED = [Reply.error(status, code) for status in (400, 403) for code in ("ExpiredToken", "InvalidToken")]


class Numbered(RefreshingCredentials):
    """Gives another token at each fetch."""

    def __init__(self, time: ManualTime, seconds: float | None = None) -> None:
        """Give tokens that end after so many seconds."""
        super().__init__(clock=time.clock)
        self.fetches = 0
        self._seconds = seconds

    async def _fetch(self) -> Credentials:
        self.fetches += 1
        await asyncio.sleep(0)
        end = None if self._seconds is None else datetime.fromtimestamp(self._clock() + self._seconds, UTC)
        return Credentials(ACCESS_KEY_ID, SECRET, f"token-{self.fetches}", end)


def tokens(server: ScriptedServer) -> list[str]:
    """Give the token of each request."""
    return [request.headers["x-amz-security-token"] for request in server.requests]


@pytest.mark.parametrize("reply", ENDED, ids=lambda reply: f"{reply.status}-{reply.body[:60].decode()}")
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_a_token_that_has_ended_is_fetched_anew(method: str, reply: Reply) -> None:
    """For one new attempt at once, whatever the policy says, and also by the verbs."""
    time = ManualTime()
    provider = Numbered(time)
    async with (
        ScriptedServer(reply, Reply(body=b"done")) as server,
        opened(server, time=time, retry=RetryPolicy(max_attempts=1)) as client,
    ):
        client._transport.credentials = provider
        async with client.request(method, "key", data=b"x" if method in {"PUT", "POST"} else None) as response:
            assert (response.status, await response.read()) == (200, b"done")
        assert tokens(server) == ["token-1", "token-2"]
    assert time.waits == [0.0]


async def test_a_store_that_refuses_all_is_not_given_others_each_time() -> None:
    """What it has against them, none would mend."""
    time = ManualTime()
    provider = Numbered(time)
    async with ScriptedServer(then=ENDED[0]) as server, opened(server, time=time) as client:
        client._transport.credentials = provider
        for _ in range(5):
            with pytest.raises(ExpiredToken):
                await client.list_objects_v2().__anext__()
        assert tokens(server) == ["token-1"] + ["token-2"] * 5
        time.now += 60
        with pytest.raises(ExpiredToken):
            await client.list_objects_v2().__anext__()
    assert provider.fetches == 3


async def test_a_body_that_can_be_sent_once_makes_the_next_request_right() -> None:
    """It cannot be sent again itself."""
    time = ManualTime()
    provider = Numbered(time)
    async with ScriptedServer(ENDED[0], Reply()) as server, opened(server, time=time) as client:
        client._transport.credentials = provider
        async with client.put("key", iter([b"x"]), data_length=1) as response:
            assert response.status == 400
        async with client.get("key") as response:
            assert response.status == 200
        assert tokens(server) == ["token-1", "token-2"]


async def test_it_is_done_once() -> None:
    """A store that refuses the next token, too, is believed."""
    time = ManualTime()
    provider = Numbered(time)
    async with ScriptedServer(then=ENDED[0]) as server, opened(server, time=time) as client:
        client._transport.credentials = provider
        with pytest.raises(ExpiredToken) as caught:
            await client.list_objects_v2().__anext__()
        assert caught.value.attempts == 2
        assert tokens(server) == ["token-1", "token-2"]


async def test_credentials_that_stay_the_same_are_not_asked_for_again() -> None:
    """The error comes out at once."""
    async with ScriptedServer(then=ENDED[0]) as server, opened(server, session_token="static") as client:
        with pytest.raises(S3ResponseError):
            await client.list_objects_v2().__anext__()
        assert len(server.requests) == 1


async def test_an_upload_goes_on_with_a_new_token_in_its_middle() -> None:
    """Each part that was refused is sent again; many refusals make one fetch."""
    time = ManualTime()
    provider = Numbered(time)
    store = UploadStore()
    ended: set[str] = {"token-1"}

    def answer(request: Received) -> Step:
        if "partNumber" in request.query and request.headers["x-amz-security-token"] in ended:
            return Reply.error(400, "ExpiredToken")
        return store.answer(request)

    async with ScriptedServer(then=Choose(answer)) as server, opened(server, time=time) as client:
        client._transport.credentials = provider
        async with client.multipart_upload("key") as uploader:
            await asyncio.gather(*[uploader.put_part(bytes([number]) * 1000) for number in range(8)])
        assert store.objects["/bucket/key"] == b"".join(bytes([number]) * 1000 for number in range(8))
    assert provider.fetches == 2


@pytest.mark.parametrize(("seconds", "expires", "expected"), [(600.0, 3600, 600), (7200.0, 3600, 3600)])
async def test_a_url_lives_no_longer_than_its_credentials(seconds: float, expires: int, expected: int) -> None:
    """Which is said."""
    time = ManualTime(NOON)
    provider = Numbered(time, seconds)
    client = S3Client("http://127.0.0.1/bucket", credentials=provider)
    client._transport.clock = time.clock
    with pytest.raises(CredentialsError, match="await its get"):
        client.presign_url("GET", "key")
    await provider.get()
    if expected < expires:
        with pytest.warns(UserWarning, match="holds for 600 s instead of 3600"):
            url = client.presign_url("GET", "key", expires=expires)
    else:
        url = client.presign_url("GET", "key", expires=expires)
    assert url.query["X-Amz-Expires"] == str(expected)
    time.now += timedelta(seconds=seconds).total_seconds()
    with pytest.raises(CredentialsError, match="expired"):
        client.presign_url("GET", "key")
