"""Multipart uploads by hand, to a real server: in any order, at once, and taken up again."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest

from aiohttp_s3_client import MissingPartError, NoSuchUpload, S3Client
from aiohttp_s3_client.models import Part, UploadResult
from aiohttp_s3_client.multipart import MAX_PARTS, MultipartUploader
from tests.network.clients import opened
from tests.scripted import Choose, ScriptedServer
from tests.stored_uploads import UploadStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import ObjectInfo

MIB: Final = 1024 * 1024
PART: Final = 5 * MIB
DATA: Final = random.Random(6).randbytes(2 * PART + 1)  # noqa: S311 - the same bytes in every run
PIECES: Final = (DATA[:PART], DATA[PART : 2 * PART], DATA[2 * PART :])


async def stored(client: S3Client, name: str) -> bytes:
    """Read an object."""
    async with client.get(name) as response:
        response.raise_for_status()
        return await response.read()


async def open_uploads(client: S3Client, bucket: str) -> list[str]:
    """Give the keys of all open uploads."""
    async with client.get(bucket, params={"uploads": ""}) as response:
        response.raise_for_status()
        root = ET.fromstring(await response.read())  # noqa: S314 - our own server wrote it
    return [element.text or "" for element in root.iter() if element.tag.endswith("}Key") or element.tag == "Key"]


async def in_order(sending: list[asyncio.Task[Part]]) -> None:
    """Wait for one part after the other."""
    for task in sending:
        await task


async def at_once(sending: list[asyncio.Task[Part]]) -> None:
    """Wait for all parts."""
    await asyncio.gather(*sending)


async def not_at_all(sending: list[asyncio.Task[Part]]) -> None:
    """Leave them to the end of the block."""


@pytest.mark.parametrize("wait", [in_order, at_once, not_at_all], ids=lambda function: function.__name__)
async def test_parts_become_one_object(
    client: S3Client, bucket: str, wait: Callable[[list[asyncio.Task[Part]]], Coroutine[None, None, None]]
) -> None:
    """The numbers are in the order of the calls."""
    name = f"{bucket}/{wait.__name__}"
    async with client.multipart_upload(name, headers={"x-amz-meta-colour": "red"}) as uploader:
        await wait([asyncio.create_task(uploader.put_part(piece)) for piece in PIECES])
    assert [(part.part_number, part.size) for part in uploader.parts] == [(1, PART), (2, PART), (3, 1)]
    assert uploader.result.etag is not None
    assert uploader.result.etag.endswith('-3"')
    assert await stored(client, name) == DATA
    async with client.head(name) as response:
        assert response.headers["ETag"] == uploader.result.etag
        assert response.headers["x-amz-meta-colour"] == "red"
    assert await open_uploads(client, bucket) == []


async def test_coroutines_may_be_awaited_backwards(client: S3Client, bucket: str) -> None:
    """Their order is not the parts' order."""
    name = f"{bucket}/backwards"
    async with client.multipart_upload(name) as uploader:
        coroutines = [uploader.put_part(piece) for piece in PIECES]
        numbers = [(await coroutine).part_number for coroutine in reversed(coroutines)]
    assert numbers == [3, 2, 1]
    assert await stored(client, name) == DATA


async def test_a_part_is_whatever_has_bytes(client: S3Client, bucket: str) -> None:
    """Also a stream of unknown length, as long as it is one part."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, PART, 777_777):
            yield PIECES[1][start : min(start + 777_777, PART)]

    name = f"{bucket}/kinds"
    async with client.multipart_upload(name) as uploader:
        await uploader.put_part(io.BytesIO(PIECES[0]))
        await uploader.put_part(pieces())
        await uploader.put_part(memoryview(PIECES[2]))
    assert await stored(client, name) == DATA


async def test_a_part_can_be_signed_by_its_hash() -> None:
    """It is the caller's, whatever the bytes are: the store compares."""
    store = UploadStore()
    given = hashlib.sha256(b"others").hexdigest()
    async with ScriptedServer(then=Choose(store.answer)) as server:
        async with opened(server) as client, client.multipart_upload("key") as uploader:
            await uploader.put_part(b"bytes", content_sha256=given)
            await uploader.put_part(b"bytes")
        hashes = [request.headers["x-amz-content-sha256"] for request in server.requests[1:3]]
        assert hashes == [given, hashlib.sha256(b"bytes").hexdigest()]


async def test_an_upload_is_taken_up_again(client: S3Client, bucket: str) -> None:
    """The parts that the store has are kept, and the others get the free numbers."""
    name = f"{bucket}/resumed"
    upload_id = await client.create_multipart_upload(name)
    await client.upload_part(name, upload_id, 1, PIECES[0])
    await client.upload_part(name, upload_id, 3, PIECES[2])
    async with client.multipart_upload(name, upload_id=upload_id) as uploader:
        assert uploader.upload_id == upload_id
        assert [(part.part_number, part.size) for part in uploader.parts] == [(1, PART), (3, 1)]
        assert (await uploader.put_part(PIECES[1])).part_number == 2
    assert await stored(client, name) == DATA


