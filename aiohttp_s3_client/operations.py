"""The operations: one request each, answered with a value, or with a typed error."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp_s3_client.body import as_body, body_of
from aiohttp_s3_client.errors import InvalidResponseError, NoSuchUpload
from aiohttp_s3_client.headers import checked_headers, put_headers
from aiohttp_s3_client.models import ObjectInfo, Part, UploadResult
from aiohttp_s3_client.multipart_documents import (
    complete_document,
    parse_parts_page,
    parse_upload_id,
    parse_upload_result,
)
from aiohttp_s3_client.sigv4 import canonical_query
from aiohttp_s3_client.transport import S3Request
from aiohttp_s3_client.verbs import Verbs
from aiohttp_s3_client.xml import parse_document, parse_objects_page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import ByteRange, ObjectMeta
    from aiohttp_s3_client.transport import ResponseContext

__all__ = ("Operations",)


class Operations(Verbs):
    """A client's operations on objects; see ``S3Client``."""

    async def rename(self, source: str, destination: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Copy an object to another name, then delete the first (``CopyObject``, ``DeleteObject``).

        S3 has no rename: for a moment both exist, and an error in between leaves both.

        Raises:
            ValueError: A name is empty, or both are the same.
            S3ResponseError: The copy or the deletion was refused; the source is there unless both succeeded.
            S3ConnectionError: No answer came.
            InvalidResponseError: The copy was answered with something that is no result; the source was not deleted.

        """
        endpoint = self._transport.endpoint
        if endpoint.path(self._named(source)) == endpoint.path(self._named(destination)):
            raise ValueError(f"{source!r} would be renamed to itself, and then deleted: give another destination")
        copied = await self._transport.fetch(self._copy_request(source, destination, headers))
        # Without a result there may be no copy: then the source must stay.
        parse_document(copied.body, "CopyObjectResult")
        await self._transport.fetch(S3Request("DELETE", source))

    async def head_object(self, object_name: str) -> ObjectInfo:
        """Describe an object without reading it (``HeadObject``).

        Raises:
            NotFound: It does not exist.
            S3Error: Another error was answered, or none came.

        """
        headers = (await self._transport.fetch(S3Request("HEAD", self._named(object_name)))).headers
        return ObjectInfo(
            etag=headers.get("ETag"),
            size=int(headers["Content-Length"]) if "Content-Length" in headers else None,
            version_id=headers.get("x-amz-version-id"),
        )

    async def write(
        self, object_name: str, data: Data | Body, *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        """Write an object (``PutObject``); its Content-Type is guessed from the name unless ``headers`` say it.

        Raises:
            ValueError: The name has no key, or a header cannot be sent.
            BodyLengthError: The body turned out to have another length than it said.
            S3Error: It was refused, or no answer came.

        """
        request = S3Request(
            "PUT", self._named(object_name), headers=put_headers(headers, object_name), body=as_body(data)
        )
        answer = await self._transport.fetch(request)
        return UploadResult(answer.headers.get("ETag"), answer.headers.get("x-amz-version-id"))

    def open_range(
        self,
        object_name: str,
        byte_range: ByteRange,
        *,
        if_match: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> ResponseContext:
        """Open a range of an object for reading (``GetObject`` with ``Range``): the response, its body unread.

        Whether the store gave the range that was asked for, ``Content-Range`` says. ``retry`` replaces the client's
        policy.

        Raises:
            PreconditionFailed: The object's ETag is not ``if_match``.
            InvalidRange: The object ends before the range begins.
            S3Error: Another error was answered, or none came.

        """
        completed = checked_headers(headers)
        completed["Range"] = str(byte_range)
        if if_match is not None:
            completed["If-Match"] = if_match
        return self._transport.open(S3Request("GET", self._named(object_name), headers=completed, retry=retry))

    async def create_multipart_upload(self, object_name: str, *, headers: Mapping[str, str] | None = None) -> str:
        """Begin a multipart upload, and give its id (``CreateMultipartUpload``).

        ``headers`` are the object's: Content-Type (guessed from the name otherwise), ``x-amz-meta-*`` and so on.

        Raises:
            ValueError: The name has no key, or a header cannot be sent.
            S3Error: It was refused, or no answer came.

        """
        completed = put_headers(headers, object_name)
        answer = await self._transport.fetch(
            S3Request(
                "POST", self._named(object_name), canonical_query([("uploads", "")]), completed, is_repeatable=True
            )
        )
        return parse_upload_id(answer.body)

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
        """Send one part of a multipart upload (``UploadPart``); sent again, it replaces what was there.

        ``part_number`` is 1 to 10000, ``retry`` stands for the client's policy.

        Raises:
            NoSuchUpload: It was completed, aborted, or never begun.
            BodyLengthError: The body turned out to have another length than it said.
            InvalidResponseError: The store does not give the part's ETag, without which nothing can be completed.
            S3Error: It was refused, or no answer came.

        """
        query = canonical_query([("partNumber", str(part_number)), ("uploadId", upload_id)])
        body = await as_body(data).prepare()
        answer = await self._transport.fetch(
            S3Request("PUT", self._named(object_name), query, body=body, payload_hash=content_sha256, retry=retry)
        )
        etag = answer.headers.get("ETag")
        if not etag:
            raise InvalidResponseError(f"part {part_number} of {object_name!r} was answered without an ETag")
        return Part(part_number, etag, body.length or 0)

    async def complete_multipart_upload(
        self, object_name: str, upload_id: str, parts: Iterable[Part], *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        """Make one object of the parts (``CompleteMultipartUpload``).

        Raises:
            NoSuchUpload: It was completed before, aborted, or never begun.
            S3Error: It was refused, also after an apparent success, or no answer came.

        """
        request = S3Request(
            "POST",
            self._named(object_name),
            canonical_query([("uploadId", upload_id)]),
            checked_headers({"Content-Type": "application/xml", **(headers or {})}),
            body_of(complete_document(parts)),
            may_fail_late=True,
            is_repeatable=True,
        )
        answer = await self._transport.fetch(request)
        return parse_upload_result(answer.body, answer.headers.get("x-amz-version-id"))

    async def abort_multipart_upload(self, object_name: str, upload_id: str) -> None:
        """Give a multipart upload up, and all parts of it (``AbortMultipartUpload``); one that is gone is no error.

        Raises:
            S3Error: It was refused, or no answer came.

        """
        query = canonical_query([("uploadId", upload_id)])
        with suppress(NoSuchUpload):
            await self._transport.fetch(S3Request("DELETE", self._named(object_name), query))

    async def list_parts(self, object_name: str, upload_id: str) -> list[Part]:
        """Give the parts of a multipart upload that the store has, in their order (``ListParts``).

        Raises:
            NoSuchUpload: It was completed, aborted, or never begun.
            InvalidResponseError: A page cannot be read, or does not say how to go on.
            S3Error: It was refused, or no answer came.

        """
        parts: list[Part] = []
        marker = "0"
        while True:
            query = canonical_query([("part-number-marker", marker), ("uploadId", upload_id)])
            page = parse_parts_page(
                (await self._transport.fetch(S3Request("GET", self._named(object_name), query))).body
            )
            parts += page.parts
            if not page.is_truncated:
                return parts
            if page.next_part_number_marker in {None, marker}:
                raise InvalidResponseError(f"the list of parts of {object_name!r} does not say how to go on")
            marker = page.next_part_number_marker or ""

    def list_objects_v2(
        self,
        object_name: str = "",
        *,
        prefix: str | None = None,
        delimiter: str | None = None,
        max_keys: int | None = None,
        start_after: str | None = None,
    ) -> AsyncGenerator[tuple[list[ObjectMeta], list[str]], None]:
        """List a bucket, a page at a time, in the order of the keys (``ListObjectsV2``).

        Args:
            object_name: The bucket, where the client's URL does not say it.
            prefix: Only keys that begin so.
            delimiter: Keys that go on after ``prefix`` with this in them are summed up as one prefix.
            max_keys: At most so many keys and prefixes a page, 1 to 1000.
            start_after: Only keys after this one.

        Returns:
            An async generator of pages ``(objects, prefixes)``.

        Raises:
            ValueError: ``max_keys`` is out of bounds, or the bucket is not said, or said twice.
            S3ResponseError: The listing was refused.
            S3ConnectionError: No whole answer came.
            InvalidResponseError: A page cannot be read, or does not say how to go on.

        """
        if max_keys is not None and max_keys not in range(1, 1001):
            raise ValueError(f"max_keys is {max_keys}, and a page has 1 to 1000 keys")
        asked = {
            "list-type": "2",
            "encoding-type": "url",
            "prefix": prefix,
            "delimiter": delimiter,
            "max-keys": None if max_keys is None else str(max_keys),
            "start-after": start_after,
        }
        return self._pages(self._bucket_named(object_name), {name: value for name, value in asked.items() if value})

    def _bucket_named(self, object_name: str) -> str:
        """Let only a name through that addresses a bucket."""
        bucket = self._transport.endpoint.bucket
        name = object_name.strip("/")
        if (bucket and name) or "/" in name:
            raise ValueError(f"{name!r} below {self.url} is no bucket: to list a part of one, give prefix=")
        if not bucket and not name:
            raise ValueError(f"{self.url} is in no bucket: name the one to list, or give the client bucket=")
        return name

    async def _pages(
        self, object_name: str, query: dict[str, str]
    ) -> AsyncGenerator[tuple[list[ObjectMeta], list[str]], None]:
        """Fetch page after page; a store that does not say how to go on must not look like the end."""
        tokens: set[str] = set()
        while True:
            request = S3Request("GET", object_name, canonical_query(query.items()))
            page = parse_objects_page((await self._transport.fetch(request)).body)
            yield page.objects, page.common_prefixes
            if not page.is_truncated:
                return
            token = page.next_continuation_token
            if token is None or token in tokens:
                fault = "repeats a continuation token" if token else "does not say how to go on"
                raise InvalidResponseError(
                    f"the listing of {self.url}/{object_name} is not at its end, but {fault}: it is incomplete"
                )
            tokens.add(token)
            query = query | {"continuation-token": token}
