"""S3's XML documents, read into values.

Nothing here expands an entity: a document with a document type is refused before it is parsed, since S3 sends none.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from aiohttp_s3_client.errors import InvalidResponseError
from aiohttp_s3_client.models import ErrorDocument, ObjectMeta, ObjectsPage

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

__all__ = ("parse_error", "parse_objects_page")


def parse_error(document: bytes) -> ErrorDocument | None:
    """Read an ``<Error>`` document; None when it is something else: empty, HTML, cut off, or a result.

    An error's body is often not XML (a proxy's page, an empty throttle), so this never raises.
    """
    try:
        root, namespace = _parse(document)
    except InvalidResponseError:
        return None
    if root.tag != f"{namespace}Error":
        return None
    text = {child.tag.removeprefix(namespace): child.text or "" for child in root}
    return ErrorDocument(
        code=text.get("Code", ""),
        message=text.get("Message", ""),
        resource=text.get("Resource") or text.get("Key") or text.get("BucketName", ""),
        request_id=text.get("RequestId", ""),
        host_id=text.get("HostId", ""),
        region=text.get("Region", ""),
    )


def parse_objects_page(document: bytes) -> ObjectsPage:
    """Read one ``ListBucketResult`` of ``ListObjectsV2``; elements may be absent, and unknown ones are passed over.

    Keys and prefixes are decoded when the store says that it encoded them (``encoding-type=url``).

    Raises:
        InvalidResponseError: the document is not well-formed, is no listing, or lists an object without a key.

    """
    root, namespace = _parse(document)
    if root.tag != f"{namespace}ListBucketResult":
        raise InvalidResponseError(f"a listing was asked for, and the answer is <{root.tag.removeprefix(namespace)}>")
    decode = unquote_plus if root.findtext(f"{namespace}EncodingType") == "url" else str
    tags = _ContentsTags.of(namespace)
    try:
        objects = [_object_meta(element, tags, decode) for element in root.iterfind(f"{namespace}Contents")]
    except ValueError as error:
        raise InvalidResponseError(f"a listing holds an object that cannot be read: {error}") from error
    return ObjectsPage(
        objects=objects,
        common_prefixes=[
            decode(prefix.text or "") for prefix in root.iterfind(f"{namespace}CommonPrefixes/{namespace}Prefix")
        ],
        is_truncated=root.findtext(f"{namespace}IsTruncated") == "true",
        next_continuation_token=root.findtext(f"{namespace}NextContinuationToken") or None,
    )


def _parse(document: bytes) -> tuple[Element, str]:
    """Give a document's root and the prefix ``{namespace}`` that its tags carry (empty without a namespace)."""
    try:
        text = document.decode()
        if "<!DOCTYPE" in text:
            raise InvalidResponseError(
                "an answer with a document type is refused: S3 sends none, and it can hold an attack"
            )
        root = ET.fromstring(text.lstrip())  # noqa: S314 - it holds no entity, see above
    except (UnicodeDecodeError, ET.ParseError) as error:
        raise InvalidResponseError(f"an answer is not well-formed XML: {error}") from error
    return root, root.tag[: root.tag.rfind("}") + 1]


class _ContentsTags(NamedTuple):
    """The tags below ``<Contents>`` in one namespace, put together once for all pages of a store."""

    key: str
    size: str
    etag: str
    last_modified: str
    storage_class: str
    owner: str
    checksum_algorithm: str
    checksum_type: str

    @classmethod
    @functools.lru_cache(maxsize=16)
    def of(cls, namespace: str) -> _ContentsTags:
        names = ("Key", "Size", "ETag", "LastModified", "StorageClass", "Owner", "ChecksumAlgorithm", "ChecksumType")
        return cls(*(f"{namespace}{name}" for name in names))


def _object_meta(element: Element, tags: _ContentsTags, decode: Callable[[str], str]) -> ObjectMeta:
    text = {child.tag: child.text for child in element}
    key = text.get(tags.key)
    if not key:
        raise ValueError("it has no key")
    size = text.get(tags.size)
    owner = element.find(tags.owner) if tags.owner in text else None
    algorithms = element.iterfind(tags.checksum_algorithm) if tags.checksum_algorithm in text else ()
    return ObjectMeta(
        decode(key),
        int(size) if size else None,
        text.get(tags.etag),
        _moment(text.get(tags.last_modified)),
        text.get(tags.storage_class),
        None if owner is None else owner.findtext(tags.key.removesuffix("Key") + "ID"),
        tuple([algorithm.text or "" for algorithm in algorithms]),
        text.get(tags.checksum_type),
    )


def _moment(text: str | None) -> datetime | None:
    """Read a time as S3 writes it (ISO 8601); one without a zone is UTC."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
