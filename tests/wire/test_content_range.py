"""Content-Range, as stores write it and as none should."""

from __future__ import annotations

import pytest

from aiohttp_s3_client import ByteRange, InvalidResponseError
from aiohttp_s3_client.content_range import parse_content_range, parse_unsatisfied_range


@pytest.mark.parametrize("text", ["bytes 0-9/10", " Bytes 0-9/10 "])
def test_a_range_is_half_open(text: str) -> None:
    """The last byte on the wire is included."""
    assert parse_content_range(text) == (ByteRange(0, 10), 10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes",
        "bytes 0-9/*",
        "bytes */10",
        "bytes 9-0/10",
        "bytes 0-10/10",
        "bytes -1-9/10",
        "bytes 0-9/10, 0-1/2",
        "bytes \u0660-9/10",
        "bytes 0_0-9/10",
        "bytes +0-9/10",
        f"bytes 0-{'9' * 5000}/{'9' * 5000}",
        "bytes 0-9/10\n1",
    ],
)
def test_anything_else_is_an_error(text: str) -> None:
    """Nothing of it can be written anywhere."""
    with pytest.raises(InvalidResponseError):
        parse_content_range(text)


@pytest.mark.parametrize(("text", "size"), [("bytes */0", 0), ("bytes */10", 10), ("bytes */*", None), ("", None)])
def test_what_comes_with_416_says_the_size(text: str, size: int | None) -> None:
    """Or says nothing."""
    assert parse_unsatisfied_range(text) == size
