"""What the client asks for an identity, and the base of all providers that know theirs from the start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from aiohttp_s3_client.errors import CredentialsError, CredentialsNotFound

if TYPE_CHECKING:
    from aiohttp_s3_client.credentials.partial import PartialCredentials
    from aiohttp_s3_client.models import Credentials

__all__ = ("AbstractCredentials", "KnownCredentials")


class AbstractCredentials(ABC):
    """A provider: it is asked for an identity before every attempt of every request.

    There are three answers: credentials to sign with, None for "send it unsigned", and a ``CredentialsError`` that
    says where was looked in vain. A provider of one's own needs only ``get``.
    """

    __slots__ = ()

    @abstractmethod
    async def get(self) -> Credentials | None:
        """Give credentials that are valid now, or None when requests shall go unsigned.

        Awaited for every attempt, so it must cost nothing when there is nothing to do.

        Raises:
            CredentialsError: No identity can be had.

        """

    @property
    def current(self) -> Credentials | None:
        """The credentials at hand, without waiting: what the synchronous ``presign_url`` signs with.

        None means unsigned, as in ``get``.

        Raises:
            CredentialsError: There are none at hand; the message names the coroutine to await first.

        """
        raise CredentialsError(f"{type(self).__name__} has no credentials at hand: await its get() first")

    def invalidate(self, refused: Credentials) -> bool:
        """Give ``refused`` no more, since the store says that their token is no longer good.

        True says that ``get`` may then give others; a provider that never has others says False.
        """
        del refused
        return False

    async def stop(self) -> None:  # noqa: B027 - most have nothing to end
        """End what goes on in the background; the client calls it for the providers that it made itself."""

    @property
    def region(self) -> str | None:
        """The region that comes with the identity, or None where it says none."""
        return None


class KnownCredentials(AbstractCredentials):
    """A provider that knows all it ever will when it is made: nothing to fetch, nothing that expires.

    What was found may be incomplete, to be completed by ``merge_credentials``; asked as it is, it then raises.
    """

    __slots__ = ("_credentials", "_found")

    def __init__(self, found: PartialCredentials) -> None:
        """Take what a source says."""
        self._found = found
        self._credentials = found.complete()

    def __repr__(self) -> str:
        """Show the source and the access key ID, and nothing else."""
        return f"<{type(self).__name__} access_key_id={self._found.access_key_id!r} from {self._found.source}>"

    @property
    def found(self) -> PartialCredentials:
        """What was found, complete or not."""
        return self._found

    async def get(self) -> Credentials:
        """Give the identity.

        Raises:
            CredentialsError: It is not there, or not all of it; the message says where was looked.

        """
        return self._credentials or self._identity()

    @property
    def current(self) -> Credentials:
        """The identity, as ``get`` gives it."""
        return self._credentials or self._identity()

    @property
    def region(self) -> str | None:
        """The region that the source names."""
        return self._found.region

    def _identity(self) -> Credentials:
        """Give the identity, or say why there is none."""
        if self._credentials is None:
            raise (CredentialsError if self._found.parts else CredentialsNotFound)(self._found.problem)
        return self._credentials
