"""Downloads from a real server: bit for bit, into files and streams, in few requests, resumed where that was asked."""

from __future__ import annotations

import asyncio
import io
import random
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import NoSuchKey, ObjectChanged, RetryPolicy, S3Client, S3ConnectionError
from aiohttp_s3_client.download import DownloadOptions, download
from tests.network.clients import ManualTime, opened
from tests.scripted import Choose, ScriptedServer
from tests.stored import StoredObject, asked, cut

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aiohttp

    from aiohttp_s3_client import Progress
    from tests.servers import S3Server

MIB = 1024 * 1024
PART = 512 * 1024
DATA = random.Random(3).randbytes(5 * MIB + 1)  # noqa: S311 - the same bytes in every run
SIZES = [0, 1, 64 * 1024 + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1]
ONCE = RetryPolicy(max_attempts=1)
ALWAYS_CUT = [cut(0)] * 9


def names_in(folder: Path) -> list[str]:
    """Give the names of all files in a folder."""
    return [path.name for path in folder.iterdir()]


def journal_in(folder: Path) -> Path:
    """Give the one journal in a folder."""
    [journal] = folder.glob(".*.json")
    return journal


def content_of(path: Path) -> bytes:
    """Read a file."""
    return path.read_bytes()


@pytest.fixture(scope="module")
async def objects(client: S3Client, bucket: str) -> str:
    """Give a bucket with an object of each size, called by it."""
    for size in SIZES:
        async with client.put(f"{bucket}/{size}", DATA[:size]) as response:
            response.raise_for_status()
    return bucket


@pytest.fixture
async def user(s3_server: S3Server, session: aiohttp.ClientSession | None) -> AsyncIterator[S3Client]:
    """Give a client of the real server for each kind of session."""
    async with S3Client(
        s3_server.url,
        session,
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
        region=s3_server.region,
    ) as client:
        yield client


@pytest.mark.parametrize("part_size", [1 * MIB, 8 * MIB, 2_000_003])
@pytest.mark.parametrize("size", SIZES)
async def test_a_file_is_the_object(user: S3Client, objects: str, tmp_path: Path, size: int, part_size: int) -> None:
    """Whatever its size is to that of a part."""
    path = tmp_path / "file"
    info = await download(user, f"{objects}/{size}", path, DownloadOptions(part_size=part_size))
    assert path.read_bytes() == DATA[:size]
    assert info.size == size
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize("size", SIZES)
async def test_a_stream_is_the_object(user: S3Client, objects: str, size: int) -> None:
    """Written in order."""
    stream = io.BytesIO()
    await download(user, f"{objects}/{size}", stream, DownloadOptions(part_size=MIB))
    assert stream.getvalue() == DATA[:size]


async def test_an_asynchronous_stream_is_awaited(user: S3Client, objects: str) -> None:
    """Whether its function says so or only its result."""

    class Stream:
        def __init__(self) -> None:
            self.data = b""

        async def write(self, data: bytes) -> None:
            await asyncio.sleep(0)
            self.data += data

    stream = Stream()
    await download(user, f"{objects}/{SIZES[-1]}", stream, DownloadOptions())
    assert stream.data == DATA


async def test_an_object_that_does_not_exist_leaves_nothing(user: S3Client, objects: str, tmp_path: Path) -> None:
    """The error is S3's."""
    with pytest.raises(NoSuchKey):
        await download(user, f"{objects}/missing", tmp_path / "file", DownloadOptions())
    assert names_in(tmp_path) == []


async def test_a_small_object_costs_one_request(session: aiohttp.ClientSession | None, tmp_path: Path) -> None:
    """The first request brings data already."""
    async with (
        ScriptedServer(then=Choose(StoredObject(DATA[:1000]).answer)) as server,
        opened(server, session=session) as client,
    ):
        await download(client, "key", tmp_path / "file", DownloadOptions())
        assert [asked(request) for request in server.requests] == [(0, 8 * MIB)]


async def test_the_callers_headers_go_with_every_range(session: aiohttp.ClientSession | None, tmp_path: Path) -> None:
    """A key of the caller's is needed for each."""
    async with (
        ScriptedServer(then=Choose(StoredObject(DATA).answer)) as server,
        opened(server, session=session) as client,
    ):
        await download(client, "key", tmp_path / "file", DownloadOptions(part_size=MIB, headers={"x-amz-some": "key"}))
        assert [request.headers["x-amz-some"] for request in server.requests] == ["key"] * 6


