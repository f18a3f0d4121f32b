"""The upload of one object from whatever has bytes: one request when it is small, a multipart upload when it is not."""

from __future__ import annotations

import hashlib
import time
import weakref
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from aiohttp_s3_client.body import EMPTY_BODY, Body, Buffer, BytesBody, StreamPayload
from aiohttp_s3_client.concurrency import concurrency_for
from aiohttp_s3_client.config import check_count, check_int
from aiohttp_s3_client.endings import to_the_end
from aiohttp_s3_client.multipart import MAX_PARTS, MultipartOperations, MultipartUploader
from aiohttp_s3_client.progress import ProgressReporter
from aiohttp_s3_client.region import FileRegion
from aiohttp_s3_client.source import opened
from aiohttp_s3_client.threads import in_thread
from aiohttp_s3_client.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
    from types import TracebackType
    from typing import Self

    from aiohttp_s3_client.body import Data
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import Part, UploadResult
    from aiohttp_s3_client.progress import ProgressCallback
    from aiohttp_s3_client.source import Source, SourceData
    from aiohttp_s3_client.threads import BlockingCalls

__all__ = ("UploadOperations", "UploadOptions", "upload")

_MIB: Final = 1024 * 1024
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MIN_PART_SIZE: Final = 5 * _MIB
_MAX_PART_SIZE: Final = 5 * 1024 * _MIB
_PART_SIZE: Final = 8 * _MIB
# So many parts at once: a store that is near still answers each one after its last byte only.
_FEWEST: Final = 4


