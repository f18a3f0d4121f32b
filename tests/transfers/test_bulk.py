"""Many objects at once: all arrive, one failure stays one, and whoever stops early leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiohttp_s3_client import NoSuchBucket, NoSuchKey, S3Client
from aiohttp_s3_client.bulk import _Requests, download_many, upload_many
from aiohttp_s3_client.download import DownloadOptions
from aiohttp_s3_client.key_paths import path_below
from tests.network.clients import opened
from tests.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.bulk import Pair
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import ByteRange, Part, Transferred
    from aiohttp_s3_client.transport import ResponseContext
    from tests.servers import S3Server

MIB: Final = 1024 * 1024
# More than one part of 8 MiB, and no multiple of anything.
LARGE: Final = bytes(range(251)) * 70_001
RANDOM: Final = random.Random(7)  # noqa: S311 - the same bytes in every run
POSIX: Final = PurePosixPath("/home/folder")
WINDOWS: Final = PureWindowsPath("C:\\home\\folder")
# What is made of these pieces is sooner hostile than what is drawn from all characters.
PIECES: Final = st.sampled_from(
    ["..", ".", "/", "\\", "C:", ":", "\0", "a", "NUL", "con.txt", " ", "~", "$", "COM¹", ""]
)
KEYS: Final = st.text() | st.lists(PIECES).map("".join)

_Result = TypeVar("_Result")


class NoticingClient(S3Client):
    """A client that notices when a part is on its way."""

    def __init__(self, server: S3Server) -> None:
        """Take the server."""
        super().__init__(
            server.url,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            region=server.region,
        )
        self.is_under_way = asyncio.Event()

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
        """Notice it."""
        self.is_under_way.set()
        return await super().upload_part(
            object_name, upload_id, part_number, data, content_sha256=content_sha256, retry=retry
        )

    def open_range(
        self,
        object_name: str,
        byte_range: ByteRange,
        *,
        if_match: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> ResponseContext:
        """Notice all but the first."""
        if byte_range.start:
            self.is_under_way.set()
        return super().open_range(object_name, byte_range, if_match=if_match, headers=headers, retry=retry)


class CountingConnector(aiohttp.TCPConnector):
    """A connector that remembers how many connections were in use at once."""

    most = 0

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's name
    ) -> aiohttp.connector.Connection:
        """Count."""
        connection = await super().connect(req, traces, timeout)
        self.most = max(self.most, len(self._acquired))
        return connection


@pytest.fixture
async def noticing(s3_server: S3Server) -> AsyncIterator[NoticingClient]:
    """Give a client that notices when a part is on its way."""
    async with NoticingClient(s3_server) as client:
        yield client


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give a folder to upload from."""
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Give a folder to download to, which does not exist yet."""
    return tmp_path / "target"


@asynccontextmanager
async def nothing_left(client: S3Client, bucket: str, folder: Path) -> AsyncIterator[None]:
    """See that no task, connection, open upload or temporary file is left at the end of the block."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() == before
    session = client._transport._session
    assert session is not None
    assert session.connector is not None
    assert not session.connector._acquired
    assert not [name for name in read(folder) if name.endswith(".part")]
    async with client.request("GET", bucket, params={"uploads": ""}) as response:
        assert response.status == 200
        assert "<UploadId>" not in await response.text()


def files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def taken(transfers: AsyncGenerator[Transferred[_Result], None]) -> dict[str, Transferred[_Result]]:
    """Take all results, by the name of the object; each comes once."""
    results = [result async for result in transfers]
    named = {result.object_name: result for result in results}
    assert len(named) == len(results)
    return named


def failed(results: Mapping[str, Transferred[_Result]]) -> dict[str, type[Exception]]:
    """Give the names of those that failed, and how; what did not fail has a result."""
    assert all((result.error is None) != (result.result is None) for result in results.values())
    return {name: type(result.error) for name, result in results.items() if result.error is not None}


