"""Uploads to a real server: bit for bit, from every source, in few requests, with little memory, and interrupted."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import signal
import sys
import tempfile
import tracemalloc
from contextlib import ExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest

from aiohttp_s3_client import BodyLengthError, Progress, RetryPolicy, S3Client, S3ConnectionError
from aiohttp_s3_client.multipart import MAX_PARTS
from aiohttp_s3_client.upload import UploadOptions, _part_size
from tests.network.clients import opened, signature_holds
from tests.scripted import Choose, Drop, ScriptedServer, Stall, Taken
from tests.stored_uploads import UploadStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import aiohttp

    from aiohttp_s3_client.models import UploadResult
    from tests.servers import S3Server

MIB: Final = 1024 * 1024
PART: Final = 5 * MIB
DATA: Final = random.Random(7).randbytes(3 * PART + 1)  # noqa: S311 - the same bytes in every run
SIZES: Final = [0, 1, PART - 1, PART, PART + 1, len(DATA)]
ONCE: Final = RetryPolicy(max_attempts=1)
KEY: Final = "/bucket/key"


class AsyncFile:
    """An async file object."""

    def __init__(self, data: bytes) -> None:
        """Take all."""
        self._file = io.BytesIO(data)

    async def read(self, size: int = -1, /) -> bytes:
        """Read some."""
        return self._file.read(min(size, 777_777))


def pieces_of(data: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces of no even size."""
    return (data[start : start + 777_777] for start in range(0, len(data), 777_777))


async def async_pieces_of(data: bytes) -> AsyncIterator[bytes]:
    """Do the same, and let the event loop turn in between."""
    for piece in pieces_of(data):
        await asyncio.sleep(0)
        yield piece


def path_of(data: bytes, stack: ExitStack) -> Path:
    """Write a file."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "source"
    path.write_bytes(data)
    return path


def temporary(make: Callable[[], Any]) -> Callable[[bytes, ExitStack], Any]:
    """Open a file, and go past what is not wanted of it."""

    def file_of(data: bytes, stack: ExitStack) -> Any:  # noqa: ANN401 - a file
        file = stack.enter_context(make())
        file.write(b"before" + data)
        file.seek(6)
        return file

    return file_of


SOURCES: Final[dict[str, Callable[[bytes, ExitStack], Any]]] = {
    "path": path_of,
    "file": temporary(tempfile.TemporaryFile),
    "named temporary file": temporary(tempfile.NamedTemporaryFile),
    "bytes": lambda data, _: data,
    "memoryview": lambda data, _: memoryview(data),
    "BytesIO": lambda data, _: io.BytesIO(data),
    "async file": lambda data, _: AsyncFile(data),
    "async iterable": lambda data, _: async_pieces_of(data),
    "iterable": lambda data, _: pieces_of(data),
}


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
    return [element.text or "" for element in root.iter() if element.tag.rpartition("}")[2] == "Key"]


@asynccontextmanager
async def serving(
    store: UploadStore, session: aiohttp.ClientSession | None = None, retry: RetryPolicy | None = None
) -> AsyncIterator[tuple[ScriptedServer, S3Client]]:
    """Give a scripted store and its client, and see that no upload stays open."""
    async with (
        ScriptedServer(then=Choose(store.answer)) as server,
        opened(server, session=session, retry=retry) as client,
    ):
        yield server, client
        assert not store.uploads


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
async def test_an_upload_arrives_bit_for_bit(
    client: S3Client, bucket: str, make: Callable[[bytes, ExitStack], Any], size: int
) -> None:
    """In one request up to one part, in parts above."""
    name = f"{bucket}/{size}"
    with ExitStack() as stack:
        result = await client.upload(make(DATA[:size], stack), name, part_size=PART)
    assert await stored(client, name) == DATA[:size]
    assert result.etag is not None
    assert ("-" in result.etag) == (size > PART)


@pytest.mark.parametrize("size", SIZES)
async def test_a_declared_length_changes_nothing_but_the_number_of_requests(
    session: aiohttp.ClientSession | None, size: int
) -> None:
    """A stream of known length is not gathered when it is small."""
    for length in (size, None):
        store = UploadStore()
        async with serving(store, session) as (_, client):
            await client.upload(pieces_of(DATA[:size]), "key", length=length, part_size=PART)
        assert store.objects[KEY] == DATA[:size]
        assert store.calls["put"] == (size <= PART)
        assert store.calls["create"] == store.calls["complete"] == (size > PART)
        assert store.calls.total() == (1 if size <= PART else 2 + -(-size // PART))


async def test_a_given_session_will_do(s3_server: S3Server, session: aiohttp.ClientSession | None, bucket: str) -> None:
    """As will the client's own."""
    async with S3Client(
        s3_server.url,
        session,
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
        region=s3_server.region,
    ) as client:
        with ExitStack() as stack:
            await client.upload(path_of(DATA, stack), f"{bucket}/session", part_size=PART)
        assert await stored(client, f"{bucket}/session") == DATA


