"""The download of one object: ranges side by side into a file, or one after the other into a stream."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aiohttp_s3_client.buffers import BUFFER_SIZE, Buffers
from aiohttp_s3_client.concurrency import concurrency_for
from aiohttp_s3_client.config import RetryPolicy, check_count
from aiohttp_s3_client.content_range import parse_content_range, parse_unsatisfied_range
from aiohttp_s3_client.errors import (
    InvalidRange,
    InvalidResponseError,
    ObjectChanged,
    PreconditionFailed,
    S3ConnectionError,
)
from aiohttp_s3_client.journal import JournalEntry
from aiohttp_s3_client.models import ByteRange, ObjectInfo
from aiohttp_s3_client.progress import ProgressReporter
from aiohttp_s3_client.receive import receive
from aiohttp_s3_client.target import MemoryTarget, StreamTarget, TargetFile
from aiohttp_s3_client.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    import aiohttp

    from aiohttp_s3_client.progress import ProgressCallback
    from aiohttp_s3_client.target import BinaryWriter, Target
    from aiohttp_s3_client.threads import BlockingCalls
    from aiohttp_s3_client.transport import ResponseContext

__all__ = ("PART_SIZE", "DownloadOperations", "DownloadOptions", "download")

# The length of a range, in bytes.
PART_SIZE: Final = 8 * 1024 * 1024
# So many ranges at once fill the link to a store that is near: one processor takes no more than two bring.
_FEWEST: Final = 2
# Up to this an object is gathered in memory before it is written. In bytes.
_SMALL: Final = 256 * 1024


class DownloadOperations(Protocol):
    """The one operation that a download consists of."""

    def open_range(
        self,
        object_name: str,
        byte_range: ByteRange,
        *,
        if_match: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> ResponseContext:
        """Open a range of an object for reading."""
        ...


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """How to download.

    Attributes:
        concurrency: How many ranges are fetched at once; None for as many as the store's distance asks for, 2 to 8.
            Into a file object it is always one.
        part_size: The length of a range, in bytes.
        progress: Called with a ``Progress``.
        headers: Sent with every request.
        resume: Keep what has come after a failure, and go on from there next time.
        retry: How often, and after which waits, a range is asked for again when no answer came, or one that says so;
            and when one breaks off, where an attempt that brought any bytes begins the count anew.
        buffer_size: How much is written at once, in bytes.

    Raises:
        TypeError: A number is no int.
        ValueError: A number is below 1, or ``headers`` hold a Range.

    """

    concurrency: int | None = None
    part_size: int = PART_SIZE
    progress: ProgressCallback | None = None
    headers: Mapping[str, str] | None = None
    resume: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    buffer_size: int = BUFFER_SIZE

    def __post_init__(self) -> None:
        """Refuse what no download can follow."""
        if self.concurrency is not None:
            check_count("concurrency", self.concurrency)
        check_count("part_size", self.part_size)
        check_count("buffer_size", self.buffer_size)
        if any(name.lower() == "range" for name in self.headers or ()):
            raise ValueError("a download takes the whole object: leave the header Range out, or use get()")


async def download(
    operations: DownloadOperations,
    object_name: str,
    target: str | os.PathLike[str] | BinaryWriter,
    options: DownloadOptions,
    *,
    calls: BlockingCalls | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> ObjectInfo:
    """Download an object; see ``S3Client.download``. ``calls`` are those of many downloads together."""
    transfer = _Transfer(operations, object_name, options, sleep, clock)
    if isinstance(target, str | os.PathLike):
        return await transfer.to_file(TargetFile(target, resume=options.resume, calls=calls))
    if options.resume:
        raise ValueError("only a download to a path can be resumed: give a path, or leave resume= out")
    return await transfer.to_stream(StreamTarget(target))


class _Source(NamedTuple):
    """Which object answers: the size in bytes, and all by which another one could be told."""

    size: int
    etag: str | None
    version_id: str | None
    last_modified: str | None

    def differs_from(self, other: _Source) -> bool:
        """Compare what both say; an ETag says all."""
        both = 2 if self.etag is not None and other.etag is not None else None
        pairs = zip(self[:both], other[:both], strict=True)
        return any(mine != its for mine, its in pairs if mine is not None and its is not None)

    @property
    def condition(self) -> str | None:
        """Give the ETag that ``If-Match`` can ask for: a weak one never matches."""
        return None if self.etag is None or self.etag.startswith("W/") else self.etag


class _Answer(NamedTuple):
    """An answer whose body is yet to be read: ``length`` bytes of the object."""

    response: aiohttp.ClientResponse
    source: _Source
    length: int


class _Transfer:
    """One download under way."""

    def __init__(
        self,
        operations: DownloadOperations,
        object_name: str,
        options: DownloadOptions,
        sleep: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._operations = operations
        self._object_name = object_name
        self._options = options
        self._reporter = ProgressReporter(options.progress, clock=clock)
        self._sleep = sleep
        self._clock = clock
        self._buffers = Buffers(options.buffer_size)
        # What the first answer said; every other one must say the same. And how long it took to begin.
        self._source: _Source | None = None
        self._latency = 0.0

    async def to_stream(self, target: StreamTarget) -> ObjectInfo:
        """Write one range after the other: the first part, then all the rest."""
        answer = await self._first()
        if answer is not None:
            size, part_size = answer.source.size, self._options.part_size
            self._reporter.expect(size, 1 + (size > part_size))
            await self._fetch(target, ByteRange(0, min(size, part_size)), answer)
            if size > part_size:
                await self._fetch(target, ByteRange(part_size, size))
        self._reporter.finish()
        return self._info()

    async def to_file(self, file: TargetFile) -> ObjectInfo:
        """Write ranges side by side into a file that appears when it is whole."""
        async with file:
            try:
                entry = file.entry
                answer = await self._resumed(entry) if entry is not None else None
                if answer is None:
                    answer, entry = await self._first(), None
                if answer is None or (answer.source.size <= _SMALL and not self._options.resume):
                    await file.write_whole(await self._small(answer))
                else:
                    await self._fill(file, answer, entry)
                    await file.commit()
            except ObjectChanged:
                file.forget()
                raise
        self._reporter.finish()
        return self._info()

    async def _small(self, answer: _Answer | None) -> bytearray:
        """Gather a small object in memory: it is then written by one call, and not by one for each step."""
        content = MemoryTarget()
        if answer is not None:
            self._reporter.expect(answer.source.size, 1)
            await self._fetch(content, ByteRange(0, answer.source.size), answer)
        return content.data

    async def _fill(self, file: TargetFile, answer: _Answer, entry: JournalEntry | None) -> None:
        """Fetch all parts that the journal does not have, the first of them from an answer that is there."""
        source = answer.source
        part_size = self._options.part_size
        if entry is None and self._options.resume and source.condition is not None:
            entry = JournalEntry(self._object_name, source.condition, source.size, part_size)
        if entry is not None:
            part_size = entry.part_size
        done = frozenset() if entry is None else entry.done
        parts = [ByteRange(start, min(start + part_size, source.size)) for start in range(0, source.size, part_size)]
        missing = [part for part in parts if part.start not in done] or parts[:1]
        concurrency = self._options.concurrency or concurrency_for(self._latency, _FEWEST)
        self._reporter.expect(source.size, len(parts))

        async def given() -> AsyncGenerator[ByteRange, None]:
            for part in missing:
                yield part

        async def fetch(part: ByteRange) -> None:
            await self._fetch(file, part, answer if part is missing[0] else None)
            await file.mark_done(part.start)

        try:
            for part in parts:
                if part.start in done and part is not missing[0]:
                    self._reporter.skip(part.length)
            await file.allocate(source.size, entry)
            async with aclosing(given()) as items:
                await run_workers(items, fetch, min(concurrency, len(missing)))
        finally:
            answer.response.release()

    async def _first(self) -> _Answer | None:
        """Ask for the first part, and learn from the answer what there is; None when there is nothing.

        No byte of an empty object can be asked for. Whether that is meant, the answer says, or else a second one: there
        are stores that refuse a range because it ends behind the object.
        """
        try:
            answer = await self._open(ByteRange(0, self._options.part_size))
        except InvalidRange as error:
            size = parse_unsatisfied_range(error.headers.get("Content-Range", ""))
            if size or (size is None and await self._has_bytes()):
                raise
            self._source = _Source(0, error.headers.get("ETag"), error.headers.get("x-amz-version-id"), None)
        else:
            if answer.source.size:
                return answer
            answer.response.release()
        self._reporter.expect(0, 0)
        return None

    async def _has_bytes(self) -> bool:
        """Ask for one byte."""
        try:
            answer = await self._open(ByteRange(0, 1))
        except InvalidRange:
            return False
        answer.response.close()
        return True

    async def _resumed(self, entry: JournalEntry) -> _Answer | None:
        """Ask for the first part that the journal does not have; None when it is of another object."""
        if entry.object_name != self._object_name:
            return None
        start = next((start for start in entry.parts() if start not in entry.done), 0)
        self._source = _Source(entry.size, entry.etag, None, None)
        try:
            answer = await self._open(ByteRange(start, min(start + entry.part_size, entry.size)))
        except ObjectChanged:
            self._source = None
            return None
        self._source = answer.source
        return answer

    async def _fetch(self, target: Target, part: ByteRange, answer: _Answer | None = None) -> None:
        """Write a whole part; where an answer breaks off, the next one goes on.

        Raises:
            S3ConnectionError: so many answers in a row broke off without a byte as may be.

        """
        position = part.start

        async def write(data: memoryview) -> None:
            nonlocal position
            await target.write_at(position, data)
            position += len(data)
            self._reporter.reach(part, position - part.start)

        policy = self._options.retry
        waits, fruitless = policy.delays(random.random), 0
        while position < part.end:
            before = position
            failure = await self._receive(answer or await self._open(ByteRange(position, part.end)), write)
            answer = None
            if position > before:
                waits, fruitless = policy.delays(random.random), 0
                if failure is not None:
                    await self._sleep(next(waits, 0.0))
            elif failure is not None:
                fruitless += 1
                wait = next(waits, None)
                if wait is None:
                    failure.attempts = fruitless
                    raise failure
                await self._sleep(wait)
        self._reporter.complete(part, part.length)

    async def _receive(
        self, answer: _Answer, write: Callable[[memoryview], Awaitable[None]]
    ) -> S3ConnectionError | None:
        """Write an answer's body, and give the error with which it broke off."""
        try:
            await receive(answer.response, write, answer.length, self._buffers)
        except S3ConnectionError as failure:
            return failure
        finally:
            answer.response.release()
        return None

    async def _open(self, wanted: ByteRange) -> _Answer:
        """Ask for a range of the one object that the first answer was of.

        Raises:
            ObjectChanged: It is not that object any more.
            InvalidResponseError: The answer is not what was asked for.
            S3Error: There was none.

        """
        self._reporter.attempt()
        known, began = self._source, self._clock()
        condition = None if known is None else known.condition
        try:
            response = await self._operations.open_range(
                self._object_name,
                wanted,
                if_match=condition,
                headers=self._options.headers,
                retry=self._options.retry,
            )
        except (PreconditionFailed, InvalidRange) as error:
            if known is None:
                raise
            raise self._changed() from error
        try:
            answer = _answer(response, wanted, known)
            if known is None:
                self._source, self._latency = answer.source, self._clock() - began
            elif answer.source.differs_from(known):
                raise self._changed()
        except BaseException:
            response.close()
            raise
        return answer

    def _changed(self) -> ObjectChanged:
        return ObjectChanged(f"{self._object_name!r} was written anew while it was downloaded: download it again")

    def _info(self) -> ObjectInfo:
        source = self._source or _Source(0, None, None, None)
        return ObjectInfo(etag=source.etag, size=source.size, version_id=source.version_id)


def _answer(response: aiohttp.ClientResponse, wanted: ByteRange, known: _Source | None) -> _Answer:
    """Hold an answer against what was asked for.

    A store may give less than that, but only from its beginning. One that knows no ranges gives the whole object: so
    few bytes that they can be nothing else, or as many as the object has.

    Raises:
        InvalidResponseError: It is something else.

    """
    headers, length = response.headers, response.content_length
    content_range = headers.get("Content-Range")
    if content_range is None:
        whole = length is not None and (
            length < wanted.length or (known is not None and length == known.size == wanted.length)
        )
        if length is None or wanted.start or not whole:
            raise InvalidResponseError(
                f"{response.url}: the store does not keep to the range {wanted}, which is needed"
            )
        given, size = length, length
    else:
        came, size = parse_content_range(content_range)
        given = came.length
        if came.start != wanted.start or came.end > wanted.end or length not in {None, given}:
            raise InvalidResponseError(
                f"{response.url}: asked for {wanted}, got {content_range!r} with {length} bytes of body"
            )
    source = _Source(size, headers.get("ETag"), headers.get("x-amz-version-id"), headers.get("Last-Modified"))
    return _Answer(response, source, given)
