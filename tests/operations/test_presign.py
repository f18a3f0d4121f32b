"""Presigned URLs: whoever has one may do this one thing for a while, and nothing else; by two independent clients."""

from __future__ import annotations

import asyncio
import hashlib
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, NamedTuple, Protocol

import aiohttp
import pytest
from yarl import URL

from aiohttp_s3_client import CredentialsError, S3Client
from aiohttp_s3_client.credentials import AbstractCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_s3_client import Credentials
    from tests.servers import S3Server

KEYS = ["key", "a b+c/d é%2F#?.txt", "e\u0301🦊", "(a)!*'~"]


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    content_type: str | None


class Fetch(Protocol):
    """A way to send a request, that knows nothing of S3."""

    async def __call__(
        self, method: str, url: URL, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send it."""
        ...


async def by_aiohttp(
    method: str, url: URL, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Use a session with nothing in it."""
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.request(method, url, data=data, headers=headers) as response,
    ):
        return Answer(response.status, await response.read(), response.headers.get("Content-Type"))


async def by_urllib(
    method: str, url: URL, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Use the standard library, in a thread."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(str(url), data, dict(headers or {}), method=method)  # noqa: S310 - our own http URL

    def send() -> Answer:
        try:
            with opener.open(request) as response:
                return Answer(response.status, response.read(), response.headers.get("Content-Type"))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read(), error.headers.get("Content-Type"))

    return await asyncio.to_thread(send)


@pytest.fixture(params=[by_aiohttp, by_urllib], ids=["aiohttp", "urllib"])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    """Give each client that knows no secret."""
    chosen: Fetch = request.param
    return chosen


class NothingYet(AbstractCredentials):
    """An identity that is still to be fetched."""

    async def get(self) -> Credentials | None:
        """Find none."""
        raise CredentialsError("not asked for in these tests")


def unconnected(session_token: str | None = None) -> S3Client:
    """Make a client that needs no server."""
    return S3Client(
        "https://store.example/bucket",
        region="eu-west-1",
        access_key_id="AKIDEXAMPLE",
        secret_access_key="the-secret",
        session_token=session_token,
    )


@pytest.mark.parametrize("key", KEYS, ids=ascii)
async def test_an_object_is_written_described_read_and_deleted(bucket_client: S3Client, fetch: Fetch, key: str) -> None:
    """Each by a URL of its own, whatever is in the key."""
    assert (await fetch("PUT", bucket_client.presign_url("PUT", key), b"data")).status == 200
    async with bucket_client.get(key) as response:
        assert await response.read() == b"data"
    assert (await fetch("GET", bucket_client.presign_url("GET", key)))[:2] == (200, b"data")
    assert (await fetch("HEAD", bucket_client.presign_url("HEAD", key)))[:2] == (200, b"")
    assert (await fetch("DELETE", bucket_client.presign_url("DELETE", key))).status == 204
    assert (await fetch("GET", bucket_client.presign_url("GET", key))).status == 404


async def test_without_a_presigned_url_nothing_is_allowed(bucket_client: S3Client, fetch: Fetch) -> None:
    """So these clients really know no secret."""
    await bucket_client.put("private", b"data")
    assert (await fetch("GET", bucket_client.url / "private")).status == 403


@pytest.mark.parametrize("key", KEYS, ids=ascii)
async def test_a_whole_url_is_presigned_however_it_was_made(bucket_client: S3Client, fetch: Fetch, key: str) -> None:
    """The path is encoded as a signature wants it, which yarl does not; userinfo and fragment are left out."""
    await bucket_client.put(key, b"data")
    whole = bucket_client.url.joinpath(*key.split("/"))
    presigned = bucket_client.presign_url("GET", whole.with_user("user").with_fragment("fragment"))
    assert (presigned.user, presigned.fragment) == (None, "")
    assert (await fetch("GET", presigned))[:2] == (200, b"data")


