"""The XML documents of a multipart upload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from aiohttp_s3_client.errors import InvalidResponseError
from aiohttp_s3_client.models import Part, PartsPage, UploadResult
from aiohttp_s3_client.xml import parse_document

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("complete_document", "parse_parts_page", "parse_upload_id", "parse_upload_result")

_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


def complete_document(parts: Iterable[Part]) -> bytes:
    """Write the body of ``CompleteMultipartUpload``, the parts in the order of their numbers as S3 wants them."""
    rows = [
        f"<Part><PartNumber>{part.part_number}</PartNumber><ETag>{escape(part.etag)}</ETag></Part>"
        for part in sorted(parts, key=lambda part: part.part_number)
    ]
    return f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{"".join(rows)}</CompleteMultipartUpload>'.encode()


def parse_upload_id(document: bytes) -> str:
    """Read the answer to ``CreateMultipartUpload``.

    Raises:
        InvalidResponseError: there is no upload id in it.

    """
    root, namespace = parse_document(document, "InitiateMultipartUploadResult")
    upload_id = root.findtext(f"{namespace}UploadId")
    if not upload_id:
        raise InvalidResponseError("a multipart upload was begun, and the answer has no upload id")
    return upload_id


def parse_upload_result(document: bytes, version_id: str | None) -> UploadResult:
    """Read the answer to ``CompleteMultipartUpload``; the version comes in a header.

    Raises:
        InvalidResponseError: it is something else.

    """
    root, namespace = parse_document(document, "CompleteMultipartUploadResult")
    return UploadResult(
        etag=root.findtext(f"{namespace}ETag"),
        version_id=version_id,
        location=root.findtext(f"{namespace}Location"),
    )


def parse_parts_page(document: bytes) -> PartsPage:
    """Read one answer to ``ListParts``.

    Raises:
        InvalidResponseError: it is something else, or a part in it cannot be read.

    """
    root, namespace = parse_document(document, "ListPartsResult")
    try:
        parts = [
            Part(
                part_number=int(part.findtext(f"{namespace}PartNumber", "")),
                etag=part.findtext(f"{namespace}ETag", ""),
                size=int(part.findtext(f"{namespace}Size", "")),
            )
            for part in root.iterfind(f"{namespace}Part")
        ]
    except ValueError as error:
        raise InvalidResponseError(f"a list of parts holds one that cannot be read: {error}") from error
    return PartsPage(
        parts=parts,
        is_truncated=root.findtext(f"{namespace}IsTruncated") == "true",
        next_part_number_marker=root.findtext(f"{namespace}NextPartNumberMarker") or None,
    )
