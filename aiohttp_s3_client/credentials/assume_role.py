"""The credentials of a role, for other credentials that may take it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aiohttp_s3_client.credentials.base import AbstractCredentials
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.sts import SecurityTokenService, STSError, check_duration
from aiohttp_s3_client.errors import ENDED_CODES, CredentialsError, CredentialsNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp_s3_client.models import Credentials

__all__ = ("AssumeRoleCredentials",)


class AssumeRoleCredentials(RefreshingCredentials):
    """The credentials of a role that STS gives to those of ``source`` (``AssumeRole``).

    ``source`` is any provider, also another of this class: roles can be chained. It is asked at each refresh, and
    ended by ``stop``. ``role_session_name`` is the name that the session has in AWS's logs; ``external_id`` is what the
    role's owner asks for; ``duration_seconds`` is from 900 to 43200, by default what the role says. ``region`` is the
    region of STS, or else the source's, or else the environment's; ``SecurityTokenService`` says where STS is.

    Asking raises a ``CredentialsError`` where the source has no credentials, or STS gives none.

    Raises:
        TypeError: ``source`` is no provider, or ``duration_seconds`` no whole number.
        ValueError: ``duration_seconds`` is out of bounds, or ``role_arn`` blank.

    Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html

    """

    def __init__(
        self,
        source: AbstractCredentials,
        role_arn: str,
        *,
        role_session_name: str | None = None,
        external_id: str | None = None,
        duration_seconds: int | None = None,
        region: str | None = None,
        sts_endpoint: str | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read ``environ``, or where it is None the environment of this process, for where STS is."""
        super().__init__(clock=clock, sleep=sleep)
        if not isinstance(source, AbstractCredentials):
            raise TypeError(f"source is a {type(source).__name__}, not a provider such as StaticCredentials")
        if not role_arn.strip():
            raise ValueError("role_arn is blank: write it as arn:aws:iam::ACCOUNT:role/NAME")
        check_duration(duration_seconds)
        self._source = source
        self._role_arn = role_arn.strip()
        self._role_session_name = role_session_name
        self._external_id = external_id
        self._duration_seconds = duration_seconds
        self._region = region or source.region
        self._sts = SecurityTokenService(
            endpoint=sts_endpoint, region=self._region, environ=environ, clock=clock, sleep=sleep
        )

    @property
    def region(self) -> str | None:
        """The region that was given, or else the source's."""
        return self._region or self._source.region

    async def stop(self) -> None:
        """End what is being fetched, and the source."""
        await super().stop()
        await self._source.stop()

    async def _fetch(self) -> Credentials:
        """Ask the source, then STS; once more where STS knows better that the source's have expired."""
        source = await self._source_credentials()
        try:
            return await self._assume(source)
        except STSError as error:
            if error.code not in ENDED_CODES or not self._source.invalidate(source):
                raise
        return await self._assume(await self._source_credentials())

    async def _source_credentials(self) -> Credentials:
        """Ask the source."""
        try:
            found = await self._source.get()
        except CredentialsNotFound as error:
            # The role was asked for: that its source is not there is no reason to take another identity.
            raise CredentialsError(f"the source of {self._role_arn} is not there: {error}") from error
        if found is None:
            raise CredentialsError(f"the source of {self._role_arn} is anonymous: a role is given to an identity only")
        return found

    async def _assume(self, source: Credentials) -> Credentials:
        """Ask STS."""
        return await self._sts.assume_role(
            source,
            self._role_arn,
            role_session_name=self._role_session_name or f"aiohttp-s3-client-{int(self._clock())}",
            external_id=self._external_id,
            duration_seconds=self._duration_seconds,
        )
