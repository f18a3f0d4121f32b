"""The objects of the benchmark, made in the same way by the servers that hold them and the workers that check them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL_SIZE: Final = 1024
SMALL_BODY: Final = b"".join(hashlib.sha256(bytes([index])).digest() for index in range(SMALL_SIZE // 32))
SMALL_COUNT: Final = 256
"""How many names the small objects have: enough that no two requests in flight are for the same one."""
READ_FOLDER: Final = "objects"
"""Where the small objects are that every server holds from the start."""

LISTED_COUNT: Final = 100_000

TRANSFER_FOLDER: Final = "transfers"
"""Where the objects are that are downloaded: named like the files that they are the same as."""
UPLOAD_FOLDER: Final = "uploads"
RECEIVED_FOLDER: Final = "received"
ROOM_NAME: Final = "room"
"""A file that only takes memory, which is free when the worker has removed it."""
FILE_SIZE: Final = 64 * 1024
"""The size of one of many small files."""


class ListedObject(NamedTuple):
    """What a client must have understood of one entry of the listing."""

    key: str
    size: int


def small_name(folder: str, number: int) -> str:
    """Name the small object with a running number."""
    return f"{folder}/{number % SMALL_COUNT:03d}.bin"


def large_name(size: int) -> str:
    """Name the large file of ``size`` bytes."""
    return f"large-{size}.bin"


def file_name(number: int) -> str:
    """Name one of the small files."""
    return f"files/{number:05d}.bin"


def listed_objects() -> Iterator[ListedObject]:
    """Give all entries of the listing, in S3's order: a table partitioned by day and hour, as data lakes have them.

    The keys have a ``=``, which the server percent-encodes when it is asked for ``encoding-type=url``.
    """
    return map(_listed_object, range(LISTED_COUNT))


def _listed_object(number: int) -> ListedObject:
    day, in_day = divmod(number, 480)
    hour, part = divmod(in_day, 20)
    month, day_of_month = divmod(day, 28)
    digest = hashlib.blake2b(number.to_bytes(4), digest_size=8).hexdigest()
    key = (
        f"warehouse/events/year=2025/month={month + 1:02d}/day={day_of_month + 1:02d}/hour={hour:02d}/"
        f"part-{part:05d}-{digest}.snappy.parquet"
    )
    return ListedObject(key, int(digest[:6], 16))
