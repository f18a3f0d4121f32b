"""The verbs against a real server: what goes in comes back, and every answer is handed over as it is."""

from __future__ import annotations

import hashlib
import io
import tempfile
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from aiohttp_s3_client import NoSuchKey, S3Client
from tests.network.clients import opened
from tests.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    import aiohttp

    from aiohttp_s3_client.body import Data
    from aiohttp_s3_client.transport import ResponseContext
    from tests.servers import S3Server

# Longer than what is hashed, than one read of a file, and than one write to the socket; and no multiple of anything.
LARGE = bytes(range(251)) * 13_001


def pieces() -> Iterator[bytes]:
    """Give some bytes in several pieces, one of them empty."""
    yield from (b"a", b"", b"bc" * 1000, b"d")


async def async_pieces() -> AsyncIterator[bytes]:
    """Give the same."""
    for piece in pieces():
        yield piece


async def stored(client: S3Client, name: str) -> bytes:
    """Read an object."""
    async with client.get(name) as response:
        assert response.status == 200
        return await response.read()


VERBS: dict[str, Callable[[S3Client, Path], ResponseContext]] = {
    "request": lambda client, _: client.request("GET", "there"),
    "get": lambda client, _: client.get("there"),
    "head": lambda client, _: client.head("there"),
    "put": lambda client, _: client.put("there", b"data"),
    "put_file": lambda client, path: client.put_file("there", path),
    "post": lambda client, _: client.post("there", b"<Tagging><TagSet/></Tagging>", params={"delete": ""}),
    "delete": lambda client, _: client.delete("gone"),
    "copy": lambda client, _: client.copy("there", "copied"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a small file."""
    file = tmp_path / "file.txt"
    file.write_bytes(b"data")
    return file


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
async def test_a_verb_can_be_awaited_and_entered(
    bucket_client: S3Client, path: Path, verb: Callable[[S3Client, Path], ResponseContext]
) -> None:
    """Three ways to the same answer; the response is closed at the end of each block."""
    await bucket_client.put("there", b"data")
    async with verb(bucket_client, path) as entered:
        status = entered.status
    awaited = await verb(bucket_client, path)
    assert awaited.status == status
    awaited.release()
    async with await verb(bucket_client, path) as both:
        assert both.status == status
    assert entered.closed
    assert both.closed


DATA: dict[str, tuple[Callable[[], Data], bytes]] = {
    "str": (lambda: "text é 🦊", "text é 🦊".encode()),
    "empty str": (lambda: "", b""),
    "bytes": (lambda: b"data\0\r\n", b"data\0\r\n"),
    "empty bytes": (lambda: b"", b""),
    "large bytes": (lambda: LARGE, LARGE),
    "bytearray": (lambda: bytearray(b"data"), b"data"),
    "memoryview": (lambda: memoryview(b"xdatax")[1:-1], b"data"),
    "large memoryview": (lambda: memoryview(LARGE), LARGE),
    "file in memory": (lambda: io.BytesIO(LARGE), LARGE),
    "empty file": (io.BytesIO, b""),
    "list": (lambda: [b"da", bytearray(b"t"), memoryview(b"a")], b"data"),
    "empty list": (list, b""),
    "generator": (pieces, b"".join(pieces())),
    "asynchronous generator": (async_pieces, b"".join(pieces())),
    "callable": (lambda: pieces, b"".join(pieces())),
    "asynchronous callable": (lambda: async_pieces, b"".join(pieces())),
}


@pytest.mark.parametrize(("data", "content"), DATA.values(), ids=DATA)
async def test_everything_that_has_bytes_can_be_put(
    bucket_client: S3Client, data: Callable[[], Data], content: bytes
) -> None:
    """It is read back as it was, and its length is known to the store."""
    async with bucket_client.put("data", data()) as response:
        assert response.status == 200, await response.text()
        assert response.headers["ETag"].strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert await stored(bucket_client, "data") == content
    async with bucket_client.head("data") as response:
        assert response.content_length == len(content)


async def test_an_open_file_is_put_from_where_it_stands(bucket_client: S3Client) -> None:
    """As whoever read its beginning means it."""
    with tempfile.TemporaryFile() as file:
        file.write(b"head" + LARGE)
        file.seek(4)
        async with bucket_client.put("open-file", file) as response:
            assert response.status == 200
    assert await stored(bucket_client, "open-file") == LARGE


@pytest.mark.parametrize("content", [b"", b"data", LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
async def test_a_file_is_put_by_its_path(
    bucket_client: S3Client, tmp_path: Path, content: bytes, kind: Callable[[Path], str | Path]
) -> None:
    """Its content arrives, and the object's name says the Content-Type, not the file's."""
    file = tmp_path / "file.bin"
    file.write_bytes(content)
    async with bucket_client.put_file("by-path.json", kind(file)) as response:
        assert response.status == 200
    assert await stored(bucket_client, "by-path.json") == content
    async with bucket_client.head("by-path.json") as response:
        assert response.content_type == "application/json"


async def test_a_body_larger_than_the_gathered_ones_streams_when_its_length_is_said(bucket_client: S3Client) -> None:
    """Nothing but the length is missing from a generator."""
    count = 7
    async with bucket_client.put("stream", (LARGE for _ in range(count)), data_length=count * len(LARGE)) as response:
        assert response.status == 200, await response.text()
    assert await stored(bucket_client, "stream") == LARGE * count


async def test_metadata_is_stored_with_the_object(bucket_client: S3Client) -> None:
    """Headers of the caller's go to the store and come back."""
    headers = {
        "Content-Type": "text/x-note; charset=utf-8",
        "Cache-Control": "max-age=60",
        "Content-Disposition": 'attachment; filename="a b.txt"',
        "x-amz-meta-note": "two  spaces, a comma: and a colon",
        "X-Amz-Meta-Case": "Kept",
    }
    async with bucket_client.put("metadata", b"", headers=headers) as response:
        assert response.status == 200, await response.text()
    async with bucket_client.head("metadata") as response:
        assert {name: response.headers[name] for name in headers} == headers


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.txt", "text/plain"), ("a.tar.gz", "application/gzip"), ("a", "application/octet-stream")],
)
async def test_the_content_type_is_guessed_from_the_name(bucket_client: S3Client, name: str, content_type: str) -> None:
    """Unless the headers say it."""
    await bucket_client.put(name, b"")
    async with bucket_client.head(name) as response:
        assert response.content_type == content_type
    await bucket_client.put(name, b"", headers={"content-type": "x/y"})
    async with bucket_client.head(name) as response:
        assert response.content_type == "x/y"


@pytest.mark.parametrize(
    ("header", "content"),
    [("bytes=0-3", b"0123"), ("bytes=4-4", b"4"), ("bytes=7-", b"789"), ("bytes=-2", b"89")],
)
async def test_a_range_is_read(bucket_client: S3Client, header: str, content: bytes) -> None:
    """The answer is 206 and says which bytes it has."""
    await bucket_client.put("digits", b"0123456789")
    async with bucket_client.get("digits", headers={"Range": header}) as response:
        assert (response.status, await response.read()) == (206, content)
        assert response.headers["Content-Range"].endswith("/10")


async def test_a_range_outside_of_the_object_is_answered_so(bucket_client: S3Client) -> None:
    """A verb hands over the 416."""
    await bucket_client.put("digits", b"0123456789")
    async with bucket_client.get("digits", headers={"Range": "bytes=10-"}) as response:
        assert response.status == 416


async def test_an_object_that_is_stored_packed_is_read_packed(bucket_client: S3Client) -> None:
    """What is stored is what is read, whatever Content-Encoding it was given."""
    await bucket_client.put("packed", b"not really gzip", headers={"Content-Encoding": "gzip"})
    async with bucket_client.get("packed") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert await response.read() == b"not really gzip"


async def test_a_verb_does_not_judge(bucket_client: S3Client) -> None:
    """What is not there is answered with 404, and nothing is raised."""
    async with bucket_client.get("missing") as response:
        assert response.status == 404
        assert "<Code>NoSuchKey</Code>" in await response.text()
    async with bucket_client.head("missing") as response:
        assert (response.status, await response.read()) == (404, b"")


async def test_a_deleted_object_is_gone(bucket_client: S3Client) -> None:
    """And deleting it once more, or what never was, is no error."""
    await bucket_client.put("soon-gone", b"")
    for _ in range(2):
        async with bucket_client.delete("soon-gone") as response:
            assert response.status == 204
    async with bucket_client.head("soon-gone") as response:
        assert response.status == 404


async def test_a_condition_that_does_not_hold_keeps_the_object(bucket_client: S3Client) -> None:
    """``If-None-Match: *`` writes once, and the second one is answered with 412."""
    await bucket_client.delete("once")
    for data, status in ((b"first", 200), (b"second", 412)):
        async with bucket_client.put("once", data, headers={"If-None-Match": "*"}) as response:
            assert response.status == status
    assert await stored(bucket_client, "once") == b"first"


async def test_subresources_are_asked_for_by_parameters(bucket_client: S3Client) -> None:
    """A multipart upload is begun with a bare name in the query, and ended by its identifier, whatever is in that."""
    async with bucket_client.post("parts é", params={"uploads": ""}) as response:
        assert response.status == 200
        root = ET.fromstring(await response.read())  # noqa: S314 - from the server that we started
    [upload_id] = [element.text or "" for element in root.iter() if element.tag.endswith("UploadId")]
    async with bucket_client.put("parts é", LARGE, params={"uploadId": upload_id, "partNumber": "1"}) as response:
        assert response.status == 200
    async with bucket_client.delete("parts é", params={"uploadId": upload_id}) as response:
        assert response.status == 204
    async with bucket_client.head("parts é") as response:
        assert response.status == 404


async def test_a_bucket_and_the_service_are_asked_for_by_request(client: S3Client, bucket: str) -> None:
    """They have no verbs of their own."""
    async with client.request("get") as response:
        assert f"<Name>{bucket}</Name>" in await response.text()
    async with client.request("HEAD", bucket) as response:
        assert response.status == 200
    async with client.request("GET", bucket, params={"location": ""}) as response:
        assert response.status == 200


@pytest.mark.parametrize("data", [b"data", LARGE], ids=["small", "large"])
async def test_a_hash_that_the_caller_knows_is_accepted(bucket_client: S3Client, data: bytes) -> None:
    """So that a large body is signed, too."""
    async with bucket_client.put("hashed", data, content_sha256=hashlib.sha256(data).hexdigest()) as response:
        assert response.status == 200, await response.text()
    assert await stored(bucket_client, "hashed") == data


@pytest.mark.parametrize("data", [b"data", LARGE], ids=["small", "large"])
async def test_a_hash_that_the_caller_knows_is_what_the_store_gets(data: bytes) -> None:
    """Right or wrong: it is for the store to find out what was damaged on the way, before us or after."""
    given = hashlib.sha256(b"other").hexdigest()
    async with ScriptedServer(Reply()) as server:
        async with opened(server) as client:
            await client.put("key", data, content_sha256=given)
        assert server.requests[0].headers["x-amz-content-sha256"] == given


async def test_an_unsigned_request_is_refused_by_the_store(
    s3_server: S3Server, bucket: str, bucket_client: S3Client, stranger: aiohttp.ClientSession
) -> None:
    """An anonymous client may do what everybody may, which here is nothing."""
    await bucket_client.put("private", b"")
    anonymous = S3Client(s3_server.url, stranger, bucket=bucket, anonymous=True)
    async with anonymous.get("private") as response:
        assert response.status == 403
    async with anonymous.put("private", b"changed") as response:
        assert response.status == 403
    assert await stored(bucket_client, "private") == b""


async def test_an_unsigned_request_says_nothing_of_anybody(stranger: aiohttp.ClientSession) -> None:
    """No header of a signature's is sent."""
    async with ScriptedServer(then=Reply()) as server:
        anonymous = S3Client(server.url, stranger, bucket="bucket", anonymous=True)
        async with anonymous.get("key") as got, anonymous.put("key", b"data") as put:
            assert (got.status, put.status) == (200, 200)
        for request in server.requests:
            assert "Authorization" not in request.headers
            assert not [name for name in request.headers if name.lower().startswith("x-amz-")]


async def test_a_wrong_secret_is_refused_by_the_store(
    s3_server: S3Server, bucket: str, stranger: aiohttp.ClientSession
) -> None:
    """So it does check, and all the other tests mean something."""
    wrong = S3Client(
        f"{s3_server.url}/{bucket}",
        stranger,
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key[::-1],
        region=s3_server.region,
    )
    async with wrong.get("anything") as response:
        assert response.status == 403
        assert "<Code>SignatureDoesNotMatch</Code>" in await response.text()
    async with wrong.put("anything", b"data") as response:
        assert response.status == 403


async def test_an_operation_says_what_the_store_said(bucket_client: S3Client) -> None:
    """The typed error has what was asked, and the store's code and request number."""
    with pytest.raises(NoSuchKey, match=r"PUT http.*/renamed: 404 NoSuchKey: .*request id \w+, 1 attempt") as caught:
        await bucket_client.rename("missing", "renamed")
    assert (caught.value.status, caught.value.code, caught.value.attempts) == (404, "NoSuchKey", 1)
    assert caught.value.request_id