async def test_an_upload_that_has_all_its_parts_needs_no_more(client: S3Client, bucket: str) -> None:
    """To enter and leave it completes it."""
    name = f"{bucket}/ready"
    upload_id = await client.create_multipart_upload(name)
    await client.upload_part(name, upload_id, 1, b"all")
    async with client.multipart_upload(name, upload_id=upload_id):
        pass
    assert await stored(client, name) == b"all"


async def test_an_upload_with_a_gap_is_not_completed(client: S3Client, bucket: str) -> None:
    """What was taken up may lack a part that nobody speaks of any more."""
    upload_id = await client.create_multipart_upload(f"{bucket}/key")
    for number in (1, 3):
        await client.upload_part(f"{bucket}/key", upload_id, number, b"x" * 5 * 1024 * 1024)
    with pytest.raises(MissingPartError, match="lacks part 2"):
        async with client.multipart_upload(f"{bucket}/key", upload_id=upload_id):
            pass


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-1.0, ValueError), ("a", TypeError), (None, TypeError)])
async def test_time_to_abort_must_be_some(client: S3Client, wrong: Any, error: type[Exception]) -> None:  # noqa: ANN401 - anything at all
    """Which is seen before there is something to abort."""
    with pytest.raises(error, match="abort_timeout is"):
        client.multipart_upload("key", abort_timeout=wrong)


async def test_an_upload_that_is_not_there_cannot_be_taken_up(client: S3Client, bucket: str) -> None:
    """That is seen at once."""
    with pytest.raises(NoSuchUpload):
        await client.multipart_upload(f"{bucket}/none", upload_id="0123456789abcdef").__aenter__()


@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError, KeyboardInterrupt])
async def test_whatever_ends_the_block_comes_out_and_nothing_stays(
    client: S3Client, bucket: str, error: type[BaseException]
) -> None:
    """The upload is aborted, with all its parts."""

    async def work() -> None:
        async with client.multipart_upload(f"{bucket}/ended") as uploader:
            await uploader.put_part(PIECES[0])
            assert await open_uploads(client, bucket) == ["ended"]
            raise error

    with pytest.raises(error):
        await work()
    assert await open_uploads(client, bucket) == []


async def test_what_is_not_there_yet_says_when_it_will_be(client: S3Client) -> None:
    """The id comes with entering, the result with leaving."""
    uploader = client.multipart_upload("bucket/key")
    with pytest.raises(RuntimeError, match="async with"):
        _ = uploader.upload_id
    with pytest.raises(RuntimeError, match="async with"):
        _ = uploader.put_part(b"")
    with pytest.raises(RuntimeError, match="has been left"):
        _ = uploader.result
    assert uploader.parts == ()


class Recorder:
    """A store that has room for anything."""

    def __init__(self) -> None:
        """Begin empty."""
        self.completed: list[int] = []

    async def create_multipart_upload(self, object_name: str, *, headers: Mapping[str, str] | None = None) -> str:
        """Begin."""
        return f"{object_name}{headers or ''}"

    async def upload_part(
        self,
        object_name: str,
        upload_id: str,
        part_number: int,
        data: Data | Body,
        *,
        content_sha256: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> Part:
        """Take a part."""
        del object_name, upload_id, content_sha256, retry
        assert isinstance(data, bytes)
        return Part(part_number, "etag", len(data))

    async def complete_multipart_upload(
        self, object_name: str, upload_id: str, parts: Iterable[Part], *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        """Note the numbers."""
        del upload_id, headers
        self.completed = [part.part_number for part in parts]
        return UploadResult(object_name)

    async def abort_multipart_upload(self, object_name: str, upload_id: str) -> None:
        """Refuse: nothing is aborted here."""
        raise AssertionError(object_name, upload_id)

    async def list_parts(self, object_name: str, upload_id: str) -> list[Part]:
        """Give some parts."""
        del object_name, upload_id
        return [Part(number, "etag", 1) for number in (2, 3, MAX_PARTS)]

    async def head_object(self, object_name: str) -> ObjectInfo:
        """Refuse: nobody needs to look."""
        raise AssertionError(object_name)


@pytest.mark.parametrize(("upload_id", "free"), [(None, MAX_PARTS), ("begun", MAX_PARTS - 3)])
async def test_there_are_ten_thousand_numbers(upload_id: str | None, free: int) -> None:
    """Then no part can be put, and those that were are completed."""
    recorder = Recorder()
    async with MultipartUploader(recorder, "key", upload_id=upload_id) as uploader:
        for _ in range(free):
            await uploader.put_part(b"x")
        for _ in range(2):
            with pytest.raises(ValueError, match="10000 parts"):
                _ = uploader.put_part(b"x")
    assert recorder.completed == list(range(1, MAX_PARTS + 1))
