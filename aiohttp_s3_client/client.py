"""The client: all that it can do, in one class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp_s3_client.buffers import BUFFER_SIZE
from aiohttp_s3_client.bulk import download_many, upload_many
from aiohttp_s3_client.download import PART_SIZE, DownloadOptions, download
from aiohttp_s3_client.multipart import MultipartUploader
from aiohttp_s3_client.operations import Operations
from aiohttp_s3_client.upload import UploadOptions, upload

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping

    from aiohttp_s3_client.bulk import Pair
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import ObjectInfo, Transferred, UploadResult
    from aiohttp_s3_client.progress import ProgressCallback
    from aiohttp_s3_client.source import SourceData
    from aiohttp_s3_client.target import BinaryWriter

__all__ = ("S3Client",)


class S3Client(Operations):
    """A client of one S3-compatible store.

    The store is said by ``url`` (``https://host[:port][/bucket]``, with credentials in it if one likes), or, for AWS,
    by ``region`` and perhaps ``bucket``. An *object name* is the path below that: ``"key"`` where the bucket is in the
    URL (as last segment of its path or as subdomain) or given by ``bucket``, else ``"bucket/key"``. One leading slash
    is passed over; all else of a key is sent as it stands.

    The *verbs* (``request get head put post delete copy put_file``) give aiohttp's own response and do not judge its
    status, unless the session was made with ``raise_for_status``. All else raises typed errors (``S3Error``).

    Enter it with ``async with``, and it makes a session tuned for S3 and closes it; or give it a ``session``, which it
    uses and leaves open.
    """

    def multipart_upload(
        self,
        object_name: str,
        *,
        headers: Mapping[str, str] | None = None,
        upload_id: str | None = None,
        part_upload_tries: int | None = None,
        abort_timeout: float = 10.0,
    ) -> MultipartUploader:
        """Upload an object part by part: enter what this gives with ``async with``, and call its ``put_part``.

        Args:
            object_name: The object.
            headers: Its headers: Content-Type (guessed from the name otherwise), ``x-amz-meta-*`` and so on.
            upload_id: An upload that was begun before, to go on with: the parts that the store has are kept.
            part_upload_tries: How often a part is tried; by default as often as anything else.
            abort_timeout: How many seconds giving up may take.

        """
        return MultipartUploader(
            self,
            object_name,
            headers=headers,
            upload_id=upload_id,
            retry=self._retry(part_upload_tries),
            abort_timeout=abort_timeout,
        )

    async def upload(
        self,
        source: SourceData,
        object_name: str,
        *,
        length: int | None = None,
        part_size: int | None = None,
        concurrency: int | None = None,
        progress: ProgressCallback | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> UploadResult:
        """Upload whatever has bytes, in the best way: one request when it fits into one part, else part by part.

        What fails leaves nothing behind: the parts under way are ended, the upload is aborted, and the first error
        comes out. Files are sent without being held in memory; of a stream, ``concurrency`` parts and one more are.

        Args:
            source: A path, bytes, a binary file, or a sync or async iterable of bytes.
            object_name: The object.
            length: How many bytes an iterable has, where that is known: another number is an error.
            part_size: In bytes, 5 MiB to 5 GiB; by default 8 MiB, or as much as 10,000 parts need. Of a stream of
                unknown length that is up to 80 GiB in all.
            concurrency: How many parts are sent at once; by default 4 to 8, the more the farther the store is.
            progress: Called with a ``Progress`` about ten times a second, and at the end.
            headers: The object's headers: Content-Type (guessed from the name otherwise), ``x-amz-meta-*`` and so on.

        Raises:
            OSError: The source cannot be read.
            BodyLengthError: The source has another length than was said, or changed while it was read.
            ValueError: An option is out of bounds.
            S3Error: The store refused something, or did not answer.

        """
        options = UploadOptions(
            length=length, part_size=part_size, concurrency=concurrency, headers=headers, progress=progress
        )
        return await upload(self, source, object_name, options)

    async def put_file_multipart(
        self,
        object_name: str,
        file_path: str | os.PathLike[str],
        *,
        headers: Mapping[str, str] | None = None,
        part_size: int | None = None,
        workers_count: int | None = None,
        part_upload_tries: int | None = None,
        calculate_content_sha256: bool = False,
    ) -> UploadResult:
        """Upload the file at ``file_path``, ``workers_count`` parts at once; see ``upload``, also for the defaults.

        ``part_upload_tries`` is how often a part is tried, by default as often as anything else.
        ``calculate_content_sha256`` signs the bytes of each part, which takes reading the file twice.
        """
        options = UploadOptions(
            part_size=part_size,
            concurrency=workers_count,
            headers=headers,
            retry=self._retry(part_upload_tries),
            hash_parts=calculate_content_sha256,
        )
        return await upload(self, Path(file_path), object_name, options)

    async def put_multipart(
        self,
        object_name: str,
        data: SourceData,
        *,
        headers: Mapping[str, str] | None = None,
        part_size: int | None = None,
        workers_count: int | None = None,
        part_upload_tries: int | None = None,
        calculate_content_sha256: bool = False,
    ) -> UploadResult:
        """Upload an iterable of bytes in pieces of any sizes, gathered into parts of one size.

        See ``upload`` and ``put_file_multipart``, also for the defaults.
        """
        options = UploadOptions(
            part_size=part_size,
            concurrency=workers_count,
            headers=headers,
            retry=self._retry(part_upload_tries),
            hash_parts=calculate_content_sha256,
        )
        return await upload(self, data, object_name, options)

    async def download(
        self,
        object_name: str,
        target: str | os.PathLike[str] | BinaryWriter,
        *,
        concurrency: int | None = None,
        part_size: int | None = None,
        progress: ProgressCallback | None = None,
        headers: Mapping[str, str] | None = None,
        resume: bool = False,
    ) -> ObjectInfo:
        """Download an object in the best way: one request when it fits into one part, else several ranges at once.

        A file appears whole or not at all: what comes goes into a temporary file beside the target, which takes the
        target's place when all is there. All ranges are of one object: one that is written anew meanwhile is an error.
        A range that breaks off goes on from the byte where it broke.

        Args:
            object_name: The object.
            target: A path, or a file object with a sync or async ``write``, which gets the bytes in their order.
            concurrency: How many ranges are fetched at once; by default 2 to 8, the more the farther the store is.
            part_size: The length of a range, in bytes; by default 8 MiB.
            progress: Called with a ``Progress`` about ten times a second, and at the end.
            headers: Sent with every request.
            resume: Keep what has come after a failure, and go on from there next time.

        Raises:
            ObjectChanged: The object was written anew meanwhile; the target is as it was.
            NotFound: There is no such object.
            OSError: The target cannot be written.
            ValueError: An option is out of bounds.
            S3Error: The store refused something, or did not answer.

        """
        options = DownloadOptions(
            concurrency=concurrency,
            part_size=PART_SIZE if part_size is None else part_size,
            progress=progress,
            headers=headers,
            resume=resume,
            retry=self._transport.retry,
        )
        return await download(self, object_name, target, options)

    async def get_file_parallel(
        self,
        object_name: str,
        file_path: str | os.PathLike[str],
        *,
        headers: Mapping[str, str] | None = None,
        range_step: int | None = None,
        workers_count: int | None = None,
        range_get_tries: int | None = None,
        buffer_size: int | None = None,
    ) -> ObjectInfo:
        """Download an object to ``file_path``, ``workers_count`` ranges of ``range_step`` bytes at once.

        It is ``download``, with its defaults; ``range_get_tries`` is how often a range is asked for without getting a
        byte, by default as often as anything else, and ``buffer_size`` how many bytes are written at once, by default
        1 MiB.
        """
        options = DownloadOptions(
            concurrency=workers_count,
            part_size=PART_SIZE if range_step is None else range_step,
            buffer_size=BUFFER_SIZE if buffer_size is None else buffer_size,
            headers=headers,
            retry=self._retry(range_get_tries) or self._transport.retry,
        )
        return await download(self, object_name, file_path, options)

    def upload_many(
        self,
        items: Iterable[Pair] | AsyncIterable[Pair],
        *,
        concurrency: int | None = None,
        part_size: int | None = None,
        headers: Mapping[str, str] | None = None,
        stop_on_error: bool = False,
    ) -> AsyncGenerator[Transferred[UploadResult], None]:
        """Upload many files at once, many small and few large ones alike, on one budget of requests.

        Args:
            items: Pairs (object name, path), of any number; they are taken as there is room for them.
            concurrency: How many requests are under way at once; by default 32.
            part_size: See ``upload``.
            headers: Headers of every object.
            stop_on_error: End everything at the first error, and raise it.

        Returns:
            An async generator of ``Transferred`` values as the uploads finish, each with a result or its error. To
            stop early, close it (``contextlib.aclosing``): that ends what is under way.

        Raises:
            ValueError: An option is out of bounds.

        """
        return upload_many(
            self,
            items,
            concurrency=concurrency,
            part_size=part_size,
            headers=headers,
            stop_on_error=stop_on_error,
        )

    def download_many(
        self,
        items: Iterable[str | Pair] | AsyncIterable[str | Pair],
        *,
        folder: str | os.PathLike[str] | None = None,
        concurrency: int | None = None,
        part_size: int | None = None,
        headers: Mapping[str, str] | None = None,
        stop_on_error: bool = False,
    ) -> AsyncGenerator[Transferred[ObjectInfo], None]:
        """Download many objects at once, many small and few large ones alike, on one budget of requests.

        Args:
            items: Pairs (object name, path), or, with ``folder``, object names alone; of any number.
            folder: What the paths are below, and where an object whose path is not said goes, by its own name; folders
                are made in it as needed. A name that would lead out of it is refused, and the others go on.
            concurrency: How many requests are under way at once; by default 32.
            part_size: See ``download``.
            headers: Sent with every request.
            stop_on_error: End everything at the first error, and raise it.

        Returns:
            An async generator of ``Transferred`` values as the downloads finish, each with a result or its error. To
            stop early, close it (``contextlib.aclosing``): that ends what is under way.

        Raises:
            ValueError: An option is out of bounds.

        """
        options = DownloadOptions(
            part_size=PART_SIZE if part_size is None else part_size, headers=headers, retry=self._transport.retry
        )
        return download_many(
            self, items, folder=folder, concurrency=concurrency, options=options, stop_on_error=stop_on_error
        )

    def _retry(self, tries: int | None) -> RetryPolicy | None:
        """Give the client's policy with another number of attempts; None where there is no other."""
        return None if tries is None else replace(self._transport.retry, max_attempts=tries)
