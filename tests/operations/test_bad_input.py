"""Misuse: each has an error of its own that names what is wrong and what to do, and nothing is sent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from aiohttp_s3_client import BodyLengthError, S3Client
from tests.network.clients import opened
from tests.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

NO_OBJECTS = ["", "/", "//", "///"]
FILE = Path(__file__)

NAMING: dict[str, Callable[[S3Client, str], Awaitable[object]]] = {
    "put": lambda client, name: client.put(name, b"data"),
    "put_file": lambda client, name: client.put_file(name, FILE),
    "post": lambda client, name: client.post(name),
    "delete": lambda client, name: client.delete(name),
    "copy from": lambda client, name: client.copy(name, "bucket/key"),
    "copy to": lambda client, name: client.copy("bucket/key", name),
    "rename from": lambda client, name: client.rename(name, "bucket/key"),
    "rename to": lambda client, name: client.rename("bucket/key", name),
}
every_naming = pytest.mark.parametrize("use", NAMING.values(), ids=NAMING)


@pytest.fixture
async def client() -> AsyncIterator[S3Client]:
    """Give a client in a bucket, and see that nothing was sent."""
    async with ScriptedServer() as server:
        async with opened(server) as client:
            yield client
        assert server.requests == []


@pytest.fixture
async def storewide_client() -> AsyncIterator[S3Client]:
    """Give a client in no bucket, and see that nothing was sent."""
    async with ScriptedServer() as server:
        async with S3Client(server.url, access_key_id="key", secret_access_key="secret") as client:
            yield client
        assert server.requests == []


@every_naming
@pytest.mark.parametrize("name", NO_OBJECTS)
async def test_a_name_of_no_object_is_refused(
    client: S3Client, name: str, use: Callable[[S3Client, str], Awaitable[object]]
) -> None:
    """A deletion of it would be one of the bucket."""
    with pytest.raises(ValueError, match=f"the object name '{name}' has no key, .*: write it as 'key', or .*request"):
        await use(client, name)


@every_naming
@pytest.mark.parametrize("name", [*NO_OBJECTS, "photos", "/photos", "photos/", "photos//", "//key"])
async def test_a_name_of_a_bucket_alone_is_refused(
    storewide_client: S3Client, name: str, use: Callable[[S3Client, str], Awaitable[object]]
) -> None:
    """It is what remains of ``bucket/key`` when the key turns out to be empty."""
    with pytest.raises(ValueError, match=f"the object name '{name}' has no key, .*: write it as 'bucket/key', or .*"):
        await use(storewide_client, name)


@every_naming
@pytest.mark.parametrize("name", [None, 5, b"bucket/key", Path("bucket/key")])
async def test_a_name_of_another_type_is_refused(
    client: S3Client, name: object, use: Callable[[S3Client, str], Awaitable[object]]
) -> None:
    """The message shows it, and names its type."""
    with pytest.raises(TypeError, match=f"the object name .* is a {type(name).__name__}: give it as str"):
        await use(client, cast("str", name))


@pytest.mark.parametrize("name", [None, 5, b"bucket/key"])
async def test_what_is_read_has_a_name_of_the_right_type(client: S3Client, name: object) -> None:
    """Also where an empty one would be no harm."""
    for use in (client.get, client.head):
        with pytest.raises(TypeError, match=f"is a {type(name).__name__}: give it as str"):
            await use(cast("str", name))


async def test_a_lone_surrogate_is_refused(client: S3Client) -> None:
    """UTF-8 has none, so no key has."""
    with pytest.raises(ValueError, match="has a lone surrogate, which UTF-8 cannot carry"):
        await client.put("a\udc80", b"data")
    with pytest.raises(ValueError, match="has a lone surrogate, which UTF-8 cannot carry"):
        await client.get("key", params={"versionId": "\udc80"})


@pytest.mark.parametrize("value", ["a\r\nX-Injected: b", "a\rb", "a\nb", "a\0b", "\n"])
async def test_a_header_that_would_become_two_is_refused(client: S3Client, value: str) -> None:
    """By every method that takes headers, and named."""
    headers = {"x-amz-meta-note": value}
    uses: list[Callable[[], object]] = [
        lambda: client.request("GET", "key", headers=headers),
        lambda: client.get("key", headers=headers),
        lambda: client.head("key", headers=headers),
        lambda: client.put("key", b"data", headers=headers),
        lambda: client.put_file("key", FILE, headers=headers),
        lambda: client.post("key", headers=headers),
        lambda: client.delete("key", headers=headers),
        lambda: client.copy("key", "other", headers=headers),
        lambda: client.presign_url("GET", "key", headers),
    ]
    for use in uses:
        with pytest.raises(
            ValueError, match=r"the header x-amz-meta-note holds a line break .*: take it out, or encode"
        ):
            use()
    with pytest.raises(ValueError, match="the header x-amz-meta-note holds a line break"):
        await client.rename("key", "other", headers=headers)


@pytest.mark.parametrize("method", ["", " ", "GET /other", "GET\r\nX-Injected:", "GÉT", "G3T"])
async def test_what_is_no_method_is_refused(client: S3Client, method: str) -> None:
    """The rest of it would become part of the request line."""
    with pytest.raises(ValueError, match="is no HTTP method: give GET, PUT, POST"):
        client.request(method, "key")
    with pytest.raises(ValueError, match="is no HTTP method: give GET, PUT, POST"):
        client.presign_url(method, "key")


async def test_a_parameter_that_is_no_text_is_refused(client: S3Client) -> None:
    """A number would have to be written in one way for the signature and in another for the URL."""
    params = cast("dict[str, str]", {"partNumber": 1})
    with pytest.raises(TypeError, match="the parameter partNumber is a int: write its value as str"):
        client.get("key", params=params)
    with pytest.raises(TypeError, match="the parameter partNumber is a int: write its value as str"):
        client.presign_url("GET", "key", params=params)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "a NoneType cannot be sent: give str, bytes"),
        (5, "a int cannot be sent: give str, bytes"),
        (1.5, "a float cannot be sent: give str, bytes"),
        ({"a": 1}, "a dict cannot be sent: give str, bytes"),
        (object(), "a object cannot be sent: give str, bytes"),
        (FILE, r"is a path: use put_file\(object_name, path\), or open the file"),
        (io.StringIO("text"), "the file is opened in text mode: open it with mode 'rb'"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_data_of_another_type_is_refused(client: S3Client, data: Any, message: str) -> None:  # noqa: ANN401 - anything
    """The message names the type, and what there is instead."""
    with pytest.raises(TypeError, match=message):
        client.put("key", data)


@pytest.mark.parametrize("piece", ["text", 5, None, [b"data"]])
async def test_a_piece_of_another_type_is_refused(client: S3Client, piece: object) -> None:
    """As soon as it comes; what came before was held back."""

    def pieces() -> Iterator[bytes]:
        yield b"data"
        yield cast("bytes", piece)

    with pytest.raises(TypeError, match=f"a piece of the body is a {type(piece).__name__}: give bytes"):
        await client.put("key", pieces())


@pytest.mark.parametrize("length", [0, 3, 5])
@pytest.mark.parametrize("data", ["data", b"data", bytearray(b"data"), memoryview(b"data")])
async def test_a_wrong_length_of_what_is_in_memory_is_refused(
    client: S3Client, data: str | bytes | bytearray | memoryview, length: int
) -> None:
    """It is found before anything is sent."""
    with pytest.raises(BodyLengthError, match=f"the body was declared to have {length} bytes, and has"):
        client.put("key", data, data_length=length)
    with pytest.raises(ValueError, match="bytes"):
        client.post("key", data, data_length=length)


@pytest.mark.parametrize("length", [0, 3, 5])
async def test_a_wrong_length_of_a_file_is_refused(client: S3Client, length: int) -> None:
    """A file tells its own."""
    with pytest.raises(BodyLengthError, match=f"the body was declared to have {length} bytes, and has"):
        client.put("key", io.BytesIO(b"data"), data_length=length)


async def test_a_missing_file_is_named(client: S3Client, tmp_path: Path) -> None:
    """By the operating system's own error."""
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        await client.put_file("key", tmp_path / "missing.txt")


async def test_a_folder_is_no_file(client: S3Client, tmp_path: Path) -> None:
    """It has no content to send."""
    with pytest.raises(OSError, match="directory"):
        await client.put_file("key", tmp_path)
