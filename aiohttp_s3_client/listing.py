"""The objects of a listing's page, read column by column.

The ``<Contents>`` of a page mostly have the same elements in the same order. So their layout is learned from the first
one, a regular expression takes the markup of all of them away, and what is left goes through the XML parser in one
piece with the rest of the document: whether it is well-formed, and what its entities mean, stays the parser's business.
A page that is not uniform, or unusual in any way, is left to the parser as a whole.
"""

from __future__ import annotations

import functools
import itertools
import re
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from aiohttp_s3_client.models import ObjectMeta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

__all__ = ("CondensedPage", "ObjectColumns", "condense", "object_columns", "object_metas")

LONGEST_LAYOUT: Final = 1024
"""Characters that the markup of one object may have, to be learned and kept: S3's own has about 350."""
# Inside of an element the parser hands a tab on as it is, and faster than a line break.
SEPARATOR: Final = "\t"

OPENING_TAG: Final = "<Contents>"
CLOSING_TAG: Final = "</Contents>"
LEAF: Final = re.compile(r"<(\w+)>[^<]*</\1>")
PLAIN_TAGS: Final = re.compile(r"(?:</?\w+>|\s)+")

ESCAPED_PUNCTUATION: Final = {f"%{ord(sign):02X}": sign for sign in string.punctuation if sign != "%"}


class ObjectTexts(NamedTuple):
    """What one ``<Contents>`` says, as it is written; None or an empty text where it does not say it."""

    key: str | None
    size: str | None
    etag: str | None
    last_modified: str | None
    storage_class: str | None
    owner_id: str | None
    checksum_type: str | None
    checksum_algorithms: tuple[str, ...]


class ObjectColumns(NamedTuple):
    """What all ``<Contents>`` of a page say: ``ObjectTexts``, one column each, all of the same length."""

    key: Sequence[str | None] = ()
    size: Sequence[str | None] = ()
    etag: Sequence[str | None] = ()
    last_modified: Sequence[str | None] = ()
    storage_class: Sequence[str | None] = ()
    owner_id: Sequence[str | None] = ()
    checksum_type: Sequence[str | None] = ()
    checksum_algorithms: Sequence[tuple[str, ...]] = ()


class Layout(NamedTuple):
    """The markup that the objects of a page have in common."""

    pattern: re.Pattern[str]
    """Matches a ``<Contents>``, with a group for the value of every element that has no elements inside."""
    groups: ObjectTexts
    """In place of every text, the number of the group that it is in, counted from 0."""


@dataclass(frozen=True, slots=True)
class CondensedPage:
    """A page whose objects have become one ``<Contents>``, which holds their values and no markup."""

    document: str
    layout: Layout
    objects_count: int

    def columns(self, contents: Element | None) -> ObjectColumns | None:
        """Take the values out of the ``<Contents>`` that the parser found at its place; None when it did not.

        Also None when a value holds the separator itself.
        """
        count, width = self.objects_count, self.layout.pattern.groups
        values = [] if contents is None else (contents.text or "").split(SEPARATOR)
        if len(values) != count * width:
            return None

        def column(group: str | None) -> Sequence[str | None]:
            return [None] * count if group is None else values[int(group) :: width]

        *texts, algorithms = self.layout.groups
        all_algorithms = zip(*[values[int(group) :: width] for group in algorithms], strict=True)
        return ObjectColumns._make([*map(column, texts), list(all_algorithms) or [()] * count])


def condense(text: str) -> CondensedPage | None:
    """Take the markup of the objects out of a page; None when they do not all stand together in one layout.

    The page is unchecked before, and after: it is well-formed if and only if the condensed document is, as long as the
    parser finds ``<Contents>`` right below its root.
    """
    layout = _layout_of_first(text)
    if layout is None:
        return None
    # What stands outside of the objects, and the values inside of each, take turns; the first object always matches.
    values = layout.pattern.split(text)
    step = layout.pattern.groups + 1
    head, *between, tail = values[::step]
    del values[::step]
    space = "".join(between)
    outside = head + tail
    if space.strip() or "<Contents" in outside or ":Contents" in outside:
        return None
    document = f"{head}{OPENING_TAG}{SEPARATOR.join(values)}{CLOSING_TAG}{space}{tail}"
    return CondensedPage(document, layout, len(between) + 1)


def object_columns(root: Element, namespace: str) -> ObjectColumns:
    """Read every ``<Contents>`` below the root of a page as it comes, whatever it looks like."""
    tags = _Tags.of(namespace)
    rows = [_object_texts(element, tags) for element in root.iterfind(f"{namespace}Contents")]
    return ObjectColumns(*zip(*rows, strict=True))


