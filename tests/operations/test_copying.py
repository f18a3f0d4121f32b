"""Copies and renames: what becomes of the content, the metadata and the source, also when something fails."""

from __future__ import annotations

import pytest

from aiohttp_s3_client import InvalidResponseError, NoSuchKey, PreconditionFailed, S3Client, S3ResponseError
from tests.network.clients import opened
from tests.scripted import Reply, ScriptedServer

RESULT = Reply(body=b"<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>")
LATE_ERROR = Reply(body=b" \n<Error><Code>AccessDenied</Code><Message>Not this one</Message></Error>")
SOURCE_HEADERS = {"Content-Type": "text/x-source", "x-amz-meta-a": "source", "x-amz-meta-b": "source"}


@pytest.fixture
async def source(bucket_client: S3Client) -> str:
    """Put an object with metadata, and give its name."""
    async with bucket_client.put("source", b"content", headers=SOURCE_HEADERS) as response:
        assert response.status == 200
    return "source"


async def described(client: S3Client, name: str) -> tuple[str, dict[str, str]]:
    """Give an object's content type and its own metadata."""
    async with client.head(name) as response:
        assert response.status == 200
        own = {key.lower(): value for key, value in response.headers.items() if key.lower().startswith("x-amz-meta-")}
        return response.content_type, own


async def exists(client: S3Client, name: str) -> bool:
    """Tell whether an object is there."""
    async with client.head(name) as response:
        return response.status == 200


async def test_a_copy_has_the_content_and_the_metadata(bucket_client: S3Client, source: str) -> None:
    """The source stays; the name of the copy does not change its type."""
    async with bucket_client.copy(source, "copy.json") as response:
        assert response.status == 200
        assert "CopyObjectResult" in await response.text()
    async with bucket_client.get("copy.json") as response:
        assert await response.read() == b"content"
    assert await described(bucket_client, "copy.json") == (
        "text/x-source",
        {"x-amz-meta-a": "source", "x-amz-meta-b": "source"},
    )
    assert await exists(bucket_client, source)


async def test_metadata_given_to_a_copy_replaces_the_sources(bucket_client: S3Client, source: str) -> None:
    """All of it, as S3 does it."""
    headers = {"Content-Type": "text/x-copy", "x-amz-meta-a": "copy"}
    async with bucket_client.copy(source, "copy", headers=headers) as response:
        assert response.status == 200
    assert await described(bucket_client, "copy") == ("text/x-copy", {"x-amz-meta-a": "copy"})
    assert (await described(bucket_client, source))[0] == "text/x-source"


async def test_metadata_is_changed_by_a_copy_onto_itself(bucket_client: S3Client, source: str) -> None:
    """The one way that S3 has for it."""
    async with bucket_client.copy(source, source, headers={"x-amz-meta-c": "new"}) as response:
        assert response.status == 200, await response.text()
    assert (await described(bucket_client, source))[1] == {"x-amz-meta-c": "new"}
    async with bucket_client.get(source) as response:
        assert await response.read() == b"content"


async def test_tags_given_to_a_copy_replace_the_sources(bucket_client: S3Client, source: str) -> None:
    """And the metadata stays."""
    async with bucket_client.copy(source, "tagged", headers={"x-amz-tagging": "colour=red"}) as response:
        assert response.status == 200, await response.text()
    async with bucket_client.get("tagged", params={"tagging": ""}) as response:
        assert "<Key>colour</Key><Value>red</Value>" in await response.text()
    assert await described(bucket_client, "tagged") == await described(bucket_client, source)


async def test_a_copy_goes_from_bucket_to_bucket(
    client: S3Client, bucket: str, bucket_client: S3Client, source: str
) -> None:
    """A client of the whole store names both."""
    async with client.copy(f"{bucket}/{source}", f"/{bucket}/other") as response:
        assert response.status == 200
    async with bucket_client.get("other") as response:
        assert await response.read() == b"content"


async def test_a_copy_of_nothing_is_answered_with_404(bucket_client: S3Client) -> None:
    """A verb does not judge."""
    async with bucket_client.copy("missing", "copy-of-missing") as response:
        assert response.status == 404
        assert "<Code>NoSuchKey</Code>" in await response.text()
    assert not await exists(bucket_client, "copy-of-missing")