async def test_the_bucket_and_the_service_can_be_presigned(client: S3Client, bucket: str, fetch: Fetch) -> None:
    """With the query that says what of them."""
    listing = client.presign_url("GET", bucket, params={"list-type": "2", "prefix": "a b&c", "delimiter": ""})
    assert (await fetch("GET", listing)).status == 200
    assert f"<Name>{bucket}</Name>".encode() in (await fetch("GET", client.presign_url("GET", ""))).body


async def test_parameters_are_part_of_what_is_signed(bucket_client: S3Client, fetch: Fetch) -> None:
    """They work, also as the query of a whole URL, and cannot be changed."""
    await bucket_client.put("key", b"data")
    params = {"response-content-type": "text/x-note; charset=utf-8"}
    presigned = bucket_client.presign_url("GET", "key", params=params)
    assert await fetch("GET", presigned) == (200, b"data", "text/x-note; charset=utf-8")
    presigned = bucket_client.presign_url("GET", (bucket_client.url / "key").with_query(params))
    assert await fetch("GET", presigned) == (200, b"data", "text/x-note; charset=utf-8")
    changed = str(presigned).replace("x-note", "x-other")
    assert (await fetch("GET", URL(changed, encoded=True))).status == 403


async def test_headers_that_are_signed_must_be_sent_exactly_so(bucket_client: S3Client, fetch: Fetch) -> None:
    """Another value is refused, and so is none."""
    headers = {"Content-Type": "text/x-note", "X-Amz-Meta-Note": "a  b"}
    presigned = bucket_client.presign_url("PUT", "signed-headers", headers)
    assert (await fetch("PUT", presigned, b"data", headers)).status == 200
    async with bucket_client.head("signed-headers") as response:
        assert response.headers["Content-Type"] == "text/x-note"
    assert (await fetch("PUT", presigned, b"data", headers | {"X-Amz-Meta-Note": "c"})).status == 403
    assert (await fetch("PUT", presigned, b"data", headers | {"Content-Type": "text/html"})).status == 403
    assert (await fetch("PUT", presigned, b"data", {"Content-Type": "text/x-note"})).status in {400, 403}


async def test_a_url_is_good_for_one_thing_only(bucket_client: S3Client, fetch: Fetch) -> None:
    """Another method, another key, a longer life, another signature: all refused."""
    await bucket_client.put("key", b"data")
    await bucket_client.put("other", b"data")
    presigned = bucket_client.presign_url("GET", "key", expires=60)
    text = str(presigned)
    assert (await fetch("GET", presigned)).status == 200
    assert (await fetch("PUT", presigned, b"changed")).status == 403
    assert (await fetch("DELETE", presigned)).status == 403
    forged = [
        text.replace("/key?", "/other?"),
        text.replace("X-Amz-Expires=60", "X-Amz-Expires=600"),
        text.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        f"{text[:-1]}{'0' if text[-1] != '0' else '1'}",
        f"{text}&response-content-type=text%2Fhtml",
    ]
    for url in forged:
        assert url != text
        assert (await fetch("GET", URL(url, encoded=True))).status == 403, url
    async with bucket_client.get("key") as response:
        assert await response.read() == b"data"


async def test_a_url_ends_when_it_says(s3_server: S3Server, bucket: str, fetch: Fetch) -> None:
    """One signed an hour ago for a minute is refused, and one for two hours is not."""
    client = S3Client(
        f"{s3_server.url}/{bucket}",
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
        region=s3_server.region,
    )
    client._transport.clock = lambda: time.time() - 3600
    assert (await fetch("PUT", client.presign_url("PUT", "key", expires=7200), b"data")).status == 200
    assert (await fetch("GET", client.presign_url("GET", "key", expires=60))).status == 403


async def test_the_hash_of_the_only_body_that_may_be_sent_is_part_of_the_url(
    bucket_client: S3Client, fetch: Fetch
) -> None:
    """It cannot be taken out."""
    given = hashlib.sha256(b"data").hexdigest()
    presigned = bucket_client.presign_url("PUT", "hashed", None, given)
    assert presigned.query["X-Amz-Content-Sha256"] == given
    assert (await fetch("PUT", presigned, b"data")).status == 200
    forged = str(presigned).replace(given, hashlib.sha256(b"other").hexdigest())
    assert (await fetch("PUT", URL(forged, encoded=True), b"other")).status == 403


