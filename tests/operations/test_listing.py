"""Listings: every key once, in order, page by page; and an incomplete listing never looks like a whole one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from aiohttp_s3_client import InvalidResponseError, NoSuchBucket, S3Client, S3ResponseError
from tests.network.clients import opened
from tests.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp_s3_client import ObjectMeta

    Pages = AsyncIterator[tuple[list[ObjectMeta], list[str]]]

NAMES = ["a.txt", "b.txt", "docs/1", "docs/2", "docs/old/3", "music/1", "photos/1", "photos/2", "z"]


@pytest.fixture(scope="module", autouse=True)
async def _objects(bucket_client: S3Client) -> None:
    """Put the objects that are listed."""
    await asyncio.gather(*(bucket_client.put(f"list/{name}", name) for name in NAMES))


async def everything(pages: Pages) -> tuple[list[str], list[str], list[int]]:
    """Read a listing: its keys, its prefixes, and how much is on each page."""
    keys: list[str] = []
    prefixes: list[str] = []
    sizes: list[int] = []
    async for objects, common_prefixes in pages:
        keys += [item.key for item in objects]
        prefixes += common_prefixes
        sizes.append(len(objects) + len(common_prefixes))
    return keys, prefixes, sizes


def page(*keys: str, token: str | None = None, truncated: bool | None = None, encoding: str = "") -> Reply:
    """Answer with a page of a listing, truncated if it has a token."""
    is_truncated = token is not None if truncated is None else truncated
    document = (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>{encoding}"
        + "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
        + ("" if token is None else f"<NextContinuationToken>{token}</NextContinuationToken>")
        + "</ListBucketResult>"
    )
    return Reply(body=document.encode())


async def test_a_listing_has_every_key_in_order(bucket_client: S3Client) -> None:
    """On one page, where they fit."""
    keys, prefixes, sizes = await everything(bucket_client.list_objects_v2(prefix="list/"))
    assert (keys, prefixes, sizes) == ([f"list/{name}" for name in NAMES], [], [len(NAMES)])


@pytest.mark.parametrize("max_keys", [1, 2, 3, 8, 9, 10, 1000])
async def test_pages_of_any_size_have_the_same_keys(bucket_client: S3Client, max_keys: int) -> None:
    """None is lost between two pages, none comes twice, and no page is too large."""
    keys, _, sizes = await everything(bucket_client.list_objects_v2(prefix="list/", max_keys=max_keys))
    assert keys == [f"list/{name}" for name in NAMES]
    assert max(sizes) <= max_keys


@pytest.mark.parametrize("max_keys", [None, 2, 3])
async def test_a_delimiter_sums_up_what_lies_below(bucket_client: S3Client, max_keys: int | None) -> None:
    """Prefixes count as keys do, and are no less complete over several pages."""
    pages = bucket_client.list_objects_v2(prefix="list/", delimiter="/", max_keys=max_keys)
    keys, prefixes, sizes = await everything(pages)
    assert keys == ["list/a.txt", "list/b.txt", "list/z"]
    assert prefixes == ["list/docs/", "list/music/", "list/photos/"]
    assert max(sizes) <= (max_keys or 1000)


async def test_a_delimiter_works_below_a_prefix(bucket_client: S3Client) -> None:
    """As a folder in a folder."""
    keys, prefixes, _ = await everything(bucket_client.list_objects_v2(prefix="list/docs/", delimiter="/"))
    assert (keys, prefixes) == (["list/docs/1", "list/docs/2"], ["list/docs/old/"])


@pytest.mark.parametrize("max_keys", [None, 2])
async def test_a_listing_starts_after_a_key(bucket_client: S3Client, max_keys: int | None) -> None:
    """That need not exist; the key itself is left out."""
    pages = bucket_client.list_objects_v2(prefix="list/", start_after="list/docs/2", max_keys=max_keys)
    assert (await everything(pages))[0] == [
        "list/docs/old/3",
        "list/music/1",
        "list/photos/1",
        "list/photos/2",
        "list/z",
    ]
    pages = bucket_client.list_objects_v2(prefix="list/", start_after="list/photos/11", max_keys=max_keys)
    assert (await everything(pages))[0] == ["list/photos/2", "list/z"]


async def test_a_prefix_that_nothing_has_gives_one_empty_page(bucket_client: S3Client) -> None:
    """It is the last one."""
    assert await everything(bucket_client.list_objects_v2(prefix="nothing-here/")) == ([], [], [0])


async def test_an_object_is_described(bucket_client: S3Client) -> None:
    """With what a listing says of it."""
    async with bucket_client.put("described", b"four") as response:
        etag = response.headers["ETag"]
    [[[item], []]] = [found async for found in bucket_client.list_objects_v2(prefix="described")]
    assert (item.key, item.size, item.etag) == ("described", 4, etag)
    assert item.storage_class in {"STANDARD", None}
    assert item.last_modified is not None
    assert abs(datetime.now(UTC) - item.last_modified) < timedelta(minutes=5)


async def test_an_empty_bucket_has_one_empty_page(client: S3Client, bucket: str) -> None:
    """Named in front, as a client of the whole store does."""
    empty = f"{bucket}-empty"
    async with client.request("PUT", empty) as response:
        assert response.status == 200
    try:
        assert await everything(client.list_objects_v2(empty)) == ([], [], [0])
        assert await everything(client.list_objects_v2(f"/{empty}/")) == ([], [], [0])
    finally:
        async with client.request("DELETE", empty) as response:
            assert response.status == 204


async def test_an_unknown_bucket_is_named(client: S3Client, bucket: str) -> None:
    """The typed error, at the first page."""
    with pytest.raises(NoSuchBucket, match=f"GET http.*/{bucket}-unknown.*404 NoSuchBucket.*check the bucket's name"):
        await everything(client.list_objects_v2(f"{bucket}-unknown"))


async def test_a_listing_can_be_left_in_the_middle(bucket_client: S3Client) -> None:
    """Nothing stays open, and the client goes on working."""
    async for objects, _ in bucket_client.list_objects_v2(prefix="list/", max_keys=1):
        assert [item.key for item in objects] == ["list/a.txt"]
        break
    async with bucket_client.head("list/a.txt") as response:
        assert response.status == 200


async def test_pages_are_asked_for_with_all_that_was_said() -> None:
    """The same question, and then where to go on, whatever is in the token."""
    token = "1/a+b=&amp;é %2F"
    async with ScriptedServer(page("a", token=token), page("b")) as server:
        async with opened(server) as client:
            pages = client.list_objects_v2(prefix="p &", delimiter="/", max_keys=7, start_after="a+b")
            assert await everything(pages) == (["a", "b"], [], [1, 1])
        first, second = (parse_qs(request.query, strict_parsing=True) for request in server.requests)
        asked = {"list-type": "2", "encoding-type": "url", "prefix": "p &", "delimiter": "/", "max-keys": "7"}
        assert first == {name: [value] for name, value in (asked | {"start-after": "a+b"}).items()}
        assert second == first | {"continuation-token": ["1/a+b=&é %2F"]}
        assert {request.path for request in server.requests} == {"/bucket"}


async def test_a_plain_listing_asks_for_nothing_that_was_not_said() -> None:
    """What is empty is not sent either, since stores read it in different ways."""
    async with ScriptedServer(page(), page()) as server:
        async with opened(server) as client:
            await everything(client.list_objects_v2())
            await everything(client.list_objects_v2("/", prefix="", delimiter="", start_after=""))
        assert [request.target for request in server.requests] == ["/bucket?encoding-type=url&list-type=2"] * 2


@pytest.mark.parametrize(
    "pages",
    [
        [page("a", token="one"), page("b", token="one")],
        [page("a", token="one"), page("b", token="two"), page("c", token="one")],
        [page("a", token="one"), page("b", token="two"), page("c", token="two")],
    ],
    ids=["at once", "in a circle", "at last"],
)
async def test_a_repeated_token_ends_the_listing_with_an_error(pages: list[Reply]) -> None:
    """It would go on for ever; what came before was given."""
    async with ScriptedServer(*pages) as server:
        async with opened(server) as client:
            listing = client.list_objects_v2()
            seen = [(await anext(listing))[0][0].key for _ in pages]
            with pytest.raises(InvalidResponseError, match=f"{server.url}/bucket.*repeats a continuation token"):
                await anext(listing)
        assert len(server.requests) == len(pages)
    assert seen == ["a", "b", "c"][: len(pages)]


async def test_a_truncated_page_that_does_not_say_how_to_go_on_is_an_error() -> None:
    """The end of it is not the end of the listing."""
    async with ScriptedServer(page("a", truncated=True)) as server, opened(server) as client:
        pages = client.list_objects_v2()
        assert [item.key for item in (await anext(pages))[0]] == ["a"]
        with pytest.raises(InvalidResponseError, match="does not say how to go on: it is incomplete"):
            await anext(pages)


async def test_an_empty_page_that_is_truncated_is_not_the_end() -> None:
    """A store can look through many keys and find none to list."""
    async with ScriptedServer(page(token="one"), page(token="two"), page("a")) as server, opened(server) as client:
        assert await everything(client.list_objects_v2()) == (["a"], [], [0, 0, 1])


async def test_a_token_at_the_end_is_not_followed() -> None:
    """The store says that this was all."""
    async with ScriptedServer(page("a", token="more", truncated=False)) as server, opened(server) as client:
        assert (await everything(client.list_objects_v2()))[0] == ["a"]


async def test_a_store_that_ignores_the_encoding_is_taken_at_its_word() -> None:
    """Each page says for itself whether it is encoded."""
    encoded = page("a%2Bb+c", token="one", encoding="<EncodingType>url</EncodingType>")
    async with ScriptedServer(encoded, page("a%2Bb+c")) as server, opened(server) as client:
        assert (await everything(client.list_objects_v2()))[0] == ["a+b c", "a%2Bb+c"]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Reply.error(403, "AccessDenied"), S3ResponseError, "403 AccessDenied"),
        (Reply(404), S3ResponseError, "404"),
        (Reply(body=b"<html></html>"), InvalidResponseError, "the answer is <html>"),
        (Reply(body=b"<ListBucketResult><Contents>"), InvalidResponseError, "not well-formed"),
        (Reply(), InvalidResponseError, "not well-formed"),
        (Reply(body=Reply.error(500, "InternalError").body), InvalidResponseError, "the answer is <Error>"),
    ],
    ids=["refused", "not found", "HTML", "cut off", "empty", "error with 200"],
)
async def test_a_page_that_fails_fails_the_listing(answer: Reply, error: type[Exception], message: str) -> None:
    """Also the second one."""
    async with ScriptedServer(page("a", token="one"), answer) as server, opened(server) as client:
        pages = client.list_objects_v2()
        await anext(pages)
        with pytest.raises(error, match=message):
            await anext(pages)


async def test_a_page_that_fails_for_a_moment_is_asked_for_again() -> None:
    """With the same token; nothing comes twice."""
    async with ScriptedServer(page("a", token="one"), Reply.error(503, "SlowDown"), page("b")) as server:
        async with opened(server) as client:
            assert await everything(client.list_objects_v2()) == (["a", "b"], [], [1, 1])
        assert server.requests[1].target == server.requests[2].target


@pytest.mark.parametrize("max_keys", [0, -1, 1001])
async def test_a_page_size_that_s3_does_not_have_is_refused(max_keys: int) -> None:
    """Some stores would answer with a page of another size, and some with none."""
    async with ScriptedServer() as server:
        async with opened(server) as client:
            with pytest.raises(ValueError, match=f"max_keys is {max_keys}, and a page has 1 to 1000 keys"):
                client.list_objects_v2(max_keys=max_keys)
        assert server.requests == []


async def test_a_listing_needs_one_bucket(client: S3Client, bucket: str, bucket_client: S3Client) -> None:
    """Not none, not two, and not a part of one: each says what to write instead."""
    with pytest.raises(ValueError, match="is in no bucket: name the one to list, or give the client bucket="):
        client.list_objects_v2()
    with pytest.raises(ValueError, match=rf"'{bucket}/list' below http.* is no bucket: .* give prefix="):
        client.list_objects_v2(f"{bucket}/list/")
    with pytest.raises(ValueError, match=rf"'list' below http.*/{bucket} is no bucket: .* give prefix="):
        bucket_client.list_objects_v2("list/")
