"""The header ``Content-Range``: which bytes an answer holds, and how many the whole object has."""

from __future__ import annotations

import re
from typing import Final

from aiohttp_s3_client.errors import InvalidResponseError
from aiohttp_s3_client.models import ByteRange

__all__ = ("parse_content_range", "parse_unsatisfied_range")

# Source: https://www.rfc-editor.org/rfc/rfc9110#section-14.4; no file has a size of more than 19 digits.
_SATISFIED: Final = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.IGNORECASE)
_UNSATISFIED: Final = re.compile(r"bytes \*/([0-9]{1,19})", re.IGNORECASE)


def parse_content_range(text: str) -> tuple[ByteRange, int]:
    """Read ``bytes 0-9/10`` as the range of the bytes that came, and the object's size in bytes.

    Raises:
        InvalidResponseError: It is not of this form, or the range is not inside of the object.

    """
    match = _SATISFIED.fullmatch(text.strip())
    if match is None:
        raise InvalidResponseError(f"the answer's Content-Range is no range of an object of known size: {text[:80]!r}")
    first, last, size = map(int, match.groups())
    if not first <= last < size:
        raise InvalidResponseError(f"the answer's Content-Range is not inside of the object: {text[:80]!r}")
    return ByteRange(first, last + 1), size


def parse_unsatisfied_range(text: str) -> int | None:
    """Read ``bytes */10``, which comes with 416, as the object's size in bytes; None where it says something else."""
    match = _UNSATISFIED.fullmatch(text.strip())
    return None if match is None else int(match[1])