async def test_a_thousand_small_files_go_there_and_back(
    client: S3Client, bucket: str, source: Path, target: Path
) -> None:
    """Bit for bit, the empty ones too."""
    contents = {f"{number % 7}/{number}": RANDOM.randbytes(number % 3001) for number in range(1000)}
    files(source, contents)
    async with nothing_left(client, bucket, target):
        sent = await taken(upload_many(client, ((f"{bucket}/thousand/{name}", source / name) for name in contents)))
        assert failed(sent) == {}
        names = [f"{bucket}/thousand/{name}" for name in contents]
        came = await taken(download_many(client, names, folder=target))
    assert failed(came) == {}
    assert {name: result.path for name, result in came.items()} == {name: target / name for name in names}
    assert read(target / bucket / "thousand") == contents


async def test_large_and_small_objects_share_the_budget(
    client: S3Client, s3_server: S3Server, bucket: str, source: Path, target: Path
) -> None:
    """At no time are there more connections in use than that, and all of it is used."""
    contents = {f"large-{number}": LARGE[number:] for number in range(3)}
    contents |= {f"small-{number}": RANDOM.randbytes(100 + number) for number in range(100)}
    files(source, contents)
    pairs = [(f"{bucket}/mixed/{name}", source / name) for name in contents]
    connector = CountingConnector()
    async with aiohttp.ClientSession(connector=connector) as session, nothing_left(client, bucket, target):
        counting = S3Client(
            s3_server.url,
            session,
            access_key_id=s3_server.access_key_id,
            secret_access_key=s3_server.secret_access_key,
            region=s3_server.region,
        )
        assert failed(await taken(upload_many(counting, pairs, concurrency=4, part_size=5 * MIB))) == {}
        assert connector.most == 4
        connector.most = 0
        back = [(name, target / path.name) for name, path in pairs]
        files(target, {})
        options = DownloadOptions(part_size=MIB)
        assert failed(await taken(download_many(counting, back, concurrency=4, options=options))) == {}
        assert connector.most == 4
    assert read(target) == contents


async def each_given_back(tasks: list[asyncio.Task[Callable[[], None]]]) -> None:
    """Wait until each has had its turn."""
    for ended in asyncio.as_completed(tasks):
        (await ended)()


async def test_parts_of_large_objects_leave_room_for_small_ones() -> None:
    """However many parts came before."""
    requests = _Requests(8)
    parts = [asyncio.create_task(requests.take(is_part=True)) for _ in range(20)]
    small = [asyncio.create_task(requests.take()) for _ in range(20)]
    await asyncio.sleep(0)
    assert [sum(task.done() for task in tasks) for tasks in (parts, small)] == [6, 2]
    await each_given_back([*parts, *small])


async def test_small_objects_leave_room_for_parts_of_large_ones() -> None:
    """A part that came first goes first."""
    requests = _Requests(2)
    give_back = [await requests.take(), await requests.take()]
    part = asyncio.create_task(requests.take(is_part=True))
    await asyncio.sleep(0)
    small = [asyncio.create_task(requests.take()) for _ in range(20)]
    await asyncio.sleep(0)
    give_back.pop()()
    await asyncio.wait([part, *small], return_when=asyncio.FIRST_COMPLETED)
    assert part.done()
    give_back.pop()()
    await each_given_back([part, *small])


async def test_a_failure_is_the_result_of_its_object(client: S3Client, bucket: str, source: Path, target: Path) -> None:
    """All others are transferred."""
    contents = {str(number): bytes([number]) for number in range(50)}
    files(source, contents)
    pairs = [(f"{bucket}/failing/{number}", source / str(number)) for number in range(60)]
    async with nothing_left(client, bucket, target):
        sent = await taken(upload_many(client, [*pairs, ("", source / "1"), ("no-such-bucket/1", source / "1")]))
        missing = dict.fromkeys((name for name, _ in pairs[50:]), FileNotFoundError)
        assert failed(sent) == {**missing, "": ValueError, "no-such-bucket/1": NoSuchBucket}
        came = await taken(download_many(client, [name for name, _ in pairs], folder=target))
    assert failed(came) == dict.fromkeys(missing, NoSuchKey)
    assert read(target / bucket / "failing") == contents


