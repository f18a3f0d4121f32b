"""The client: all that it can do, in one class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp_s3_client.multipart import MultipartUploader
from aiohttp_s3_client.operations import Operations
from aiohttp_s3_client.upload import upload

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import UploadResult
    from aiohttp_s3_client.source import SourceData

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
        headers: Mapping[str, str] | None = None,
    ) -> UploadResult:
        """Upload whatever has bytes, in the best way: one request when it fits into one part, else part by part.

        What fails leaves nothing behind: the parts under way are ended, the upload is aborted, and the first error
        comes out. Files are sent without being held in memory; of a stream, ``concurrency`` parts and one more are.

        Args:
            source: A path, bytes, a binary file, or a sync or async iterable of bytes.
            object_name: The object.
            length: How many bytes an iterable has, where that is known: another number is an error.
            part_size: In bytes, 5 MiB to 5 GiB; by default 8 MiB, or as much as 10,000 parts need.
            concurrency: How many parts are sent at once; by default 4.
            headers: The object's headers: Content-Type (guessed from the name otherwise), ``x-amz-meta-*`` and so on.

        Raises:
            OSError: The source cannot be read.
            BodyLengthError: The source has another length than was said, or changed while it was read.
            ValueError: An option is out of bounds.
            S3Error: The store refused something, or did not answer.

        """
        return await upload(
            self, source, object_name, length=length, part_size=part_size, concurrency=concurrency, headers=headers
        )

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
        """Upload the file at ``file_path``, ``workers_count`` parts at once; see ``upload``.

        ``calculate_content_sha256`` signs the bytes of each part, which takes reading the file twice.
        """
        return await upload(
            self,
            Path(file_path),
            object_name,
            part_size=part_size,
            concurrency=workers_count,
            headers=headers,
            retry=self._retry(part_upload_tries),
            hash_parts=calculate_content_sha256,
        )

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
        """Upload an iterable of bytes in pieces of any sizes, gathered into parts of one size; see ``upload``."""
        return await upload(
            self,
            data,
            object_name,
            part_size=part_size,
            concurrency=workers_count,
            headers=headers,
            retry=self._retry(part_upload_tries),
            hash_parts=calculate_content_sha256,
        )

    def _retry(self, tries: int | None) -> RetryPolicy | None:
        """Give the client's policy with another number of attempts; None where there is no other."""
        return None if tries is None else replace(self._transport.retry, max_attempts=tries)