async def test_headers_are_the_objects(client: S3Client, bucket: str) -> None:
    """Of an upload in parts as of one in one request; the type is guessed from the name."""
    for size in (10, PART + 1):
        await client.upload(DATA[:size], f"{bucket}/a.txt", part_size=PART, headers={"x-amz-meta-colour": "red"})
        async with client.head(f"{bucket}/a.txt") as response:
            assert response.headers["x-amz-meta-colour"] == "red"
            assert response.headers["Content-Type"] == "text/plain"


async def put_file(client: S3Client, name: str, path: Path, **options: Any) -> UploadResult:  # noqa: ANN401 - as the method has them
    """Upload a file by its path."""
    return await client.put_file_multipart(name, path, **options)


async def put_iterable(client: S3Client, name: str, path: Path, **options: Any) -> UploadResult:  # noqa: ANN401 - as the method has them
    """Upload what a file has."""
    return await client.put_multipart(name, pieces_of(await asyncio.to_thread(path.read_bytes)), **options)


@pytest.mark.parametrize("put", [put_file, put_iterable])
async def test_the_older_names_do_the_same(
    client: S3Client, bucket: str, tmp_path: Path, put: Callable[..., Any]
) -> None:
    """With options of their own names."""
    path = tmp_path / "source"
    path.write_bytes(DATA)
    name = f"{bucket}/older"
    await put(client, name, path, part_size=PART, workers_count=2, part_upload_tries=2, calculate_content_sha256=True)
    assert await stored(client, name) == DATA


@pytest.mark.parametrize("put", [put_file, put_iterable])
async def test_parts_are_signed_with_their_hashes_where_that_is_asked_for(
    session: aiohttp.ClientSession | None, tmp_path: Path, put: Callable[..., Any]
) -> None:
    """Each with its own."""
    path = tmp_path / "source"
    path.write_bytes(DATA[: PART + 5])
    async with serving(UploadStore(), session) as (server, client):
        await put(client, "key", path, part_size=PART, calculate_content_sha256=True)
        parts = [request for request in server.requests if "partNumber" in request.query]
    assert all(signature_holds(request) for request in parts)
    assert {request.headers["x-amz-content-sha256"] for request in parts} == {
        hashlib.sha256(DATA[:PART]).hexdigest(),
        hashlib.sha256(DATA[PART : PART + 5]).hexdigest(),
    }


@pytest.mark.parametrize("tries", [1, 2, 4])
async def test_a_part_is_tried_as_often_as_was_said(session: aiohttp.ClientSession | None, tries: int) -> None:
    """Whatever the client's own policy is."""
    store = UploadStore(faults={"part 1": [Drop()] * 9})
    async with serving(store, session, ONCE) as (_, client):
        with pytest.raises(S3ConnectionError):
            await client.put_multipart("key", [DATA], part_size=PART, part_upload_tries=tries)
    assert store.calls["part 1"] == tries


