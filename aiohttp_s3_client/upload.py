"""The upload of one object from whatever has bytes: one request when it is small, a multipart upload when it is not."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp_s3_client.body import EMPTY_BODY, BytesBody
from aiohttp_s3_client.multipart import MAX_PARTS, MultipartOperations, MultipartUploader
from aiohttp_s3_client.region import FileRegion
from aiohttp_s3_client.source import opened
from aiohttp_s3_client.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Mapping

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import Part, UploadResult
    from aiohttp_s3_client.source import SourceData

__all__ = ("UploadOperations", "upload")

_MIB: Final = 1024 * 1024
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_MIN_PART_SIZE: Final = 5 * _MIB
_MAX_PART_SIZE: Final = 5 * 1024 * _MIB
_PART_SIZE: Final = 8 * _MIB
_CONCURRENCY: Final = 4


class UploadOperations(MultipartOperations, Protocol):
    """The operations that an upload consists of."""

    async def write(
        self, object_name: str, data: Data | Body, *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        """Write an object in one request."""
        ...


async def upload(
    operations: UploadOperations,
    source: SourceData,
    object_name: str,
    *,
    length: int | None = None,
    part_size: int | None = None,
    concurrency: int | None = None,
    headers: Mapping[str, str] | None = None,
    retry: RetryPolicy | None = None,
    hash_parts: bool = False,
) -> UploadResult:
    """Upload ``source``; see ``S3Client.upload``. ``hash_parts`` signs the bytes of every part, too."""
    concurrency = _CONCURRENCY if concurrency is None else concurrency
    if concurrency < 1:
        raise ValueError(f"concurrency is {concurrency}: give at least 1")
    async with opened(source, length) as data:
        size = _part_size(data.size, part_size)
        if data.size is not None and data.size <= size:
            return await operations.write(object_name, data.whole(), headers=headers)
        async with aclosing(data.parts(size)) as parts:
            first = await _taken(parts, 2)
            if len(first) < 2:  # noqa: PLR2004 - it was no more than one part, after all
                return await operations.write(object_name, first[0] if first else EMPTY_BODY, headers=headers)
            async with MultipartUploader(operations, object_name, headers=headers, retry=retry) as uploader:
                async with aclosing(_promised(uploader, first, parts, hash_parts=hash_parts)) as promised:
                    await run_workers(promised, _awaited, concurrency)
                await data.check()
            return uploader.result


def _part_size(size: int | None, wanted: int | None) -> int:
    """Choose a part size with which 10,000 parts suffice, or check the caller's.

    Raises:
        ValueError: S3 takes no parts of this size, or too many of them would be needed.

    """
    if wanted is None:
        needed = -(-(size or 0) // MAX_PARTS)
        return max(_PART_SIZE, -(-needed // _MIB) * _MIB)
    if not _MIN_PART_SIZE <= wanted <= _MAX_PART_SIZE:
        raise ValueError(f"part_size is {wanted} bytes, and S3 takes parts of 5 MiB to 5 GiB")
    if size is not None and size > wanted * MAX_PARTS:
        raise ValueError(f"{size} bytes in parts of {wanted} are more than {MAX_PARTS} parts: give a larger part_size")
    return wanted


async def _taken(parts: AsyncGenerator[Body, None], count: int) -> list[Body]:
    """Take the first parts, and leave the rest."""
    taken: list[Body] = []
    while len(taken) < count and (part := await anext(parts, None)) is not None:
        taken.append(part)
    return taken


async def _promised(
    uploader: MultipartUploader, first: list[Body], parts: AsyncGenerator[Body, None], *, hash_parts: bool
) -> AsyncGenerator[Coroutine[Any, Any, Part], None]:
    """Give every part its number, in order, and the coroutine that sends it."""
    for part in first:
        yield uploader.put_part(part, await _hash(part) if hash_parts else None)
    async for part in parts:
        yield uploader.put_part(part, await _hash(part) if hash_parts else None)


async def _awaited(sending: Coroutine[Any, Any, Part]) -> None:
    await sending


async def _hash(part: Body) -> str | None:
    """Give the SHA-256 of a part, in hexadecimal, computed in a thread."""
    if isinstance(part, FileRegion):
        return await asyncio.to_thread(part.sha256)
    if isinstance(part, BytesBody):
        return await asyncio.to_thread(lambda: hashlib.sha256(part.data or b"").hexdigest())
    return None
