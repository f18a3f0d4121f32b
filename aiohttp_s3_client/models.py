"""Values that the client takes and gives: an identity, what a listing says of objects, what S3 says of an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

__all__ = (
    "ByteRange",
    "Credentials",
    "ErrorDocument",
    "ObjectInfo",
    "ObjectMeta",
    "ObjectsPage",
    "Part",
    "PartsPage",
    "Progress",
    "Transferred",
    "UploadResult",
)

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An identity at one moment: what a request is signed with.

    ``expiration`` is an aware datetime, or None for a long-lived identity. The secret and the token are left out
    of ``repr``.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None


# A page of a listing makes a thousand of these, and a tuple is made three times as fast as a frozen dataclass.
class ObjectMeta(NamedTuple):
    """What a listing says of one object; None where the store did not say it.

    ``size`` is in bytes, ``last_modified`` an aware datetime, ``etag`` opaque and with its quotes. ``checksum_type``
    is ``FULL_OBJECT`` or ``COMPOSITE``.
    """

    key: str
    size: int | None
    etag: str | None
    last_modified: datetime | None
    storage_class: str | None
    owner_id: str | None = None
    checksum_algorithms: tuple[str, ...] = ()
    checksum_type: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectsPage:
    """One answer to ``ListObjectsV2``: the objects, the prefixes up to the delimiter, and how to go on."""

    objects: list[ObjectMeta]
    common_prefixes: list[str]
    is_truncated: bool
    next_continuation_token: str | None


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """What S3 says of an error in its XML document; empty where it says nothing."""

    code: str
    message: str = ""
    resource: str = ""
    request_id: str = ""
    host_id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes of an object from ``start`` up to, and without, ``end``.

    Raises:
        ValueError: it is empty, or begins before the object.

    """

    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse what no header can say."""
        if not 0 <= self.start < self.end:
            raise ValueError(f"{self.start} to {self.end} is no range of bytes: the end comes after the start")

    def __str__(self) -> str:
        """Write it as HTTP does, where the last byte is included."""
        return f"bytes={self.start}-{self.end - 1}"

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload, as the store has it; ``size`` is in bytes, ``part_number`` counts from 1."""

    part_number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What the store says of an object that was written.

    ``etag`` is opaque and with its quotes, ``version_id`` None in a bucket without versions, ``location`` the object's
    address as the store sees it, where it says so.
    """

    etag: str | None
    version_id: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is: bytes never go back, however often one has to be sent again.

    ``bytes_total`` and ``parts_total`` are None as long as nobody knows them; ``attempts`` counts the requests.
    """

    bytes_done: int
    bytes_total: int | None
    parts_done: int
    parts_total: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class PartsPage:
    """One answer to ``ListParts``: the parts, and how to go on."""

    parts: list[Part]
    is_truncated: bool
    next_part_number_marker: str | None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store says of an object; ``size`` is in bytes, ``etag`` opaque and with its quotes."""

    etag: str | None
    size: int | None
    version_id: str | None


@dataclass(frozen=True, slots=True)
class Transferred(Generic[_Result]):
    """What became of one of many objects: it has a ``result``, or an ``error``.

    ``path`` is the file; None where the object's name cannot be the name of one.
    """

    object_name: str
    path: Path | None
    result: _Result | None = None
    error: Exception | None = None