async def test_one_connection_is_enough(tmp_path: Path) -> None:
    """A pool of one makes the workers wait for each other, not for ever."""
    async with (
        asyncio.timeout(10),
        ScriptedServer(then=Choose(StoredObject(DATA).answer)) as server,
        opened(server) as client,
    ):
        session = client._transport._session
        assert session is not None
        assert session.connector is not None
        session.connector._limit = 1
        await download(client, "key", tmp_path / "file", DownloadOptions(part_size=MIB))
        assert server.connections == 1
    assert (tmp_path / "file").read_bytes() == DATA


@pytest.mark.parametrize("mode", [None, 0o600, 0o644, 0o755])
async def test_the_file_has_the_permissions_of_the_one_before(
    user: S3Client, objects: str, tmp_path: Path, mode: int | None
) -> None:
    """Or those of any new file."""
    path, other = tmp_path / "file", tmp_path / "other"
    other.touch()
    if mode is not None:
        path.touch()
        path.chmod(mode)
    await download(user, f"{objects}/1", path, DownloadOptions())
    expected = other.stat().st_mode if mode is None else mode
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(expected)


async def test_a_link_stays_one(user: S3Client, objects: str, tmp_path: Path) -> None:
    """The file behind it is replaced."""
    (tmp_path / "behind").touch()
    (tmp_path / "link").symlink_to("behind")
    await download(user, f"{objects}/1", tmp_path / "link", DownloadOptions())
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "behind").read_bytes() == DATA[:1]


