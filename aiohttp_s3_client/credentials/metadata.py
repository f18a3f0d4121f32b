"""The identity that an EC2 instance has by its role, from the instance metadata service (IMDSv2)."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from aiohttp_s3_client.credentials.attempts import ask_patiently, is_page, json_answer, page_error, unexpected
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.service import Answer, Unreachable, credentials_of
from aiohttp_s3_client.errors import CredentialsError, CredentialsNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp_s3_client.models import Credentials

__all__ = ("MetadataCredentials",)

_log = logging.getLogger(__name__)

_SOURCE: Final = "instance metadata"
_ENDPOINTS: Final = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}
_TOKEN: Final = "latest/api/token"  # noqa: S105 - a path
_ROLES: Final = "latest/meta-data/iam/security-credentials/"
_DOCUMENT: Final = "latest/dynamic/instance-identity/document"

_TOKEN_LIFETIME: Final = 21600
_TOKEN_LIFETIME_HEADER: Final = "x-aws-ec2-metadata-token-ttl-seconds"  # noqa: S105 - a header's name
_TOKEN_HEADER: Final = "x-aws-ec2-metadata-token"  # noqa: S105 - a header's name
# A token is not used so shortly before its end: a request takes time. In seconds.
_TOKEN_MARGIN: Final = 60.0

_TIMEOUT: Final = 1.0
_ATTEMPTS: Final = 3

_IS_TOKEN: Final = re.compile(r"[\x21-\x7e]+")
_IS_ROLE: Final = re.compile(r"[A-Za-z0-9_+=,.@-]+")
_IS_REGION: Final = re.compile(r"[a-z0-9-]+")
_IS_CODE: Final = re.compile(r"\w{1,64}")

# What a service that knows nothing of IMDSv2's tokens says when it is asked for one.
_NO_TOKENS: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


class MetadataCredentials(RefreshingCredentials):
    """The role of the EC2 instance that this runs on, and the region of the instance.

    They are fetched when they are first asked for, and again before they expire. After ``start``, or inside of ``async
    with``, a task in the background does that, so that no request ever waits::

        credentials = MetadataCredentials()
        await credentials.start()
        async with S3Client(url, credentials=credentials) as client: ...
        await credentials.stop()

    Only IMDSv2 is spoken, which asks for a token first; there is no way back to IMDSv1, which any program that can be
    made to fetch a URL gives away. In a container on an instance, the instance's hop limit must be 2 or more.

    What is not given comes from the environment: the address from ``AWS_EC2_METADATA_SERVICE_ENDPOINT``, or else from
    ``AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`` (``IPv4`` or ``IPv6``); the time limit of one request from
    ``AWS_METADATA_SERVICE_TIMEOUT`` (else 1 second), and how often each is tried from
    ``AWS_METADATA_SERVICE_NUM_ATTEMPTS`` (else 3 times). ``AWS_EC2_METADATA_DISABLED=true`` switches it off.

    ``get`` raises ``CredentialsNotFound`` where nobody answers, where it is switched off, and where the instance has
    no role, and ``CredentialsError`` where the service is there and gives no credentials.

    Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        timeout: float | None = None,
        attempts: int | None = None,
        host: str | None = None,
        port: int | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the address of the service, as ``endpoint`` or as ``host`` and ``port``, and how long to try.

        Args:
            endpoint: The service's address, ``http://host[:port]``.
            timeout: The time limit for one request, in seconds.
            attempts: How often a request is tried, counting the first.
            host: The service's host, where ``endpoint`` is not given.
            port: The service's port, where ``endpoint`` is not given.
            environ: The variables; None is the environment of this process.
            clock: Gives the seconds since the epoch.
            sleep: Waits for seconds.

        Raises:
            ValueError: ``endpoint`` is no such address, or is given beside ``host`` or ``port``; or ``timeout`` or
                ``attempts`` leaves no time.

        """
        super().__init__(clock=clock, sleep=sleep)
        if timeout is not None and not 0 < timeout < math.inf:
            raise ValueError(f"timeout is {timeout} seconds: give a number above 0")
        if attempts is not None and attempts < 1:
            raise ValueError(f"attempts is {attempts}, and counts the first attempt: give at least 1")
        self._endpoint = _given_endpoint(endpoint, host, port)
        self._timeout = timeout
        self._attempts = attempts
        self._environ = os.environ if environ is None else environ
        self._region: str | None = None
        self._token: str | None = None
        self._token_until = float("-inf")

    @property
    def region(self) -> str | None:
        """The region of the instance, once credentials were fetched; None where the service does not say it."""
        return self._region

    async def _fetch(self) -> Credentials:
        """Fetch the role's credentials, and the region where it is not known yet."""
        if self._environ.get("AWS_EC2_METADATA_DISABLED", "").strip().lower() == "true":
            raise CredentialsNotFound(f"{_SOURCE}: switched off by AWS_EC2_METADATA_DISABLED")
        settings = self._settings()
        role = await self._role(settings)
        credentials = await self._credentials_of_role(settings, role)
        if self._region is None:
            self._region = await self._region_of_instance(settings)
        return credentials

    def _settings(self) -> _Settings:
        """Put together what was given and what the environment says now."""
        return _Settings(
            self._endpoint or _configured_endpoint(self._environ),
            self._timeout or _configured_timeout(self._environ),
            self._attempts or _configured_attempts(self._environ),
        )

    async def _role(self, settings: _Settings) -> str:
        """Ask which role the instance has."""
        answer = await self._asked(settings, _ROLES)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise CredentialsNotFound(f"{_SOURCE}: the instance has no role (status 404)")
        self._check(answer, f"{_SOURCE}: the list of roles at {settings.url}")
        lines = answer.text.split()
        if not lines:
            raise CredentialsNotFound(f"{_SOURCE}: the instance has no role (an empty list)")
        if not _IS_ROLE.fullmatch(lines[0]):
            raise CredentialsError(f"{_SOURCE}: the list of roles at {settings.url} has something that is no role")
        return lines[0]

    async def _credentials_of_role(self, settings: _Settings, role: str) -> Credentials:
        """Ask for the credentials of a role."""
        source = f"{_SOURCE}: the role {role} at {settings.url}"
        answer = await self._asked(settings, _ROLES + role)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise CredentialsError(f"{source} is listed, and has no credentials (status 404)")
        self._check(answer, source)
        document = json_answer(answer, source)
        code = document.get("Code", "Success")
        if code != "Success":
            shown = f"the code {code}" if isinstance(code, str) and _IS_CODE.fullmatch(code) else "a code of no sense"
            raise CredentialsError(f"{source} gives no credentials, but {shown}: check the role's trust in EC2")
        return credentials_of(document, source)

    async def _region_of_instance(self, settings: _Settings) -> str | None:
        """Ask where the instance is; whatever fails here is no failure of the credentials."""
        source = f"{_SOURCE}: the identity document at {settings.url}"
        try:
            answer = await self._asked(settings.hurried, _DOCUMENT)
            self._check(answer, source)
            region = json_answer(answer, source).get("region")
        except CredentialsError as error:
            _log.debug("the region of the instance is not known: %s", error)
            return None
        return region if isinstance(region, str) and _IS_REGION.fullmatch(region) else None

    async def _asked(self, settings: _Settings, path: str) -> Answer:
        """Ask with the token; one that is no longer good is replaced once."""
        answer = await self._asked_with(settings, path, await self._valid_token(settings))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            self._token = None
            answer = await self._asked_with(settings, path, await self._valid_token(settings))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise CredentialsError(f"{_SOURCE}: {settings.url} refuses the token (status 401), also a new one")
        return answer

    async def _asked_with(self, settings: _Settings, path: str, token: str) -> Answer:
        """Ask with this token."""
        return await settings.ask("GET", path, {_TOKEN_HEADER: token}, self._sleep)

    async def _valid_token(self, settings: _Settings) -> str:
        """Give the token that goes with every question, or ask for a new one."""
        now = self._clock()
        if self._token is None or now >= self._token_until:
            self._token = await self._new_token(settings)
            self._token_until = now + _TOKEN_LIFETIME - _TOKEN_MARGIN
        return self._token

    async def _new_token(self, settings: _Settings) -> str:
        """Ask for a token: the first question, which shows whether there is such a service."""
        source = f"{_SOURCE}: the token at {settings.url}"
        try:
            answer = await settings.ask("PUT", _TOKEN, {_TOKEN_LIFETIME_HEADER: str(_TOKEN_LIFETIME)}, self._sleep)
        except Unreachable as error:
            if isinstance(error.__cause__, TimeoutError):
                raise CredentialsNotFound(
                    f"{_SOURCE}: {settings.url} gives no answer within {settings.seconds:g} s (in a container on EC2, "
                    "the instance's hop limit must be 2 or more)"
                ) from error
            if isinstance(error.__cause__, aiohttp.ClientConnectorError):
                raise CredentialsNotFound(f"{_SOURCE}: nobody answers at {settings.url}") from error
            raise
        if answer.status in _NO_TOKENS:
            raise CredentialsNotFound(
                f"{_SOURCE}: {settings.url} gives no tokens (status {answer.status}), so it is no IMDSv2"
            )
        self._check(answer, source)
        token = answer.text.strip()
        if not _IS_TOKEN.fullmatch(token):
            raise CredentialsError(f"{source} is not one")
        return token

    @staticmethod
    def _check(answer: Answer, source: str) -> None:
        """See that an answer is a success, and no page of something else.

        Raises:
            CredentialsError: It is not.

        """
        if answer.status == HTTPStatus.FORBIDDEN:
            raise CredentialsError(f"{source} is forbidden (status 403): the service is turned off for this instance")
        if answer.status != HTTPStatus.OK:
            raise unexpected(answer, source)
        if is_page(answer):
            raise page_error(source)