async def test_the_first_failure_stops_all_where_that_is_asked(
    client: S3Client, bucket: str, source: Path, target: Path
) -> None:
    """It comes out as itself, after the results that were there before."""
    files(source, {"large": LARGE})
    asked = itertools.count()

    def pairs() -> Iterator[Pair]:
        for number in asked:
            yield f"{bucket}/stopping/{number}", source / ("missing" if number == 10 else "large")

    async with nothing_left(client, bucket, target):
        with pytest.raises(FileNotFoundError):
            await taken(upload_many(client, pairs(), stop_on_error=True, concurrency=4))
        with pytest.raises(NoSuchKey):
            await taken(download_many(client, [f"{bucket}/missing"], folder=target, stop_on_error=True))
        with pytest.raises(ValueError, match=r"\.\./up"):
            await taken(download_many(client, ["../up"], folder=target, stop_on_error=True))
    assert next(asked) < 50


async def test_items_are_taken_as_they_are_needed(client: S3Client, bucket: str, source: Path) -> None:
    """So they may have no end; their generator is closed with the work."""
    files(source, {"file": b"content"})
    asked, is_closed = 0, False

    async def pairs() -> AsyncGenerator[Pair, None]:
        nonlocal asked, is_closed
        try:
            for asked in itertools.count():
                yield f"{bucket}/endless/{asked}", source / "file"
        finally:
            is_closed = True

    async with nothing_left(client, bucket, source), aclosing(upload_many(client, pairs(), concurrency=2)) as transfers:
        assert [(await anext(transfers)).error for _ in range(100)] == [None] * 100
    assert asked < 120
    assert is_closed


async def test_an_error_of_the_items_comes_out_as_itself(client: S3Client, bucket: str, source: Path) -> None:
    """What was done before is told before."""
    files(source, {"file": b"content"})

    def pairs() -> Iterator[Pair]:
        yield f"{bucket}/broken", source / "file"
        raise ZeroDivisionError

    async with nothing_left(client, bucket, source):
        with pytest.raises(ZeroDivisionError):
            await taken(upload_many(client, pairs()))


Start = Callable[[NoticingClient, str, Path, Path], "AsyncGenerator[Transferred[Any], None]"]


def uploads(client: NoticingClient, bucket: str, source: Path, target: Path) -> AsyncGenerator[Transferred[Any], None]:
    """Upload a small file, and then large ones without end."""
    del target
    names = itertools.chain(["small"], itertools.repeat("large"))
    return upload_many(client, ((f"{bucket}/ended/{n}", source / name) for n, name in enumerate(names)), concurrency=4)


def downloads(
    client: NoticingClient, bucket: str, source: Path, target: Path
) -> AsyncGenerator[Transferred[Any], None]:
    """Download a small object, and then a large one without end."""
    del source
    names = itertools.chain(["small"], itertools.repeat("large"))
    pairs = ((f"{bucket}/kept/{name}", Path(str(number))) for number, name in enumerate(names))
    return download_many(client, pairs, folder=target, concurrency=4, options=DownloadOptions(part_size=MIB))