def test_a_session_token_is_part_of_the_url() -> None:
    """As it is, whatever is in it; the secret never is."""
    token = "a/session+token=&é"
    client = unconnected(token)
    presigned = client.presign_url("GET", "key")
    assert presigned.query["X-Amz-Security-Token"] == token
    assert "X-Amz-Security-Token=a%2Fsession%2Btoken%3D%26%C3%A9&" in str(presigned)
    assert presigned.query["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert "the-secret" not in str(presigned)


def test_a_url_is_for_the_region_and_the_host_of_the_client() -> None:
    """And holds a day unless something else is said."""
    client = unconnected()
    presigned = client.presign_url("get", "key")
    assert presigned.with_query(None) == URL("https://store.example/bucket/key")
    assert presigned.query["X-Amz-Credential"].endswith("/eu-west-1/s3/aws4_request")
    assert (presigned.query["X-Amz-SignedHeaders"], presigned.query["X-Amz-Expires"]) == ("host", "86400")


@pytest.mark.parametrize("expires", [1, 604_800])
def test_a_url_holds_from_a_second_to_a_week(expires: int) -> None:
    """Both included."""
    client = unconnected()
    assert client.presign_url("GET", "key", expires=expires).query["X-Amz-Expires"] == str(expires)


@pytest.mark.parametrize(
    ("expires", "error"),
    [(0, ValueError), (-1, ValueError), (604_801, ValueError), (True, TypeError), (60.0, TypeError), ("60", TypeError)],
)
def test_any_other_life_is_refused(expires: int, error: type[Exception]) -> None:
    """The message says what came, and what S3 allows."""
    client = unconnected()
    with pytest.raises(error, match=f"expires is {expires!r}.*: give"):
        client.presign_url("GET", "key", expires=expires)


def test_a_url_is_presigned_once() -> None:
    """A second signature would contradict the first."""
    client = unconnected()
    presigned = client.presign_url("GET", "key")
    with pytest.raises(ValueError, match=r"only the signature sets X-Amz-Algorithm, .*: presign the query without it"):
        client.presign_url("GET", presigned)
    with pytest.raises(ValueError, match="only the signature sets x-amz-expires"):
        client.presign_url("GET", "key", params={"x-amz-expires": "60"})


@pytest.mark.parametrize("name", [None, 5, b"key", ["key"]])
def test_what_is_no_name_is_refused(name: str) -> None:
    """Its text could be taken for a key."""
    client = unconnected()
    with pytest.raises(TypeError, match=f"is a {type(name).__name__}: give it as str"):
        client.presign_url("GET", name)


def test_a_url_without_a_host_is_refused() -> None:
    """Only a str is a name below the client's URL."""
    client = unconnected()
    with pytest.raises(
        ValueError, match="the URL 'a%20b' has no host: give the whole address, or an object name as str"
    ):
        client.presign_url("GET", URL("a b"))


def test_an_anonymous_client_has_nothing_to_sign_with() -> None:
    """The message says what is missing."""
    client = S3Client("https://store.example/bucket", anonymous=True)
    with pytest.raises(ValueError, match="an anonymous client has nothing to sign a URL with: give it credentials"):
        client.presign_url("GET", "key")


async def test_a_client_that_has_not_searched_yet_says_what_to_await() -> None:
    """And that then says where it looked."""
    client = S3Client("https://store.example/bucket")
    with pytest.raises(CredentialsError, match=r"await its get\(\) first"):
        client.presign_url("GET", "key")
    with pytest.raises(CredentialsError, match=r"no credentials found[^$]*environment: AWS_ACCESS_KEY_ID"):
        await client.credentials.get()


def test_credentials_that_are_still_to_be_fetched_are_asked_for_first() -> None:
    """Signing a URL does not wait for anything."""
    client = S3Client("https://store.example/bucket", credentials=NothingYet())
    with pytest.raises(CredentialsError, match=r"NothingYet has no credentials at hand: await its get\(\) first"):
        client.presign_url("GET", "key")