async def test_a_long_name_and_a_relative_path_will_do(
    user: S3Client, objects: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the file system takes."""
    monkeypatch.chdir(tmp_path)
    for name in ("f" * 255, "ä" * 127):
        await download(user, f"{objects}/1", name, DownloadOptions())
        assert (tmp_path / name).read_bytes() == DATA[:1]
    assert len(names_in(tmp_path)) == 2


async def test_progress_rises_to_the_whole(user: S3Client, objects: str, tmp_path: Path) -> None:
    """The last call says that all is done."""
    calls: list[Progress] = []
    times = iter(range(1_000_000))
    await download(
        user,
        f"{objects}/{SIZES[-1]}",
        tmp_path / "file",
        DownloadOptions(part_size=MIB, progress=calls.append),
        clock=lambda: float(next(times)),
    )
    assert [call.bytes_done for call in calls] == sorted(call.bytes_done for call in calls)
    last = calls[-1]
    assert (last.bytes_done, last.bytes_total, last.parts_done, last.parts_total) == (len(DATA), len(DATA), 6, 6)
    assert last.attempts == 6


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"part_size": 0},
        {"buffer_size": 0},
        {"concurrency": "4"},
        {"part_size": 1.5},
        {"headers": {"range": "bytes=0-1"}},
    ],
)
def test_options_that_cannot_be_followed_are_refused(wrong: dict[str, int]) -> None:
    """Before anything is sent."""
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong)) if "headers" not in wrong else "Range"):
        replace(DownloadOptions(), **wrong)  # type: ignore[arg-type] # of the wrong type on purpose


async def test_a_stream_cannot_be_resumed(client: S3Client) -> None:
    """It is not known what is in it."""
    with pytest.raises(ValueError, match="path"):
        await download(client, "bucket/key", io.BytesIO(), DownloadOptions(resume=True))


def resumable() -> DownloadOptions:
    """Go on with what is there."""
    return DownloadOptions(part_size=PART, concurrency=1, resume=True, retry=ONCE)


async def interrupted(stored: StoredObject, path: Path, session: aiohttp.ClientSession | None) -> None:
    """Download two parts, and fail at the third."""
    stored.faults = {2 * PART: list(ALWAYS_CUT)}
    async with ScriptedServer(then=Choose(stored.answer)) as server, opened(server, session=session) as client:
        with pytest.raises(S3ConnectionError):
            await download(client, "key", path, resumable(), sleep=ManualTime().sleep)
    stored.faults = {}


async def resumed(
    stored: StoredObject, path: Path, session: aiohttp.ClientSession | None, name: str = "key"
) -> list[int]:
    """Download again, and give the starts of the parts that were asked for."""
    async with ScriptedServer(then=Choose(stored.answer)) as server, opened(server, session=session) as client:
        await download(client, name, path, resumable())
        assert content_of(path) == stored.data
        assert names_in(path.parent) == [path.name]
        return [asked(request)[0] for request in server.requests]


ALL = list(range(0, len(DATA), PART))


async def test_a_download_goes_on_where_it_failed(session: aiohttp.ClientSession | None, tmp_path: Path) -> None:
    """What is on the disk is not asked for again; the target was untouched, and in the end nothing else is left."""
    stored, path = StoredObject(DATA), tmp_path / "file"
    path.write_bytes(b"old")
    await interrupted(stored, path, session)
    assert path.read_bytes() == b"old"
    assert len(names_in(tmp_path)) == 3
    assert await resumed(stored, path, session) == ALL[2:]


async def test_a_download_of_a_changed_object_begins_anew(
    session: aiohttp.ClientSession | None, tmp_path: Path
) -> None:
    """Also where the store does not care for ``If-Match``, and where the object is another size now."""
    path = tmp_path / "file"
    for ignores in (False, True):
        for size in (len(DATA), 3 * PART, 1, 0):
            await interrupted(StoredObject(DATA), path, session)
            changed = StoredObject(DATA[::-1][:size], {"ETag": '"second"'}, ignores_conditions=ignores)
            starts = await resumed(changed, path, session)
            assert starts[0] == 2 * PART
            assert starts[1:] == (list(range(0, size, PART)) or [0])
            path.unlink()


async def test_another_object_begins_anew(session: aiohttp.ClientSession | None, tmp_path: Path) -> None:
    """The journal is of the one before."""
    stored = StoredObject(DATA)
    await interrupted(stored, tmp_path / "file", session)
    assert await resumed(stored, tmp_path / "file", session, "other") == ALL


JOURNALS = {
    "gone": None,
    "empty": b"",
    "no JSON": b"x\n",
    "another form": b"[]\n",
    "no text": b"\xff\xfe\n",
    "another version": b'{"version": 2, "object_name": "key", "etag": "\\"first\\"", "size": 5242881, "part_size": 9}',
    "negative": b'{"version": 1, "object_name": "key", "etag": "\\"first\\"", "size": -1, "part_size": 9}\n',
    "no size": b'{"version": 1, "object_name": "key", "etag": "\\"first\\"", "size": 5242881, "part_size": 0}\n',
    "another size": b'{"version": 1, "object_name": "key", "etag": "\\"first\\"", "size": 9, "part_size": 9}\n0\n',
    "no part": b'{"version": 1, "object_name": "key", "etag": "\\"first\\"", "size": 5242881, "part_size": 9}\n1\n',
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("journal", JOURNALS.values(), ids=JOURNALS)
async def test_a_journal_that_makes_no_sense_is_replaced(tmp_path: Path, journal: bytes | None) -> None:
    """And everything comes anew."""
    stored, path = StoredObject(DATA), tmp_path / "file"
    await interrupted(stored, path, None)
    found = journal_in(tmp_path)
    found.unlink()
    if journal is not None:
        found.write_bytes(journal)
    assert await resumed(stored, path, None) == ALL


async def test_a_journal_that_was_cut_off_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    """A line without its end was not written, perhaps."""
    stored, path = StoredObject(DATA), tmp_path / "file"
    await interrupted(stored, path, None)
    journal = journal_in(tmp_path)
    journal.write_bytes(journal.read_bytes()[:-1])
    assert await resumed(stored, path, None) == ALL[1:]


async def test_two_cannot_resume_the_same_download(tmp_path: Path) -> None:
    """The second is refused, and does no harm to the first."""
    stored, path = StoredObject(DATA), tmp_path / "file"
    async with ScriptedServer(then=Choose(stored.answer)) as server, opened(server) as client:
        first = asyncio.create_task(download(client, "key", path, resumable()))
        await server.until(lambda server: len(server.requests) > 0)
        with pytest.raises(BlockingIOError, match="under way"):
            await download(client, "key", path, resumable())
        await first
    assert path.read_bytes() == DATA


async def test_a_store_without_etags_cannot_be_resumed_from(tmp_path: Path) -> None:
    """Nothing would tell whether it is the same object: nothing is kept."""
    stored = StoredObject(DATA, headers={})
    await interrupted(stored, tmp_path / "file", None)
    assert names_in(tmp_path) == []


async def test_a_change_that_is_seen_leaves_nothing_to_resume(tmp_path: Path) -> None:
    """The parts on the disk are of an object that is no more."""
    stored = StoredObject(DATA)
    await interrupted(stored, tmp_path / "file", None)
    stored.faults = {3 * PART: [lambda reply: replace(reply, headers={**reply.headers, "ETag": '"second"'})]}
    async with ScriptedServer(then=Choose(stored.answer)) as server, opened(server) as client:
        with pytest.raises(ObjectChanged):
            await download(client, "key", tmp_path / "file", resumable())
    assert names_in(tmp_path) == []