@pytest.fixture
async def content(client: S3Client, bucket: str, source: Path) -> None:
    """Put one small and one large object there, and as files here."""
    contents = {"small": b"content", "large": LARGE}
    files(source, contents)
    for name, data in contents.items():
        async with client.put(f"{bucket}/kept/{name}", data) as response:
            assert response.status == 200


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("start", [uploads, downloads])
async def test_leaving_the_iteration_ends_all(
    noticing: NoticingClient, bucket: str, source: Path, target: Path, start: Start
) -> None:
    """By an exception, or by the end of the block that closes it."""
    async with nothing_left(noticing, bucket, target):
        transfers = start(noticing, bucket, source, target)
        assert (await anext(transfers)).error is None
        await noticing.is_under_way.wait()
        await transfers.aclose()
        noticing.is_under_way.clear()
        transfers = start(noticing, bucket, source, target)
        assert (await anext(transfers)).error is None
        await noticing.is_under_way.wait()
        with pytest.raises(ZeroDivisionError):
            await transfers.athrow(ZeroDivisionError)


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("start", [uploads, downloads])
async def test_an_iteration_that_is_given_up_ends_by_itself(
    noticing: NoticingClient, bucket: str, source: Path, target: Path, start: Start
) -> None:
    """Nobody closes the generator, but it is closed when nobody has it any more."""
    async with nothing_left(noticing, bucket, target):
        before = asyncio.all_tasks()
        async for _ in start(noticing, bucket, source, target):
            await noticing.is_under_way.wait()
            break
        gc.collect()
        while others := asyncio.all_tasks() - before:
            await asyncio.wait(others)


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("times", [1, 2, 3, 20])
@pytest.mark.parametrize("start", [uploads, downloads])
async def test_a_cancellation_ends_all(
    noticing: NoticingClient, bucket: str, source: Path, target: Path, start: Start, times: int
) -> None:
    """It comes out, and is nobody's result; a second one while all is being ended leaves no more behind."""
    async with nothing_left(noticing, bucket, target):
        results: list[Transferred[Any]] = []

        async def take() -> None:
            async for result in start(noticing, bucket, source, target):
                results.append(result)  # noqa: PERF401 - they count before the end, too

        taking = asyncio.create_task(take())
        await noticing.is_under_way.wait()
        for _ in range(times):
            taking.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert all(result.error is None for result in results)


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("start", [uploads, downloads])
async def test_a_cancellation_at_any_moment_leaves_nothing(
    noticing: NoticingClient, bucket: str, source: Path, target: Path, start: Start
) -> None:
    """In the beginning as well as between two results."""
    async with nothing_left(noticing, bucket, target):
        for steps in range(0, 150, 7):
            taking = asyncio.create_task(taken(start(noticing, bucket, source, target)))
            for _ in range(steps):
                await asyncio.sleep(0)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking


async def test_hostile_keys_are_refused_by_name(tmp_path: Path) -> None:
    """Nothing is asked of the store, nothing is written outside of the folder, and the others go on."""
    folder = tmp_path / "a" / "b"
    hostile = ["../../etc/passwd", "/etc/passwd", "a/../../x", "C:/x", "c:x", "..\\x", "\\\\host\\x", "a\0b", ".."]
    async with ScriptedServer(then=Reply(206, headers={"Content-Range": "bytes 0-1/2"}, body=b"ok")) as server:
        async with opened(server) as client:
            results = await taken(download_many(client, ["first", *hostile, "d/last"], folder=folder))
        assert sorted(request.path for request in server.requests) == ["/bucket/d/last", "/bucket/first"]
    assert failed(results) == dict.fromkeys(hostile, ValueError)
    assert all(repr(name) in str(results[name].error) and results[name].path is None for name in hostile)
    assert read(tmp_path) == {"a/b/first": b"ok", "a/b/d/last": b"ok"}


async def test_of_two_objects_with_one_path_the_second_is_refused(
    client: S3Client, bucket: str, source: Path, target: Path
) -> None:
    """Also when it is written differently."""
    files(source, {"0": b"first", "1": b"second"})
    assert failed(await taken(upload_many(client, [(f"{bucket}/{n}", source / n) for n in "01"]))) == {}
    files(target, {})
    pairs = [(f"{bucket}/0", target / "x"), (f"{bucket}/1", target / "y" / ".." / "x")]
    results = await taken(download_many(client, pairs))
    assert failed(results) == {f"{bucket}/1": ValueError}
    assert str(target) in str(results[f"{bucket}/1"].error)
    assert read(target) == {"x": b"first"}


