"""Many objects at once, each to or from a file of its own, on one budget of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from aiohttp_s3_client.config import check_count
from aiohttp_s3_client.download import DownloadOperations, DownloadOptions, download
from aiohttp_s3_client.endings import to_the_end
from aiohttp_s3_client.key_paths import path_below, place_of
from aiohttp_s3_client.models import Transferred
from aiohttp_s3_client.threads import BlockingCalls
from aiohttp_s3_client.transport import ResponseContext
from aiohttp_s3_client.upload import UploadOperations, UploadOptions, upload
from aiohttp_s3_client.workers import run_workers

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    import aiohttp

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import ByteRange, ObjectInfo, Part, UploadResult

__all__ = ("Pair", "download_many", "upload_many")

_T = TypeVar("_T")
_Result = TypeVar("_Result")

Pair: TypeAlias = "tuple[str, str | os.PathLike[str]]"

# How many requests are under way at once.
_CONCURRENCY: Final = 32
# Of those, a large object has a quarter at most, and the parts of all large ones three quarters.
_QUARTER: Final = 4
# So many objects are under way for each request: while some are on the wire, others are read or written.
_OBJECTS_PER_REQUEST: Final = 2


def upload_many(
    operations: UploadOperations,
    items: Iterable[Pair] | AsyncIterable[Pair],
    *,
    concurrency: int | None = None,
    part_size: int | None = None,
    headers: Mapping[str, str] | None = None,
    stop_on_error: bool = False,
) -> AsyncGenerator[Transferred[UploadResult], None]:
    """Upload many files; see ``S3Client.upload_many``."""
    requests = _Requests(concurrency)
    shared = _SharedUploads(operations, requests)
    calls = BlockingCalls()
    options = UploadOptions(part_size=part_size, concurrency=requests.of_one_object, headers=headers)

    async def transfer(object_name: str, path: Path) -> UploadResult:
        return await upload(shared, path, object_name, options, calls=calls)

    return _results(_sources(items), transfer, requests.total * _OBJECTS_PER_REQUEST, stop_on_error=stop_on_error)


def download_many(
    operations: DownloadOperations,
    items: Iterable[str | Pair] | AsyncIterable[str | Pair],
    *,
    folder: str | os.PathLike[str] | None = None,
    concurrency: int | None = None,
    options: DownloadOptions | None = None,
    stop_on_error: bool = False,
) -> AsyncGenerator[Transferred[ObjectInfo], None]:
    """Download many objects; see ``S3Client.download_many``. The ``concurrency`` of ``options`` is not used."""
    requests = _Requests(concurrency)
    shared = _SharedDownloads(operations, requests)
    chosen = replace(options or DownloadOptions(), concurrency=requests.of_one_object)
    calls = BlockingCalls()
    made: set[Path] = set()

    async def transfer(object_name: str, path: Path) -> ObjectInfo:
        if folder is not None and path.parent not in made:
            await calls.run(path.parent.mkdir, parents=True, exist_ok=True)
            made.add(path.parent)
        return await download(shared, object_name, path, chosen, calls=calls)

    jobs = _targets(items, None if folder is None else Path(folder))
    return _results(jobs, transfer, requests.total * _OBJECTS_PER_REQUEST, stop_on_error=stop_on_error)


class _Job(NamedTuple):
    """One object to transfer, or the reason why it is not."""

    object_name: str
    path: Path | None
    refusal: TypeError | ValueError | None = None


async def _sources(items: Iterable[Pair] | AsyncIterable[Pair]) -> AsyncGenerator[_Job, None]:
    """Say for every object which file it is read from."""
    async with aclosing(_each(items)) as each:
        async for item in each:
            yield _job(item)


async def _targets(
    items: Iterable[str | Pair] | AsyncIterable[str | Pair], folder: Path | None
) -> AsyncGenerator[_Job, None]:
    """Say for every object which file it is written to; none is written to twice."""
    # Of a path only the hash is kept: they may be millions.
    taken: set[int] = set()
    async with aclosing(_each(items)) as each:
        async for item in each:
            job = _target(item, folder)
            if job.path is not None:
                place = place_of(job.path)
                if place in taken:
                    refusal = ValueError(f"{job.object_name!r} is not written to {job.path}: another object is")
                    job = job._replace(refusal=refusal)
                taken.add(place)
            yield job


def _target(item: str | Pair, folder: Path | None) -> _Job:
    if folder is None:
        return _job(item)
    # A path that the caller made has the system's separators, a key has slashes.
    object_name, key = (item, item) if isinstance(item, str) else (item[0], PurePath(item[1]).as_posix())
    try:
        return _Job(object_name, path_below(folder, key))
    except ValueError as error:
        return _Job(object_name, None, error)


def _job(item: str | Pair) -> _Job:
    """Take a pair; what is none is refused, and the others go on.

    Raises:
        TypeError: It is a name without a path, and so all of them will be.

    """
    if isinstance(item, str):
        raise TypeError(f"{item!r} has no path: give pairs of object name and path; or, to download, folder=")
    try:
        object_name, path = item
        return _Job(object_name, path if isinstance(path, Path) else Path(path))
    except (TypeError, ValueError):
        return _Job(str(item), None, TypeError(f"{item!r} is no pair of object name and path"))


async def _each(items: Iterable[_T] | AsyncIterable[_T]) -> AsyncGenerator[_T, None]:
    """Step through items of either kind; a generator is closed at the end, however that comes."""
    if isinstance(items, AsyncIterable):
        try:
            async for item in items:
                yield item
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
    else:
        try:
            for item in items:
                yield item
        finally:
            if isinstance(items, Generator):
                items.close()


async def _results(
    jobs: AsyncGenerator[_Job, None],
    transfer: Callable[[str, Path], Awaitable[_Result]],
    concurrency: int,
    *,
    stop_on_error: bool,
) -> AsyncGenerator[Transferred[_Result], None]:
    """Do all jobs, and give the results as they come; whoever stops taking them stops the work."""
    finished: asyncio.Queue[Transferred[_Result] | None] = asyncio.Queue()
    # Nobody works far ahead of whoever takes the results.
    room = asyncio.Semaphore(concurrency)

    async def work(job: _Job) -> None:
        result = await _done(job, transfer)
        if stop_on_error and result.error is not None:
            raise result.error
        await room.acquire()
        finished.put_nowait(result)

    async with aclosing(jobs), _running(run_workers(jobs, work, concurrency)) as running:
        running.add_done_callback(lambda _: finished.put_nowait(None))
        while (result := await finished.get()) is not None:
            room.release()
            yield result
        running.result()


async def _done(job: _Job, transfer: Callable[[str, Path], Awaitable[_Result]]) -> Transferred[_Result]:
    """Do one job; an error is a result, too."""
    object_name, path, refusal = job
    if path is None or refusal is not None:
        return Transferred(object_name, path, error=refusal)
    try:
        return Transferred(object_name, path, await transfer(object_name, path))
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets it, and the others go on
        return Transferred(object_name, path, error=error)


@asynccontextmanager
async def _running(work: Awaitable[None]) -> AsyncIterator[asyncio.Future[None]]:
    """Run something beside the block, and end it with the block: nothing of it is left then."""
    running = asyncio.ensure_future(work)
    try:
        yield running
    finally:
        running.cancel()
        # If it is to raise something, that is on its way already.
        await to_the_end(asyncio.gather(running, return_exceptions=True))


class _Requests:
    """The requests that may be under way at once, for all objects together: first come, first served.

    The parts of large objects never take all of them, so that small ones need not wait until large ones are done.
    """

    def __init__(self, total: int | None) -> None:
        self.total = _CONCURRENCY if total is None else total
        check_count("concurrency", self.total)
        self.of_one_object = max(1, self.total // _QUARTER)
        self._all = asyncio.Semaphore(self.total)
        self._parts = asyncio.Semaphore(max(1, self.total - self.of_one_object))

    async def take(self, *, is_part: bool = False) -> Callable[[], None]:
        """Wait until one more may be sent, and give what says that it is over."""
        if not is_part:
            await self._all.acquire()
            return self._all.release
        await self._parts.acquire()
        try:
            await self._all.acquire()
        except BaseException:
            self._parts.release()
            raise
        return self._give_back_part

    def _give_back_part(self) -> None:
        self._all.release()
        self._parts.release()

    @asynccontextmanager
    async def one(self, *, is_part: bool = False) -> AsyncIterator[None]:
        """Send one more inside of the block, as soon as it may be."""
        give_back = await self.take(is_part=is_part)
        try:
            yield
        finally:
            give_back()


class _SharedDownloads:
    """The operation of a download, on the budget that all share."""

    def __init__(self, operations: DownloadOperations, requests: _Requests) -> None:
        self._operations = operations
        self._requests = requests

    def open_range(
        self,
        object_name: str,
        byte_range: ByteRange,
        *,
        if_match: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> ResponseContext:
        return ResponseContext(
            self._open(
                partial(self._operations.open_range, object_name, if_match=if_match, headers=headers, retry=retry),
                byte_range,
            )
        )

    async def _open(
        self, open_range: Callable[[ByteRange], ResponseContext], byte_range: ByteRange
    ) -> aiohttp.ClientResponse:
        """Open a range; it is over when its connection is free again."""
        give_back = await self._requests.take(is_part=byte_range.start > 0)
        try:
            response = await open_range(byte_range)
        except BaseException:
            give_back()
            raise
        if response.connection is None:
            give_back()
        else:
            response.connection.add_callback(give_back)
        return response


class _SharedUploads:
    """The operations of an upload, on the budget that all share."""

    def __init__(self, operations: UploadOperations, requests: _Requests) -> None:
        self._operations = operations
        self._requests = requests

    async def write(
        self, object_name: str, data: Data | Body, *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        # As `one` does, without a generator for each: of small files there are many.
        give_back = await self._requests.take()
        try:
            return await self._operations.write(object_name, data, headers=headers)
        finally:
            give_back()

    async def create_multipart_upload(self, object_name: str, *, headers: Mapping[str, str] | None = None) -> str:
        async with self._requests.one():
            return await self._operations.create_multipart_upload(object_name, headers=headers)

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
        async with self._requests.one(is_part=True):
            return await self._operations.upload_part(
                object_name, upload_id, part_number, data, content_sha256=content_sha256, retry=retry
            )

    async def complete_multipart_upload(
        self, object_name: str, upload_id: str, parts: Iterable[Part], *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        async with self._requests.one():
            return await self._operations.complete_multipart_upload(object_name, upload_id, parts, headers=headers)

    async def abort_multipart_upload(self, object_name: str, upload_id: str) -> None:
        # It has only so much time, and does not spend that waiting for others.
        await self._operations.abort_multipart_upload(object_name, upload_id)

    async def list_parts(self, object_name: str, upload_id: str) -> list[Part]:
        # Aborting looks for parts.
        return await self._operations.list_parts(object_name, upload_id)

    async def head_object(self, object_name: str) -> ObjectInfo:
        async with self._requests.one():
            return await self._operations.head_object(object_name)
