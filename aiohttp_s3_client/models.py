"""Values that the client takes and gives: an identity, what a listing says of objects, what S3 says of an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ("Credentials", "ErrorDocument", "ObjectMeta", "ObjectsPage")


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