@pytest.mark.parametrize("concurrency", [1, 2, 3, None])
async def test_only_so_many_parts_are_sent_at_once(concurrency: int | None) -> None:
    """By default four; no more, and no fewer when there are enough."""
    expected = concurrency or 4
    store = UploadStore(faults={f"part {number}": [Stall(then=Drop())] for number in range(1, 10)})
    async with serving(store) as (server, client):
        task = asyncio.create_task(client.upload(bytes(PART * 6), "key", part_size=PART, concurrency=concurrency))
        await server.until(lambda _: store.calls.total() == 1 + expected)
        for _ in range(50):
            await asyncio.sleep(0)
        assert store.calls.total() == 1 + expected
        server.release()
        await task


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"part_size": PART - 1}, "5 MiB to 5 GiB"),
        ({"part_size": 0}, "5 MiB to 5 GiB"),
        ({"part_size": 5 * 1024 * MIB + 1}, "5 MiB to 5 GiB"),
        ({"concurrency": 0}, "at least 1"),
        ({"concurrency": -1}, "at least 1"),
        ({"length": PART * MAX_PARTS + 1, "part_size": PART}, "larger part_size"),
    ],
    ids=repr,
)
async def test_an_option_out_of_bounds_is_refused_before_any_request(options: dict[str, int], words: str) -> None:
    """In words that say what would do."""
    store = UploadStore()
    async with serving(store) as (_, client):
        with pytest.raises(ValueError, match=words):
            await client.upload(pieces_of(DATA), "key", **options)  # type: ignore[arg-type] # the table has numbers only
    assert not store.calls