async def test_a_path_below_the_folder_may_be_given(client: S3Client, bucket: str, target: Path) -> None:
    """It is held to the same rules as a key."""
    async with client.put(f"{bucket}/given", b"content") as response:
        assert response.status == 200
    pairs: list[str | Pair] = [
        (f"{bucket}/given", Path("deep", "file")),
        ("outside", "../file"),
        ("absolute", PurePath("/file")),
    ]
    results = await taken(download_many(client, pairs, folder=str(target)))
    assert failed(results) == {"outside": ValueError, "absolute": ValueError}
    assert read(target) == {"deep/file": b"content"}


async def test_misuse_is_said_at_once(client: S3Client, source: Path) -> None:
    """A budget of nothing; a name without a path."""
    with pytest.raises(ValueError, match="concurrency"):
        download_many(client, [], concurrency=0)
    with pytest.raises(TypeError, match="folder"):
        await taken(download_many(client, ["name"]))
    with pytest.raises(TypeError, match="ab"):
        await taken(upload_many(client, ["ab"]))  # type: ignore[list-item] # that is the misuse
    assert await taken(upload_many(client, [])) == {}
    assert read(source) == {}


@pytest.mark.parametrize("item", [None, 5, ("name", None), ("a", "b", "c"), (), ("name", 5)])
async def test_what_is_no_pair_does_not_stop_the_others(client: S3Client, bucket: str, source: Path, item: Any) -> None:  # noqa: ANN401 - anything at all
    """It is named."""
    source.joinpath("file").write_bytes(b"content")
    results = [result async for result in upload_many(client, [item, (f"{bucket}/file", source / "file")])]
    assert {result.object_name: type(result.error) for result in results} == {
        str(item): TypeError,
        f"{bucket}/file": type(None),
    }


def path_or_refusal(folder: PurePath, key: str) -> PurePath | str:
    """Give the path, or the words with which it is refused."""
    try:
        return path_below(folder, key)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("folder", [POSIX, WINDOWS], ids=["posix", "windows"])
@given(key=KEYS)
def test_a_path_of_any_key_stays_below_its_folder(folder: PurePath, key: str) -> None:
    """And ends with just that key, so that two keys never become one file."""
    path = path_or_refusal(folder, key)
    if isinstance(path, str):
        assert repr(key) in path
        return
    assert path.relative_to(folder).as_posix() == key
    assert ".." not in path.parts
    assert path.parts[: len(folder.parts)] == folder.parts
    assert len(path.parts) > len(folder.parts)


@pytest.mark.parametrize("key", ["", "/", "a/", "a//b", ".", "./a", "..", "a/..", "..\\a", "/a", "\\a", "C:a", "\0"])
@pytest.mark.parametrize("folder", [POSIX, WINDOWS], ids=["posix", "windows"])
def test_a_key_that_is_no_path_is_refused(folder: PurePath, key: str) -> None:
    """On every system."""
    with pytest.raises(ValueError, match="is not written below"):
        path_below(folder, key)


@pytest.mark.parametrize(
    "key",
    [
        "aa:b",
        "a\\b",
        "con",
        "a/NUL.txt",
        "Com1",
        "lpt¹ .x",
        "conin$",
        "a.",
        "a ",
        "a /b",
        "a?",
        "*",
        "<",
        "\n",
        '"',
        "|",
    ],
)
def test_what_windows_calls_differently_is_refused_there(key: str) -> None:
    """Elsewhere it is a name like others."""
    with pytest.raises(ValueError, match="Windows"):
        path_below(WINDOWS, key)
    assert path_below(POSIX, key) == POSIX / key


@pytest.mark.parametrize("key", ["a", "...", ".a", "a..b", "a/b c/ä", "~", "$HOME", "console", "com", "nul-1", " a"])
@pytest.mark.parametrize("folder", [POSIX, WINDOWS], ids=["posix", "windows"])
def test_an_ordinary_key_is_a_path(folder: PurePath, key: str) -> None:
    """None of these means anything else."""
    if folder == WINDOWS and key == "...":
        pytest.skip("a name cannot end with a dot there")
    assert path_below(folder, key) == folder / key
