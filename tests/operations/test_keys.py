"""Keys of every kind: what is asked for is what is stored, listed and read back, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.network.clients import opened, signature_holds
from tests.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from aiohttp_s3_client import S3Client
    from tests.servers import S3Server

KEYS = [
    "plain",
    "a/b/c",
    "a b",
    "  two  spaces  ",
    " ",
    "key ",
    "a+b",
    "+",
    "%",
    "100%25",
    "%2F",
    "a%20b",
    "%zz",
    "#",
    "?",
    "a?b=c&d#e",
    "x;versionId=3",
    "&=",
    "'single' \"double\"",
    "<>&amp;",
    "]]>",
    "a:b;c,d",
    "~-._!*()@$^{}[]|`",
    "data:,x",
    "-",
    "_",
    ".hidden",
    "a/.b",
    "a.",
    "...",
    ".../...",
    "é",
    "e\u0301",
    "\u00c5",
    "A\u030a",
    "\u212b",
    "a\u0300\u0323",
    "日本語/ファイル",
    "مرحبا",
    "🦊",
    "👩\u200d👩\u200d👧",
    "\u200b",
    "\u2028",
    "\u3000",
    "\ufeff",
    "\uffff",
    "\U0010ffff",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "\x01",
    "\x1f",
    "\x7f",
    "\x85",
    "\xa0",
    "x" * 255,
    # As long as S3 allows: 1024 bytes.
    "/".join(["d" * 127] * 8) + "d",
    "/".join(["ü" * 63 + "x"] * 8) + "x",
]

# Keys that a store which keeps objects as files may refuse. The embedded server refuses some and changes the others:
# it takes `\` for `/`, and one `/` for several.
HARD_KEYS = [
    "a//b",
    "//a",
    "/a",
    "a/",
    "a//",
    "./a",
    "a/.",
    ".",
    "..",
    "a/../b",
    "../../a",
    "http://x/y",
    "back\\slash",
    "nul\0",
    "x" * 1024,
    "ü" * 512,
]

every_key = pytest.mark.parametrize("key", [*KEYS, *HARD_KEYS], ids=lambda key: ascii(key)[:40])


def named(key: str) -> str:
    """Give a key as an object name: a slash in front is taken for the name's own."""
    return f"/{key}"


def encoded(key: str) -> str:
    """Encode a key by the standard library's means."""
    return quote(key, safe="/-._~")


async def check_round_trip(client: S3Client, key: str) -> None:
    """Find a stored object by all that goes by its name."""
    data = f"the content of {key}".encode()
    async with client.get(named(key)) as response:
        assert (response.status, await response.read()) == (200, data)
    async with client.head(named(key)) as response:
        assert (response.status, response.content_length) == (200, len(data))
    listed = [item.key async for objects, _ in client.list_objects_v2(prefix=key) for item in objects]
    assert key in listed
    async with client.copy(named(key), "copied") as response:
        assert response.status == 200
    async with client.get("copied") as response:
        assert (response.status, await response.read()) == (200, data)
    async with client.delete(named(key)) as response:
        assert response.status == 204
    async with client.head(named(key)) as response:
        assert response.status == 404


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:40])
async def test_a_key_is_stored_listed_and_read_back(bucket_client: S3Client, key: str) -> None:
    """Whatever it is made of, the store has it under the very same name."""
    async with bucket_client.put(named(key), f"the content of {key}") as response:
        assert response.status == 200, await response.text()
    await check_round_trip(bucket_client, key)


@pytest.mark.parametrize("key", HARD_KEYS, ids=lambda key: ascii(key)[:40])
async def test_a_hard_key_is_stored_under_its_own_name_or_refused(
    s3_server: S3Server, bucket_client: S3Client, key: str
) -> None:
    """A store may say no; it must not be us who ask for something else."""
    if s3_server.is_local:
        pytest.skip("the embedded server cannot hold this key; what is sent is tested without it")
    async with bucket_client.put(named(key), f"the content of {key}") as response:
        if response.status == 400:
            pytest.skip(f"this store refuses the key: {await response.text()}")
        assert response.status == 200
    await check_round_trip(bucket_client, key)


async def test_a_key_that_the_store_refuses_is_refused_with_its_reason(
    s3_server: S3Server, bucket_client: S3Client
) -> None:
    """The embedded server's own words arrive."""
    if not s3_server.is_local:
        pytest.skip("another store has other words")
    async with bucket_client.put("a/../b", b"") as response:
        assert (response.status, "<Code>InvalidRequest</Code>" in await response.text()) == (400, True)


@every_key
async def test_a_key_arrives_encoded_once_and_unchanged(key: str) -> None:
    """The request line has the key's bytes, and the signature is of just that line."""
    async with ScriptedServer(then=Reply()) as server:
        async with opened(server) as client:
            for send in (client.get, client.head, client.delete, client.post):
                async with send(named(key), params={"versionId": key}) as response:
                    assert response.status == 200
            async with client.put(named(key), b"data") as response:
                assert response.status == 200
        assert [request.method for request in server.requests] == ["GET", "HEAD", "DELETE", "POST", "PUT"]
        assert {request.path for request in server.requests} == {f"/bucket/{encoded(key)}"}
        assert {request.query for request in server.requests} == {"", f"versionId={quote(key, safe='-._~')}"}
        assert all(signature_holds(request) for request in server.requests)


@every_key
async def test_both_keys_of_a_copy_arrive_encoded_once_and_unchanged(key: str) -> None:
    """One in the request line, the other in a header."""
    async with ScriptedServer(Reply(body=b"<CopyObjectResult/>"), Reply(204)) as server:
        async with opened(server) as client:
            await client.rename(named(key), f"{named(key)} renamed")
        copy, delete = server.requests
        assert (copy.method, copy.target) == ("PUT", f"/bucket/{encoded(key)}%20renamed")
        assert copy.headers["x-amz-copy-source"] == f"/bucket/{encoded(key)}"
        assert (delete.method, delete.target) == ("DELETE", f"/bucket/{encoded(key)}")
        assert signature_holds(copy)
        assert signature_holds(delete)


@every_key
async def test_a_presigned_key_arrives_encoded_once_and_unchanged(key: str) -> None:
    """Through a session that knows nothing of S3, from a name and from a whole URL."""
    async with ScriptedServer(then=Reply()) as server:
        whole = URL(f"{server.url}/bucket/{encoded(key)}", encoded=True)
        async with opened(server) as client, aiohttp.ClientSession() as stranger:
            for presigned in (client.presign_url("GET", named(key)), client.presign_url("GET", whole)):
                async with stranger.get(presigned) as response:
                    assert response.status == 200
        by_name, by_url = server.requests
        assert by_name.path == f"/bucket/{encoded(key)}"
        assert by_name.target == by_url.target


async def test_keys_that_look_alike_are_different_objects(bucket_client: S3Client) -> None:
    """No Unicode normalisation and no decoding makes one of two."""
    alike = ["é", "e\u0301", "%C3%A9", "%25C3%25A9", "a+b", "a b", "a%20b", "a%2Bb", "A", "a"]
    names = [f"alike/{key}" for key in alike]
    await asyncio.gather(*(bucket_client.put(name, name) for name in names))
    for name in names:
        async with bucket_client.get(name) as response:
            assert await response.text() == name
    listed = [item.key async for objects, _ in bucket_client.list_objects_v2(prefix="alike/") for item in objects]
    assert listed == sorted(names)