@pytest.mark.parametrize("wrong", [{"part_size": 6e6}, {"part_size": "8"}, {"concurrency": 1.5}, {"concurrency": True}])
def test_a_number_that_is_none_is_refused_by_name(wrong: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(TypeError, match=f"{next(iter(wrong))} is a .*: give an int"):
        UploadOptions(**wrong)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, 8 * MIB),
        (0, 8 * MIB),
        (8 * MIB * MAX_PARTS, 8 * MIB),
        (8 * MIB * MAX_PARTS + 1, 9 * MIB),
        (5 * 1024**4, 525 * MIB),
    ],
)
def test_parts_are_as_large_as_ten_thousand_of_them_must_be(size: int | None, expected: int) -> None:
    """In whole mebibytes."""
    chosen = _part_size(size, None)
    assert chosen == expected
    assert -(-(size or 0) // chosen) <= MAX_PARTS


@pytest.mark.parametrize("source", [Path("/missing/file"), "/missing/file"], ids=["a path", "a str"])
async def test_a_file_that_is_not_there_is_seen_before_any_request(source: str | Path) -> None:
    """The error is the system's own."""
    store = UploadStore()
    async with serving(store) as (_, client):
        with pytest.raises(FileNotFoundError, match="/missing/file"):
            await client.upload(source, "key")
        with pytest.raises(FileNotFoundError, match="/missing/file"):
            await client.put_file_multipart("key", source)
    assert not store.calls


async def test_a_file_that_hides_its_length_is_not_stored_empty(session: aiohttp.ClientSession | None) -> None:
    """The system says that it has none, and then gives some."""
    store = UploadStore()
    with ExitStack() as stack:
        file = stack.enter_context(await asyncio.to_thread(Path("/proc/self/status").open, "rb"))
        async with serving(store, session) as (_, client):
            with pytest.raises((BodyLengthError, OSError)):
                await client.upload(file, "key")
    assert not store.objects


@pytest.mark.parametrize("make", [path_of, lambda data, _: data, lambda data, _: async_pieces_of(data)])
async def test_progress_is_told(session: aiohttp.ClientSession | None, make: Callable[[bytes, ExitStack], Any]) -> None:
    """It never goes back, counts no byte twice, and ends with all of them."""
    calls: list[Progress] = []
    store = UploadStore(faults={"part 2": [Drop(Taken.HALF), Drop()], "part 4": [Drop()]})
    with ExitStack() as stack:
        async with serving(store, session) as (_, client):
            await client.upload(make(DATA, stack), "key", part_size=PART, progress=calls.append)
    last = calls[-1]
    assert (last.bytes_done, last.parts_done, last.attempts) == (len(DATA), 4, 7)
    assert last.parts_total in {4, None}
    assert last.bytes_total in {len(DATA), None}
    assert all(earlier.bytes_done <= later.bytes_done <= len(DATA) for earlier, later in pairwise(calls))


@pytest.mark.parametrize("size", [0, 10, PART])
@pytest.mark.parametrize("make", [path_of, lambda data, _: data, lambda data, _: async_pieces_of(data)])
async def test_progress_of_one_request_is_one_part(make: Callable[[bytes, ExitStack], Any], size: int) -> None:
    """Of no bytes, too."""
    calls: list[Progress] = []
    with ExitStack() as stack:
        async with serving(UploadStore()) as (_, client):
            await client.upload(make(DATA[:size], stack), "key", part_size=PART, progress=calls.append)
    assert (calls[-1].bytes_done, calls[-1].parts_done, calls[-1].attempts) == (size, 1, 1)


@pytest.mark.parametrize("make", [path_of, lambda data, _: data, lambda data, _: async_pieces_of(data)])
@pytest.mark.parametrize("size", [MIB + 1, len(DATA)])
async def test_a_progress_function_that_raises_fails_the_upload(
    session: aiohttp.ClientSession | None, make: Callable[[bytes, ExitStack], Any], size: int
) -> None:
    """Its own error comes out, at once, and no part is sent again."""

    def fail(progress: Progress) -> None:
        raise LookupError(progress.bytes_done)

    store = UploadStore()
    with ExitStack() as stack:
        async with serving(store, session) as (_, client):
            with pytest.raises(LookupError):
                await client.upload(make(DATA[:size], stack), "key", part_size=PART, progress=fail)
    assert set(store.calls.values()) <= {1}
    assert store.calls["abort"] == (size > PART)


@asynccontextmanager
async def sink() -> AsyncIterator[S3Client]:
    """Give a client of a store that keeps nothing."""
    create = b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"
    complete = b"<CompleteMultipartUploadResult><ETag>etag</ETag></CompleteMultipartUploadResult>"
    answers = {b"POST /bucket/key?uploads=": create, b"POST /bucket/key?uploadId": complete}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                missing = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                while missing:
                    missing -= len(await reader.read(min(missing, 64 * 1024)))
                body = next((answers[start] for start in answers if head.startswith(start)), b"")
                writer.write(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: %d\r\n\r\n%b' % (len(body), body))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        S3Client(f"http://127.0.0.1:{port}/bucket", region="r", access_key_id="a", secret_access_key="s") as client,
    ):
        yield client


@asynccontextmanager
async def peak_below(limit: int) -> AsyncIterator[None]:
    """Measure the memory that is taken meanwhile."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < limit


async def test_a_stream_is_held_in_as_many_parts_as_are_sent_and_one() -> None:
    """And not one more, though each of them can be sent again."""
    piece = bytes(300_000)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64 * MIB // len(piece)):
            await asyncio.sleep(0)
            yield piece

    async with sink() as client, peak_below(3 * 8 * MIB + 5 * MIB):
        await client.upload(pieces(), "key", part_size=8 * MIB, concurrency=2)


async def test_a_file_is_not_held_at_all(tmp_path: Path) -> None:
    """It goes from the disk to the socket; what the server here reads is all there is."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 64 * MIB)
    async with sink() as client, peak_below(4 * MIB):
        await client.upload(path, "key", part_size=8 * MIB, concurrency=4)


INTERRUPTED: Final = """
import asyncio, os, sys
from aiohttp_s3_client import S3Client

async def main():
    async with S3Client(
        sys.argv[1], access_key_id=sys.argv[2], secret_access_key=sys.argv[3], region=sys.argv[4]
    ) as client:
        def endless():
            while True:
                yield bytes(1024 * 1024)

        told = False

        def tell(progress):
            nonlocal told
            if not told and progress.parts_done:
                print("under way", flush=True)
                told = True

        async def chunks():
            for chunk in endless():
                await asyncio.sleep(0)
                yield chunk

        await client.upload(chunks(), sys.argv[5], part_size=5 * 1024 * 1024, progress=tell)

asyncio.run(main())
"""


async def test_an_interrupted_script_leaves_no_open_upload(client: S3Client, s3_server: S3Server, bucket: str) -> None:
    """Ctrl-C ends it as it ends any script, and the server has nothing of it."""
    name = f"{bucket}/interrupted"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        INTERRUPTED,
        s3_server.url,
        s3_server.access_key_id,
        s3_server.secret_access_key,
        s3_server.region,
        name,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"under way\n"
    assert await open_uploads(client, bucket) == ["interrupted"]
    process.send_signal(signal.SIGINT)
    _, complained = await process.communicate()
    assert complained.decode().splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode == -signal.SIGINT
    assert await open_uploads(client, bucket) == []
    async with client.head(name) as response:
        assert response.status == 404