def object_metas(columns: ObjectColumns, *, url_encoded: bool) -> list[ObjectMeta]:
    """Turn texts into values; keys are decoded when they are ``url_encoded``.

    Raises:
        ValueError: an object has no key, or a size or time that is none.

    """
    keys = [key for key in columns.key if key]
    if len(keys) != len(columns.key):
        raise ValueError("it has no key")
    metas = zip(
        _unquote_all(keys) if url_encoded else keys,
        [int(size) if size else None for size in columns.size],
        [etag or None for etag in columns.etag],
        [_moment(text) if text else None for text in columns.last_modified],
        [storage_class or None for storage_class in columns.storage_class],
        columns.owner_id,
        columns.checksum_algorithms,
        [checksum_type or None for checksum_type in columns.checksum_type],
        strict=True,
    )
    return list(map(ObjectMeta._make, metas))


def _layout_of_first(text: str) -> Layout | None:
    start = text.find(OPENING_TAG)
    end = text.find(CLOSING_TAG, start)
    if start < 0 or end < 0:
        return None
    markup = LEAF.sub(r"<\1></\1>", text[start + len(OPENING_TAG) : end])
    return _layout(markup) if len(markup) <= LONGEST_LAYOUT else None


@functools.lru_cache(maxsize=32)
def _layout(markup: str) -> Layout | None:
    """Make a pattern of the elements in ``<Contents>``; None when they are unusual, or have no key."""
    if not PLAIN_TAGS.fullmatch(markup):
        return None
    # What the parser reads out of an object whose values are numbers says which value is where.
    numbers = itertools.count()
    numbered = LEAF.sub(lambda leaf: f"<{leaf[1]}>{next(numbers)}</{leaf[1]}>", markup)
    try:
        element = ET.fromstring(f"{OPENING_TAG}{numbered}{CLOSING_TAG}")  # noqa: S314 - plain tags and numbers
    except ET.ParseError:
        return None
    groups = _object_texts(element, _Tags.of(""))
    *texts, algorithms = groups
    if groups.key is None or not all(group is None or group.isdigit() for group in (*texts, *algorithms)):
        return None
    values = LEAF.sub(r"<\1>([^<]*)</\1>", re.escape(f"{OPENING_TAG}{markup}{CLOSING_TAG}"))
    return Layout(re.compile(values), groups)


class _Tags(NamedTuple):
    """The tags below ``<Contents>`` in one namespace, put together once for all pages of a store."""

    key: str
    size: str
    etag: str
    last_modified: str
    storage_class: str
    owner: str
    identity: str
    checksum_algorithm: str
    checksum_type: str

    @classmethod
    @functools.lru_cache(maxsize=16)
    def of(cls, namespace: str) -> _Tags:
        names = "Key Size ETag LastModified StorageClass Owner ID ChecksumAlgorithm ChecksumType"
        return cls(*(f"{namespace}{name}" for name in names.split()))


def _object_texts(element: Element, tags: _Tags) -> ObjectTexts:
    text = {child.tag: child.text for child in element}
    owner = element.find(tags.owner) if tags.owner in text else None
    algorithms = element.iterfind(tags.checksum_algorithm) if tags.checksum_algorithm in text else ()
    return ObjectTexts(
        text.get(tags.key),
        text.get(tags.size),
        text.get(tags.etag),
        text.get(tags.last_modified),
        text.get(tags.storage_class),
        None if owner is None else owner.findtext(tags.identity),
        text.get(tags.checksum_type),
        tuple([algorithm.text or "" for algorithm in algorithms]),
    )


def _moment(text: str) -> datetime:
    """Read a time as S3 writes it (ISO 8601); one without a zone is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unquote_all(texts: Sequence[str]) -> list[str]:
    """Decode many texts in one go."""
    decoded = _unquote("\n".join(texts)).split("\n")
    if len(decoded) != len(texts):  # One of them holds a line break.
        return [unquote_plus(text) for text in texts]
    return decoded


def _unquote(text: str) -> str:
    """Do as ``unquote_plus``, but fast where a long text has few kinds of escapes, and those of punctuation.

    Punctuation makes no new escape together with what stands beside it; letters, digits and ``%`` could.
    """
    decoded = text.replace("+", " ")
    while (start := decoded.find("%")) >= 0:
        escape = decoded[start : start + 3]
        if escape not in ESCAPED_PUNCTUATION:
            return unquote_plus(text)
        decoded = decoded.replace(escape, ESCAPED_PUNCTUATION[escape])
    return decoded