async def test_a_renamed_object_is_under_its_new_name_only(bucket_client: S3Client, source: str) -> None:
    """With its content and its metadata."""
    await bucket_client.rename(source, "renamed")
    assert not await exists(bucket_client, source)
    assert (await described(bucket_client, "renamed"))[0] == "text/x-source"
    async with bucket_client.get("renamed") as response:
        assert await response.read() == b"content"


async def test_a_rename_can_replace_the_metadata(bucket_client: S3Client, source: str) -> None:
    """As a copy can."""
    await bucket_client.rename(source, "renamed", headers={"x-amz-meta-a": "renamed"})
    assert (await described(bucket_client, "renamed"))[1] == {"x-amz-meta-a": "renamed"}


async def test_a_rename_replaces_what_had_the_name(bucket_client: S3Client, source: str) -> None:
    """S3 asks nobody."""
    await bucket_client.put("taken", b"before")
    await bucket_client.rename(source, "taken")
    async with bucket_client.get("taken") as response:
        assert await response.read() == b"content"


@pytest.mark.parametrize(("one", "other"), [("source", "source"), ("/source", "source"), ("source", "/source")])
async def test_a_rename_to_itself_is_refused(bucket_client: S3Client, source: str, one: str, other: str) -> None:
    """It would delete the object."""
    with pytest.raises(ValueError, match="would be renamed to itself, and then deleted: give another destination"):
        await bucket_client.rename(one, other)
    assert await exists(bucket_client, source)


async def test_a_missing_source_is_named(bucket_client: S3Client) -> None:
    """The error is typed, and what had the new name is as it was."""
    await bucket_client.put("taken", b"before")
    with pytest.raises(NoSuchKey):
        await bucket_client.rename("missing", "taken")
    async with bucket_client.get("taken") as response:
        assert await response.read() == b"before"


async def test_the_source_stays_when_the_copy_fails(bucket_client: S3Client, source: str) -> None:
    """Here because the source is not the one that was meant."""
    with pytest.raises(PreconditionFailed):
        await bucket_client.rename(source, "not-renamed", headers={"x-amz-copy-source-if-match": '"another"'})
    assert await exists(bucket_client, source)
    assert not await exists(bucket_client, "not-renamed")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply.error(403, "AccessDenied"), S3ResponseError),
        (Reply.error(412, "PreconditionFailed"), S3ResponseError),
        (LATE_ERROR, S3ResponseError),
        (Reply(), InvalidResponseError),
        (Reply(body=b"<html>Welcome</html>"), InvalidResponseError),
    ],
    ids=["refused", "condition", "refused after 200", "empty", "HTML"],
)
async def test_nothing_is_deleted_without_a_copy(answer: Reply, error: type[Exception]) -> None:
    """Whatever the store, or something in between, says instead of a result."""
    async with ScriptedServer(answer) as server:
        async with opened(server) as client:
            with pytest.raises(error):
                await client.rename("source", "renamed")
        assert [request.method for request in server.requests] == ["PUT"]


async def test_a_copy_that_fails_after_200_raises() -> None:
    """Its body was read before it was believed."""
    async with ScriptedServer(LATE_ERROR) as server, opened(server) as client:
        with pytest.raises(S3ResponseError, match="AccessDenied: Not this one"):
            await client.copy("source", "copy")


async def test_a_copy_that_succeeds_can_still_be_read() -> None:
    """The caller gets the answer whole, white space and all."""
    kept_alive = Reply(body=b"\n  \n" + RESULT.body)
    async with ScriptedServer(kept_alive) as server, opened(server) as client, client.copy("a", "b") as response:
        assert await response.read() == kept_alive.body


async def test_an_object_that_cannot_be_deleted_is_there_twice() -> None:
    """The error of the second step says which one failed."""
    async with ScriptedServer(RESULT, Reply.error(403, "AccessDenied")) as server, opened(server) as client:
        with pytest.raises(S3ResponseError, match=r"DELETE http.*/bucket/source: 403 AccessDenied"):
            await client.rename("source", "renamed")
