"""S3's XML documents, read into values.

Nothing here expands an entity: a document with a document type is refused before it is parsed, since S3 sends none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from aiohttp_s3_client.errors import InvalidResponseError
from aiohttp_s3_client.listing import condense, object_columns, object_metas
from aiohttp_s3_client.models import ErrorDocument, ObjectsPage

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from aiohttp_s3_client.listing import ObjectColumns

__all__ = ("parse_document", "parse_error", "parse_objects_page")


def parse_error(document: bytes) -> ErrorDocument | None:
    """Read an ``<Error>`` document; None when it is something else: empty, HTML, cut off, or a result.

    An error's body is often not XML (a proxy's page, an empty throttle), so this never raises.
    """
    try:
        root, namespace = _parse(_decoded(document))
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
    text = _decoded(document)
    return _objects_page(*(_condensed_page(text) or _whole_page(text)))


def parse_document(document: bytes, name: str) -> tuple[Element, str]:
    """Give the root of a document that must be ``<name>``, and the prefix ``{namespace}`` that its tags carry.

    Raises:
        InvalidResponseError: it is another one, or not well-formed.

    """
    root, namespace = _parse(_decoded(document))
    if root.tag != f"{namespace}{name}":
        raise InvalidResponseError(f"<{name}> was asked for, and the answer is <{root.tag.removeprefix(namespace)}>")
    return root, namespace


def _condensed_page(text: str) -> tuple[Element, str, ObjectColumns] | None:
    """Read a page the fast way; None where only the whole document can tell what it says, or what is wrong with it."""
    page = condense(text)
    if page is None:
        return None
    try:
        root, namespace = _parse(page.document)
    except InvalidResponseError:
        return None
    columns = page.columns(root.find(f"{namespace}Contents"))
    return None if columns is None else (root, namespace, columns)


def _whole_page(text: str) -> tuple[Element, str, ObjectColumns]:
    root, namespace = _parse(text)
    return root, namespace, object_columns(root, namespace)


def _objects_page(root: Element, namespace: str, columns: ObjectColumns) -> ObjectsPage:
    if root.tag != f"{namespace}ListBucketResult":
        raise InvalidResponseError(f"a listing was asked for, and the answer is <{root.tag.removeprefix(namespace)}>")
    url_encoded = root.findtext(f"{namespace}EncodingType") == "url"
    decode = unquote_plus if url_encoded else str
    try:
        objects = object_metas(columns, url_encoded=url_encoded)
    except ValueError as error:
        raise InvalidResponseError(f"a listing holds an object that cannot be read: {error}") from error
    return ObjectsPage(
        objects=objects,
        common_prefixes=[
            decode(prefix.text or "") for prefix in root.iterfind(f"{namespace}CommonPrefixes/{namespace}Prefix")
        ],
        is_truncated=(root.findtext(f"{namespace}IsTruncated") or "").strip().lower() in {"true", "1"},
        next_continuation_token=root.findtext(f"{namespace}NextContinuationToken") or None,
    )


def _decoded(document: bytes) -> str:
    try:
        return document.decode()
    except UnicodeDecodeError as error:
        raise InvalidResponseError(f"an answer is not well-formed XML: {error}") from error


def _parse(text: str) -> tuple[Element, str]:
    """Give a document's root and the prefix ``{namespace}`` that its tags carry (empty without a namespace)."""
    if "<!DOCTYPE" in text:
        raise InvalidResponseError(
            "an answer with a document type is refused: S3 sends none, and it can hold an attack"
        )
    try:
        root = ET.fromstring(text.lstrip())  # noqa: S314 - it holds no entity, see above
    except ET.ParseError as error:
        raise InvalidResponseError(f"an answer is not well-formed XML: {error}") from error
    return root, root.tag[: root.tag.rfind("}") + 1]