class UploadOperations(MultipartOperations, Protocol):
    """The operations that an upload consists of."""

    async def write(
        self, object_name: str, data: Data | Body, *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        """Write an object in one request."""
        ...


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """How to upload.

    Attributes:
        length: How many bytes a stream has; None where only its end will tell.
        part_size: In bytes, 5 MiB to 5 GiB; None for 8 MiB, or as much as 10,000 parts need.
        concurrency: How many parts are sent at once; None for as many as the store's distance asks for, 4 to 8.
        progress: Called with a ``Progress``.
        headers: The object's headers.
        retry: How often, and after which waits, a part is tried; None for the client's own policy.
        hash_parts: Whether the signature is of the bytes of every part, too.

    Raises:
        TypeError: A number is no int.
        ValueError: A number is out of bounds.

    """

    length: int | None = None
    part_size: int | None = None
    concurrency: int | None = None
    progress: ProgressCallback | None = None
    headers: Mapping[str, str] | None = None
    retry: RetryPolicy | None = None
    hash_parts: bool = False

    def __post_init__(self) -> None:
        """Refuse what no upload can follow."""
        if self.concurrency is not None:
            check_count("concurrency", self.concurrency)
        if self.part_size is None:
            return
        check_int("part_size", self.part_size)
        if not _MIN_PART_SIZE <= self.part_size <= _MAX_PART_SIZE:
            raise ValueError(f"part_size is {self.part_size} bytes, and S3 takes parts of 5 MiB to 5 GiB")


async def upload(
    operations: UploadOperations,
    source: SourceData,
    object_name: str,
    options: UploadOptions,
    *,
    calls: BlockingCalls | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> UploadResult:
    """Upload ``source``; see ``S3Client.upload``. ``calls`` are those of many uploads together."""
    headers, reporter = options.headers, ProgressReporter(options.progress, clock=clock)
    async with opened(source, options.length, calls) as data, _Sending(reporter) as sending:
        size = _part_size(data.size, options.part_size)
        parts_total = None if data.size is None else max(-(-data.size // size), 1)
        reporter.expect(data.size, parts_total)
        if data.size is not None and data.size <= size:
            return await _write(operations, object_name, data.whole(), data, headers, sending)
        async with aclosing(data.parts(size)) as parts:
            first = await _taken(parts, 2)
            if len(first) < 2:  # noqa: PLR2004 - it was no more than one part, after all
                body = first.popleft() if first else EMPTY_BODY
                return await _write(operations, object_name, body, data, headers, sending)
            began = clock()
            async with MultipartUploader(operations, object_name, headers=headers, retry=options.retry) as uploader:
                concurrency = options.concurrency or concurrency_for(clock() - began, _FEWEST)
                numbered = _Parts(uploader, sending, hash_parts=options.hash_parts)
                async with aclosing(numbered.promised(first, parts)) as promised:
                    await run_workers(promised, _awaited, min(concurrency, parts_total or MAX_PARTS))
                await data.check(is_stored=False)
    reporter.finish()
    return uploader.result


async def _write(
    operations: UploadOperations,
    object_name: str,
    body: Body,
    data: Source,
    headers: Mapping[str, str] | None,
    sending: _Sending,
) -> UploadResult:
    """Send all in one request."""
    result = await operations.write(object_name, sending.counted(body, 1), headers=headers)
    await data.check(is_stored=True)
    sending.reporter.complete(1, body.length or 0)
    sending.reporter.finish()
    return result


def _part_size(size: int | None, wanted: int | None) -> int:
    """Choose a part size with which 10,000 parts suffice, or check that the caller's does.

    Raises:
        ValueError: Too many parts would be needed.

    """
    if wanted is None:
        needed = -(-(size or 0) // MAX_PARTS)
        return max(_PART_SIZE, -(-needed // _MIB) * _MIB)
    if size is not None and size > wanted * MAX_PARTS:
        raise ValueError(f"{size} bytes in parts of {wanted} are more than {MAX_PARTS} parts: give a larger part_size")
    return wanted


async def _taken(parts: AsyncGenerator[Body, None], count: int) -> deque[Body]:
    """Take the first parts, and leave the rest."""
    taken: deque[Body] = deque()
    while len(taken) < count and (part := await anext(parts, None)) is not None:
        taken.append(part)
    return taken


class _Sending:
    """What is on its way, how far it is, and its end: nothing is read from a source any more when that is left."""

    def __init__(self, reporter: ProgressReporter) -> None:
        self.reporter = reporter
        # Whoever sends one holds it. None until there is one: a small object has none.
        self._payloads: weakref.WeakSet[StreamPayload] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Of a request that is given up, aiohttp cancels the sending, and does not wait for its end.
        for payload in list(self._payloads or ()):
            if payload.ended is not None:
                await to_the_end(payload.ended)

    def counted(self, body: Body, number: int) -> _CountedBody:
        """Give a body as the part ``number``."""
        return _CountedBody(body, number, self)

    def open(self, body: Body, number: int) -> Buffer | StreamPayload | None:
        """Open a body for one more attempt."""
        self.reporter.attempt()
        data = body.open()
        if isinstance(data, StreamPayload):
            data.tell = partial(self.reporter.reach, number)
            if self._payloads is None:
                self._payloads = weakref.WeakSet()
            self._payloads.add(data)
        return data


class _CountedBody(NamedTuple):
    """A body that tells how far it is, as the part ``number`` of an upload."""

    body: Body
    number: int
    sending: _Sending

    @property
    def length(self) -> int | None:
        return self.body.length

    @property
    def payload_hash(self) -> str:
        return self.body.payload_hash

    @property
    def replayable(self) -> bool:
        return self.body.replayable

    async def prepare(self) -> _CountedBody:
        return self._replace(body=await self.body.prepare())

    def open(self) -> Buffer | StreamPayload | None:
        return self.sending.open(self.body, self.number)


class _Parts:
    """Gives every part its number, in order, and the coroutine that sends it."""

    def __init__(self, uploader: MultipartUploader, sending: _Sending, *, hash_parts: bool) -> None:
        self._uploader = uploader
        self._sending = sending
        self._hash_parts = hash_parts
        self._number = 0

    async def promised(
        self, first: deque[Body], others: AsyncGenerator[Body, None]
    ) -> AsyncGenerator[Coroutine[Any, Any, None], None]:
        """Take the first parts, then the others; none is held any longer when the next one is gathered."""
        while first:
            yield await self._promise(first.popleft())
        async for part in others:
            sending = await self._promise(part)
            del part
            yield sending

    async def _promise(self, part: Body) -> Coroutine[Any, Any, None]:
        self._number += 1
        content_sha256 = await _hash(part) if self._hash_parts else None
        return self._sent(self._uploader.put_part(self._sending.counted(part, self._number), content_sha256))

    async def _sent(self, sending: Coroutine[Any, Any, Part]) -> None:
        part = await sending
        self._sending.reporter.complete(part.part_number, part.size)


async def _awaited(sending: Coroutine[Any, Any, None]) -> None:
    await sending


async def _hash(part: Body) -> str | None:
    """Give the SHA-256 of a part, in hexadecimal, computed in a thread."""
    if isinstance(part, FileRegion):
        return await in_thread(part.sha256)
    if isinstance(part, BytesBody):
        return await in_thread(lambda: hashlib.sha256(part.data or b"").hexdigest())
    return None
