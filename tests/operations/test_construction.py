"""How a client is made: where it asks, who it is, and whose session it uses."""

from __future__ import annotations

from typing import Any, cast

import aiohttp
import pytest
from yarl import URL

from aiohttp_s3_client import ClientConfig, CredentialsError, RetryPolicy, S3Client
from aiohttp_s3_client.credentials import StaticCredentials
from tests.scripted import Reply, ScriptedServer

STORE = "https://store.example"
PARTS = ["access_key_id", "secret_access_key", "session_token"]
SECRET = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture(autouse=True)
def _keys_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a client find an identity, where a test is not about that."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def made_with(**arguments: Any) -> S3Client:  # noqa: ANN401 - a client's keywords, by name
    """Make a client of the store."""
    return S3Client(STORE, **arguments)


def scope(client: S3Client) -> str:
    """Give who signs, and for which region."""
    access_key_id, _, region, *_ = client.presign_url("GET", "bucket/key").query["X-Amz-Credential"].split("/")
    return f"{access_key_id} {region}"


@pytest.mark.parametrize(
    "url", [f"{STORE}/photos", f"{STORE}/photos/", f"https://KEY:{SECRET[:5]}@store.example/photos"]
)
@pytest.mark.parametrize("kind", [str, URL])
def test_a_store_is_said_by_its_url(url: str, kind: type[str | URL]) -> None:
    """As text or as ``yarl.URL``; userinfo is left out of what is shown."""
    client = S3Client(kind(url))
    assert client.url == URL(f"{STORE}/photos")


def test_a_region_alone_means_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bucket in front of the host, or without one; the environment's region does as well."""
    assert S3Client(region="eu-west-1").url == URL("https://s3.eu-west-1.amazonaws.com")
    assert S3Client(region="eu-west-1", bucket="photos").url == URL("https://photos.s3.eu-west-1.amazonaws.com")
    assert S3Client(region="eu-west-1", bucket="a.b").url == URL("https://s3.eu-west-1.amazonaws.com/a.b")
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert S3Client(bucket="photos").url == URL("https://photos.s3.ap-south-1.amazonaws.com")


def test_without_a_url_and_a_region_there_is_no_store() -> None:
    """The message says what to give."""
    with pytest.raises(ValueError, match=r"where is the store\? Give url=, or region= for AWS"):
        S3Client(bucket="photos")


def test_the_region_is_the_callers_then_the_hosts_then_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """And at last the one that stores without regions expect."""
    known, unknown = "https://s3.eu-west-1.amazonaws.com", STORE
    assert scope(S3Client(unknown)) == "AKIDENVIRONMENT us-east-1"
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert scope(S3Client(unknown)) == "AKIDENVIRONMENT ap-south-1"
    assert scope(S3Client(known)) == "AKIDENVIRONMENT eu-west-1"
    assert scope(S3Client(known, region="us-west-2")) == "AKIDENVIRONMENT us-west-2"


def test_the_identity_is_the_callers_then_the_urls_then_the_environments() -> None:
    """A provider stands for all of them."""
    with_userinfo = f"https://AKIDURL:{SECRET.replace('/', '%2F')}@store.example"
    assert scope(S3Client(STORE)) == "AKIDENVIRONMENT us-east-1"
    assert scope(S3Client(with_userinfo)) == "AKIDURL us-east-1"
    said = S3Client(with_userinfo, access_key_id="AKIDSAID", secret_access_key="said")
    assert scope(said) == "AKIDSAID us-east-1"
    provider = StaticCredentials("AKIDPROVIDER", "provided", region="eu-west-1")
    assert scope(S3Client(with_userinfo, credentials=provider)) == "AKIDPROVIDER eu-west-1"


