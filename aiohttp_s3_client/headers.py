"""A request's headers as the caller gives them: checked before anything is sent, and completed."""

from __future__ import annotations

import functools
import mimetypes
import re
from typing import TYPE_CHECKING, Final

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("checked_headers", "content_type_of", "copy_headers", "put_headers")

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# What the client itself says: a caller's value would contradict what is sent.
_RESERVED: Final = {
    "authorization": "it is made from the credentials",
    "content-length": "say the body's length with data_length=",
    "connection": "connections are the client's own",
    "expect": "a body is sent at once",
    "host": "it is made from the client's URL",
    "trailer": "a body is sent plain",
    "transfer-encoding": "a body is sent with its length, since stores do not take chunks",
    "x-amz-date": "it is the moment of sending",
}
# What CopyObject takes from the source unless it is told otherwise.
_COPIED: Final = frozenset(
    {"cache-control", "content-disposition", "content-encoding", "content-language", "content-type", "expires"}
)
_UNKNOWN_TYPE: Final = "application/octet-stream"
# A packed file is what it is packed as, whatever is inside.
_PACKED: Final = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}


def checked_headers(headers: Mapping[str, str] | None) -> CIMultiDict[str]:
    """Copy a caller's headers; None are none.

    Raises:
        ValueError: A name is no HTTP token or is the client's own business, or a value holds a control character.
        TypeError: A value is no str.

    """
    checked = CIMultiDict(headers or ())
    for name, value in checked.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} cannot be a header's name")
        if name.lower() in _RESERVED:
            raise ValueError(f"the header {name} cannot be given: {_RESERVED[name.lower()]}")
        if not isinstance(value, str):
            raise TypeError(f"the header {name} is a {type(value).__name__}: write its value as str")
        if _CONTROL.search(value):
            raise ValueError(
                f"the header {name} holds a line break or another control character: take it out, or encode it"
            )
    return checked


def put_headers(headers: Mapping[str, str] | None, object_name: str) -> CIMultiDict[str]:
    """Complete the headers of ``PutObject`` with a Content-Type guessed from the name."""
    completed = checked_headers(headers)
    completed.setdefault("Content-Type", content_type_of(object_name))
    return completed


def copy_headers(headers: Mapping[str, str] | None, copy_source: str) -> CIMultiDict[str]:
    """Complete the headers of ``CopyObject``; metadata or tags in them replace the source's, as is surely meant.

    Without ``x-amz-metadata-directive: REPLACE``, and the like for tags, S3 passes such headers over without a word.
    """
    completed = checked_headers(headers)
    completed["x-amz-copy-source"] = copy_source
    names = {name.lower() for name in completed}
    if names & _COPIED or any(name.startswith("x-amz-meta-") for name in names):
        completed.setdefault("x-amz-metadata-directive", "REPLACE")
    if "x-amz-tagging" in names:
        completed.setdefault("x-amz-tagging-directive", "REPLACE")
    return completed


def content_type_of(object_name: str) -> str:
    """Guess a media type from the end of a name; ``application/octet-stream`` where it says nothing."""
    _, dot, ending = object_name.rpartition(".")
    return _content_type_by_ending(ending.lower()) if dot else _UNKNOWN_TYPE


@functools.lru_cache(maxsize=512)
def _content_type_by_ending(ending: str) -> str:
    guessed, packing = mimetypes.guess_type(f"file.{ending}", strict=False)
    return (_PACKED.get(packing) if packing else guessed) or _UNKNOWN_TYPE
