"""Identities that the caller states: a pair of keys, or none on purpose."""

from __future__ import annotations

from aiohttp_s3_client.credentials.base import AbstractCredentials, KnownCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials

__all__ = ("AnonymousCredentials", "StaticCredentials")


class StaticCredentials(KnownCredentials):
    """A pair of keys, and the session token where they are temporary.

    Raises:
        TypeError: A part is not a str.
        ValueError: ``access_key_id`` or ``secret_access_key`` is blank, or a part has whitespace at an end.

    """

    __slots__ = ()

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: str,
        session_token: str | None = None,
        region: str | None = None,
    ) -> None:
        """Take the parts of the identity."""
        found = PartialCredentials("StaticCredentials", access_key_id, secret_access_key, session_token, region)
        if not found.is_complete:
            missing = "secret_access_key" if found.access_key_id else "access_key_id"
            raise ValueError(
                f"StaticCredentials needs both keys, and {missing} is blank: give it, or use AnonymousCredentials"
            )
        super().__init__(found)


class AnonymousCredentials(AbstractCredentials):
    """No identity, on purpose: requests go unsigned, as public buckets take them."""

    __slots__ = ("_region",)

    def __init__(self, region: str | None = None) -> None:
        """Take the region, where one matters without a signature."""
        self._region = PartialCredentials("AnonymousCredentials", region=region).region

    def __repr__(self) -> str:
        """Show that there is nothing."""
        return "<AnonymousCredentials>"

    async def get(self) -> None:
        """Say that requests go unsigned."""

    @property
    def current(self) -> None:
        """Always None: unsigned."""
        return

    @property
    def region(self) -> str | None:
        """The region that was given."""
        return self._region
