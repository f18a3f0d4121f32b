"""Identities that end, and are fetched anew before they do."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client.credentials.base import AbstractCredentials
from aiohttp_s3_client.credentials.single_flight import SingleFlight, end_task, is_alive
from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from aiohttp_s3_client.models import Credentials

__all__ = ("RefreshingCredentials",)

_log = logging.getLogger(__name__)

# So long before the end, requests go on with what there is while something newer is fetched. In seconds.
_EARLY: Final = 15 * 60.0
# And so long before it, they wait for what is newer.
_LATE: Final = 60.0
# The wait after the first refresh that failed, and the longest one.
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
# A sleep does not count the time in which the machine was suspended: the clock is looked at so often. In seconds.
_LONGEST_SLEEP: Final = 60.0
# So long after credentials were refused, no others are fetched for that. In seconds.
_BETWEEN_REFUSALS: Final = 10.0


class RefreshingCredentials(AbstractCredentials):
    """A provider whose credentials are fetched when they are first asked for, and again before they expire.

    From 15 minutes before the end, they are fetched in the background while requests go on with the old ones; from 1
    minute before it, requests wait. However many wait, there is one fetch, in a task of its own: when the request that
    asked for it is cancelled, the others get their credentials all the same. An early fetch that fails is logged and
    made again, after longer and longer waits; what has expired is never given.

    After ``start``, or inside of ``async with``, they are also fetched when no request asks for them: none ever waits.

    A subclass says in ``_fetch`` how they are fetched.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.time, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Know nothing yet; ``clock`` gives seconds since the epoch, and ``sleep`` waits for seconds."""
        self._clock = clock
        self._sleep = sleep
        self._credentials: Credentials | None = None
        # Until then nothing is to be done; and until then requests may go on with what there is.
        self._refused_at = float("-inf")
        self._fresh_until = float("-inf")
        self._usable_until = float("-inf")
        self._wait = _FIRST_WAIT
        self._fetching = SingleFlight(self._renewed, type(self).__name__)
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Do as ``start`` does."""
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Do as ``stop`` does."""
        await self.stop()

    def __repr__(self) -> str:
        """Show the access key ID, and nothing else."""
        known = None if self._credentials is None else self._credentials.access_key_id
        return f"<{type(self).__name__} access_key_id={known!r}>"

    @abstractmethod
    async def _fetch(self) -> Credentials:
        """Fetch credentials, which are valid now.

        Raises:
            CredentialsNotFound: This source is not there.
            CredentialsError: It is there, and gives none.

        """

    async def get(self) -> Credentials:
        """Give credentials that are valid now, fetching them if need be.

        Raises:
            CredentialsError: None can be had.

        """
        now = self._clock()
        if self._credentials is not None and now < self._fresh_until:
            return self._credentials
        return await self._refreshed(now)

    @property
    def current(self) -> Credentials:
        """The credentials at hand.

        Raises:
            CredentialsError: There are none yet, or they have expired.

        """
        if self._credentials is None:
            raise CredentialsError(f"{type(self).__name__} has not fetched its credentials yet: await its get() first")
        if self._has_expired(self._credentials, self._clock()):
            raise CredentialsError(f"the credentials of {type(self).__name__} have expired: await its get() first")
        return self._credentials

    def invalidate(self, refused: Credentials) -> bool:
        """Give these no more; others, which were fetched meanwhile, stay.

        Those that came when others had just been refused stay, too: what the store has against them, none would mend.
        """
        if self._credentials == refused:
            now = self._clock()
            if now - self._refused_at < _BETWEEN_REFUSALS:
                return False
            self._refused_at = now
            self._credentials = None
            self._fresh_until = self._usable_until = float("-inf")
        return True

    async def start(self) -> None:
        """Fetch now, and from now on in the background, before requests would have to wait, until ``stop``.

        Raises:
            CredentialsError: None can be had now; nothing goes on in the background then.

        """
        await self.get()
        if self._keeping is None or not is_alive(self._keeping):
            self._keeping = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def stop(self) -> None:
        """End what goes on in the background; ``get`` still fetches when it is asked."""
        keeping, self._keeping = self._keeping, None
        try:
            await end_task(keeping)
        finally:
            await self._fetching.stop()

    async def _keep_fresh(self) -> None:
        """Fetch whenever it is time to, without being asked."""
        while True:
            left = self._fresh_until - self._clock()
            await self._sleep(min(max(left, self._wait), _LONGEST_SLEEP))
            if self._clock() < self._fresh_until:
                continue
            try:
                await self._fetching.join()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end this, and requests will hear of it
                _log.warning("there are no valid credentials, and new ones could not be had yet: %s", _words(error))

    async def _refreshed(self, now: float) -> Credentials:
        """Have newer credentials fetched, and wait for them unless the old ones do for now."""
        if self._credentials is not None and now < self._usable_until:
            self._fetching.begin()
            return self._credentials
        return await self._fetching.join()

    async def _renewed(self) -> Credentials:
        """Fetch, and keep what comes; a failure while the old ones are valid is for the next time."""
        try:
            fetched = await self._fetch()
            if self._has_expired(fetched, self._clock()):
                raise CredentialsError(f"{type(self).__name__} gives credentials that have expired already")
        except Exception as error:
            wait = self._wait * random.uniform(0.5, 1.0)  # noqa: S311 - a jitter, no secret
            self._wait = min(2 * self._wait, _LONGEST_WAIT)
            now, kept = self._clock(), self._credentials
            if kept is None or kept.expiration is None or self._has_expired(kept, now):
                raise
            _log.warning("credentials that are still valid could not be renewed yet: %s", _words(error))
            self._fresh_until = min(now + wait, kept.expiration.timestamp())
            return kept
        self._keep(fetched)
        return fetched

    def _keep(self, fetched: Credentials) -> None:
        """Reckon until when these will do."""
        self._credentials = fetched
        self._wait = _FIRST_WAIT
        if fetched.expiration is None:
            self._fresh_until = self._usable_until = float("inf")
            return
        now, end = self._clock(), fetched.expiration.timestamp()
        # Of those that end soon, half their time is used before it is tried to get better ones.
        self._fresh_until = max(end - _EARLY, now + (end - now) / 2)
        self._usable_until = max(end - _LATE, self._fresh_until)

    @staticmethod
    def _has_expired(credentials: Credentials, now: float) -> bool:
        return credentials.expiration is not None and credentials.expiration.timestamp() <= now


def _words(error: Exception) -> str:
    """Say what went wrong, for the log; what is not of our own making may have a secret in its words."""
    return str(error) if isinstance(error, CredentialsError) else type(error).__name__
