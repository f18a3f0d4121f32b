"""The pages of a listing as files: ``ListObjectsV2`` in the form that S3 writes it."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from shared.objects import listed_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shared.objects import ListedObject

KEYS_PER_PAGE: Final = 1000
FIRST_PAGE: Final = "first"


def write_pages(folder: Path, bucket: str) -> None:
    """Write every page twice: ``plain/`` has the keys as they are, ``url/`` as ``encoding-type=url`` wants them."""
    pages = list(_batches(listed_objects()))
    for encoding in ("plain", "url"):
        (folder / encoding).mkdir(parents=True)
        for number, page in enumerate(pages):
            following = _token(number + 1) if number + 1 < len(pages) else None
            document = _document(page, bucket, encoding, following)
            (folder / encoding / f"{_token(number)}.xml").write_text(document)


def _batches(objects: Iterator[ListedObject]) -> Iterator[list[ListedObject]]:
    while page := list(itertools.islice(objects, KEYS_PER_PAGE)):
        yield page


def _token(number: int) -> str:
    return FIRST_PAGE if number == 0 else hashlib.sha256(f"page {number}".encode()).hexdigest()


def _document(page: Sequence[ListedObject], bucket: str, encoding: str, following: str | None) -> str:
    more = f"<NextContinuationToken>{following}</NextContinuationToken>" if following else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix></Prefix>{more}<KeyCount>{len(page)}</KeyCount><MaxKeys>{KEYS_PER_PAGE}</MaxKeys>"
        f"{'<EncodingType>url</EncodingType>' if encoding == 'url' else ''}"
        f"<IsTruncated>{'true' if following else 'false'}</IsTruncated>"
        f"{''.join(_contents(entry, encoding) for entry in page)}"
        "</ListBucketResult>"
    )


def _contents(entry: ListedObject, encoding: str) -> str:
    key = quote(entry.key) if encoding == "url" else entry.key
    etag = hashlib.blake2b(entry.key.encode(), digest_size=16).hexdigest()
    return (
        f"<Contents><Key>{key}</Key><LastModified>2025-07-17T08:{entry.size % 60:02d}:{int(etag[:6], 16) % 60:02d}.000Z"
        f"</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{entry.size}</Size><StorageClass>STANDARD</StorageClass>"
        "</Contents>"
    )