@pytest.mark.parametrize("half", PARTS)
def test_half_an_identity_is_refused(monkeypatch: pytest.MonkeyPatch, half: str) -> None:
    """The message says which part is missing, and not what the other one is."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    parts = {name: SECRET if name == half else None for name in PARTS}
    with pytest.raises(ValueError, match=r"credentials are incomplete: no .* Give access_key_id and secret") as caught:
        made_with(**parts)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", PARTS)
def test_nobody_is_anonymous_with_a_name(name: str) -> None:
    """One of the two is a mistake."""
    with pytest.raises(ValueError, match="anonymous=True sends requests unsigned: leave it out, or the credentials"):
        made_with(anonymous=True, **{name: "value"})


@pytest.mark.parametrize("name", PARTS)
def test_a_provider_stands_alone(name: str) -> None:
    """Parts beside it would be another identity."""
    provider = StaticCredentials("AKIDPROVIDER", "provided")
    with pytest.raises(ValueError, match=f"{name} beside credentials= makes two identities"):
        made_with(credentials=provider, **{name: "value"})


async def test_a_client_without_credentials_says_where_it_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is to sign, and before anything is sent."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    async with ScriptedServer() as server, S3Client(server.url) as client:
        with pytest.raises(CredentialsError, match=r"no credentials found[\s\S]*keyword arguments[\s\S]*environment"):
            await client.get("bucket/key")
        assert server.requests == []


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the client is made."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    with pytest.raises(CredentialsError, match="no profile 'not-there'"):
        S3Client(STORE)


@pytest.mark.parametrize("session_token", [None, "a-secret-token"])
def test_nothing_that_shows_a_client_shows_its_secret(session_token: str | None) -> None:
    """Only where it asks."""
    client = S3Client(
        f"https://AKIDURL:{SECRET.replace('/', '%2F')}@store.example/photos",
        access_key_id="AKIDSAID",
        secret_access_key=SECRET,
        session_token=session_token,
        region="eu-west-1",
    )
    assert repr(client) == str(client) == "<S3Client https://store.example/photos region=eu-west-1>"
    for shown in (client, client.url, client._transport, client._transport.credentials, client._transport.endpoint):
        for text in (repr(shown), str(shown), f"{shown}"):
            assert SECRET not in text
            assert "a-secret-token" not in text


async def test_arguments_in_the_wrong_order_are_told_apart() -> None:
    """The message says which goes where."""
    async with aiohttp.ClientSession() as session:
        url, swapped = cast("str", session), cast("aiohttp.ClientSession", STORE)
        with pytest.raises(TypeError, match=r"url is a ClientSession: .*, and a session as session="):
            S3Client(url, swapped)
        with pytest.raises(TypeError, match="url is a ClientSession"):
            S3Client(url)


@pytest.mark.parametrize("url", [5, b"https://store.example", ["https://store.example"]])
def test_a_url_of_another_type_is_refused(url: object) -> None:
    """The message names the type."""
    with pytest.raises(TypeError, match=f"url is a {type(url).__name__}: give str or yarl.URL"):
        S3Client(cast("str", url))


async def test_a_client_needs_a_session() -> None:
    """It says so when it is used, and how to get one."""
    client = S3Client(STORE)
    for verb in (client.get, client.head, client.delete, client.post):
        with pytest.raises(RuntimeError, match=r"has no session: enter it \(`async with .* or give session="):
            await verb("bucket/key")
    with pytest.raises(RuntimeError, match="has no session"):
        await client.put("bucket/key", b"data")
    with pytest.raises(RuntimeError, match="has no session"):
        await client.rename("bucket/a", "bucket/b")
    with pytest.raises(RuntimeError, match="has no session"):
        await anext(client.list_objects_v2("bucket"))


async def test_a_session_of_the_callers_is_used_and_left_open() -> None:
    """Entering, leaving and closing the client are nothing to it."""
    async with ScriptedServer(then=Reply()) as server, aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
        client = S3Client(server.url, session)
        async with client.get("bucket/key") as response:
            assert response.status == 200
        async with client, client.get("bucket/key") as response:
            assert response.status == 200
        await client.close()
        assert not session.closed
        async with client.get("bucket/key") as response:
            assert response.status == 200
        assert [request.headers["X-Mine"] for request in server.requests] == ["yes"] * 3


async def test_a_session_of_its_own_is_closed_at_the_end() -> None:
    """With all its connections; the client can be entered anew afterwards."""
    async with ScriptedServer(then=Reply()) as server:
        client = S3Client(server.url)
        for _ in range(2):
            async with client, client.get("bucket/key") as response:
                assert response.status == 200
            await server.until(lambda server: server.open_connections == 0)
        with pytest.raises(RuntimeError, match="has no session"):
            await client.get("bucket/key")
        assert (server.connections, len(server.requests)) == (2, 2)


async def test_a_session_of_its_own_is_closed_after_an_error() -> None:
    """Whatever ends the block."""

    async def fail_inside(client: S3Client) -> None:
        async with client:
            await client.head("bucket/key")
            raise LookupError

    async with ScriptedServer(then=Reply()) as server:
        with pytest.raises(LookupError):
            await fail_inside(S3Client(server.url))
        await server.until(lambda server: server.open_connections == 0)


async def test_a_client_is_entered_once_at_a_time() -> None:
    """A second session would take the first one's place, and leave it open."""
    async with S3Client(STORE) as client:
        with pytest.raises(RuntimeError, match="entered already: use it inside of that block"):
            await client.__aenter__()


async def test_closing_twice_is_no_error() -> None:
    """Nor is closing a client that was never entered."""
    client = S3Client(STORE)
    await client.close()
    async with client:
        await client.close()
    await client.close()


async def test_settings_count_for_every_request() -> None:
    """Here, that nothing is tried again."""
    async with ScriptedServer(then=Reply(503)) as server:
        config = ClientConfig(retry=RetryPolicy(max_attempts=1))
        async with S3Client(server.url, config=config) as client, client.get("bucket/key") as response:
            assert response.status == 503
        assert len(server.requests) == 1