@dataclass(frozen=True, slots=True)
class _Settings:
    """Where the service is, and how long it is tried."""

    url: str
    seconds: float
    attempts: int

    @property
    def hurried(self) -> _Settings:
        """The same, for a question whose answer is not needed."""
        return _Settings(self.url, self.seconds, 1)

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], sleep: Callable[[float], Awaitable[None]]
    ) -> Answer:
        """Ask the service."""
        return await ask_patiently(
            method,
            f"{self.url}/{path}",
            seconds=self.seconds,
            attempts=self.attempts,
            sleep=sleep,
            headers=headers,
        )


def _given_endpoint(endpoint: str | None, host: str | None, port: int | None) -> str | None:
    """Take the address that the caller gives, in either form, or None."""
    if endpoint is not None and (host or port):
        raise ValueError("endpoint= beside host= or port= makes two addresses: give one of them")
    if endpoint is None and (host or port):
        endpoint = str(URL.build(scheme="http", host=host or "169.254.169.254", port=port or None))
    if endpoint is None:
        return None
    url = _address(endpoint)
    if url is None:
        raise ValueError("endpoint is not an address of the form http://host[:port]")
    return url


def _configured_endpoint(environ: Mapping[str, str]) -> str:
    """Take the address from the environment."""
    name = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    if endpoint := environ.get(name, "").strip():
        url = _address(endpoint)
        if url is None:
            raise CredentialsError(f"{_SOURCE}: {name} is not an address of the form http://host[:port]")
        return url
    mode = environ.get(f"{name}_MODE", "").strip()
    if (mode or "ipv4").lower() not in _ENDPOINTS:
        raise CredentialsError(f"{_SOURCE}: {name}_MODE is {mode!r}: give IPv4 or IPv6")
    return _ENDPOINTS[(mode or "ipv4").lower()]


def _address(text: str) -> str | None:
    """Take an address without the slash at its end, or None where it is none; it must hold no password."""
    try:
        url = URL(text)
        is_address = url.scheme in {"http", "https"} and url.host and url.port
    except ValueError:
        return None
    if not is_address or url.user is not None or url.password is not None or url.raw_query_string or url.fragment:
        return None
    return str(url).rstrip("/")


def _configured_timeout(environ: Mapping[str, str]) -> float:
    """Take the time limit from the environment, in seconds."""
    name = "AWS_METADATA_SERVICE_TIMEOUT"
    text = environ.get(name, "").strip()
    try:
        seconds = float(text or _TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise CredentialsError(f"{_SOURCE}: {name} is {text!r}: give a number of seconds above 0")
    return seconds


def _configured_attempts(environ: Mapping[str, str]) -> int:
    """Take from the environment how often each request is tried."""
    name = "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
    text = environ.get(name, "").strip()
    try:
        attempts = int(text or _ATTEMPTS)
    except ValueError:
        attempts = 0
    if attempts < 1:
        raise CredentialsError(f"{_SOURCE}: {name} is {text!r}: give a number from 1")
    return attempts
