"""The search through several sources of identities, which is over at the first that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_s3_client.credentials.base import AbstractCredentials, KnownCredentials
from aiohttp_s3_client.credentials.partial import missing_message
from aiohttp_s3_client.credentials.single_flight import SingleFlight
from aiohttp_s3_client.errors import CredentialsError, CredentialsNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp_s3_client.models import Credentials

__all__ = ("ChainCredentials",)


class ChainCredentials(AbstractCredentials):
    """Several providers, of which the first that has credentials is kept, and asked alone from then on.

    A provider that says ``CredentialsNotFound`` is passed over. Any other error ends the search: a source that is set
    up and fails must not make requests run under another identity. Where none has credentials, a
    ``CredentialsNotFound`` lists what each one said; the next ``get`` searches again.

    However many requests wait, there is one search, which goes on when the request that began it is cancelled.
    """

    __slots__ = ("_kept", "_providers", "_search")

    def __init__(self, providers: Iterable[AbstractCredentials]) -> None:
        """Take the providers, in the order to ask them in.

        Raises:
            TypeError: One of them is no provider.
            ValueError: There are none.

        """
        self._providers = tuple(providers)
        for provider in self._providers:
            if not isinstance(provider, AbstractCredentials):
                raise TypeError(f"{type(provider).__name__} is no provider such as StaticCredentials")
        if not self._providers:
            raise ValueError("a chain needs at least one provider")
        self._search = SingleFlight(self._searched, type(self).__name__)
        self._kept = _known(self._providers)

    def __repr__(self) -> str:
        """Show the providers, in their order."""
        return f"<{type(self).__name__} {list(self._providers)!r}>"

    async def get(self) -> Credentials | None:
        """Give what the kept provider has, after a search for it if need be.

        Raises:
            CredentialsNotFound: No provider has any.
            CredentialsError: One of them should have, and fails.

        """
        if self._kept is not None:
            return await self._kept.get()
        return await self._search.join()

    @property
    def current(self) -> Credentials | None:
        """What the kept provider has at hand.

        Raises:
            CredentialsError: There is none yet, or it has nothing at hand.

        """
        if self._kept is None:
            raise CredentialsError(f"{type(self).__name__} has not searched yet: await its get() first")
        return self._kept.current

    @property
    def region(self) -> str | None:
        """The first region that a provider names, whether or not it has an identity, as in ``merge_credentials``."""
        return next((provider.region for provider in self._providers if provider.region), None)

    def invalidate(self, refused: Credentials) -> bool:
        """Have the kept provider give these no more."""
        return self._kept is not None and self._kept.invalidate(refused)

    async def stop(self) -> None:
        """End the search, and what goes on in the background of every provider."""
        await self._search.stop()
        for provider in self._providers:
            await provider.stop()

    async def _searched(self) -> Credentials | None:
        """Ask one provider after the other, and keep the first that has credentials."""
        looked: list[str] = []
        for provider in self._providers:
            if isinstance(provider, KnownCredentials) and not provider.found.parts:
                looked += provider.found.looked
                continue
            try:
                credentials = await provider.get()
            except CredentialsNotFound as error:
                looked.append(_on_one_line(error))
            except CredentialsError as error:
                if not looked:
                    raise
                places = "".join(f"\n- {line}" for line in looked)
                raise CredentialsError(f"{error}\nLooked in vain before at:{places}") from error
            else:
                self._kept = provider
                return credentials
        raise CredentialsNotFound(missing_message(looked))


def _known(providers: Iterable[AbstractCredentials]) -> AbstractCredentials | None:
    """Give the provider that a search would end at, where that is known without asking anybody."""
    for provider in providers:
        if not isinstance(provider, KnownCredentials):
            return None
        if provider.found.parts:
            return provider
    return None


def _on_one_line(error: CredentialsError) -> str:
    return "; ".join(str(error).splitlines())
