"""The identity that a container has by its task (ECS) or pod (EKS), from the service that its environment names."""

from __future__ import annotations

import asyncio
import os
import re
import time
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from yarl import URL

from aiohttp_s3_client.credentials.attempts import ask_patiently, json_answer, unexpected
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.service import Unreachable, credentials_of
from aiohttp_s3_client.errors import CredentialsError, CredentialsNotFound
from aiohttp_s3_client.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp_s3_client.credentials.service import Answer
    from aiohttp_s3_client.models import Credentials

__all__ = ("ContainerCredentials",)

_SOURCE: Final = "container"
_RELATIVE_URI: Final = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_FULL_URI: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a variable's name
_TOKEN_FILE: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a variable's name

_ECS: Final = "http://169.254.170.2"
# The services of ECS and EKS on the link, which plain HTTP may go to beside loopback.
_ON_THE_LINK: Final = {ip_address(host) for host in ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")}
_ALLOWED: Final = "https, or http to localhost, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]"

_SECONDS: Final = 2.0
_ATTEMPTS: Final = 3

_IS_URI: Final = re.compile(r"[\x21-\x7e]+")
_IS_TOKEN: Final = re.compile(r"[\x20-\x7e]+")


class ContainerCredentials(RefreshingCredentials):
    """The role of an ECS task or of an EKS pod (Pod Identity).

    ``AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`` names a path of ECS's service, or else
    ``AWS_CONTAINER_CREDENTIALS_FULL_URI`` a whole URL: ``https``, or ``http`` to this machine or to the addresses of
    ECS and EKS on the link, since whoever is asked gets the authorization token, and is believed. That token is read
    from the file ``AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`` before each fetch, as it changes, or else from
    ``AWS_CONTAINER_AUTHORIZATION_TOKEN``; it may be missing.

    ``get`` raises ``CredentialsNotFound`` where neither URI is set, and else ``CredentialsError`` for whatever fails.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        relative_to: str = _ECS,
        timeout: float = _SECONDS,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the variables, which are read before each fetch.

        Args:
            environ: The variables; None is the environment of this process.
            relative_to: The service that a relative URI belongs to; another one than ECS's is for tests.
            timeout: The time limit for one request, in seconds; there are 3 attempts.
            clock: Gives the seconds since the epoch.
            sleep: Waits for seconds.

        """
        super().__init__(clock=clock, sleep=sleep)
        self._environ = os.environ if environ is None else environ
        self._relative_to = relative_to
        self._timeout = timeout

    async def _fetch(self) -> Credentials:
        """Ask the service that the environment names."""
        url = self._url()
        token = await self._token()
        # The path is what ECS knows the task by, and all that it asks for: it stays out of errors.
        source = f"{_SOURCE}: the service at {URL(url, encoded=True).authority}"
        try:
            answer = await ask_patiently(
                "GET",
                url,
                seconds=self._timeout,
                attempts=_ATTEMPTS,
                sleep=self._sleep,
                headers={"Accept": "application/json"} | ({} if token is None else {"Authorization": token}),
            )
        except Unreachable as error:
            cause = error.__cause__
            raise CredentialsError(
                f"{source} does not answer, in {_ATTEMPTS} attempts: {type(cause).__name__}"
            ) from cause
        _check(answer, source)
        return credentials_of(json_answer(answer, source), source)

    def _url(self) -> str:
        """Give the URL to ask."""
        if relative := self._variable(_RELATIVE_URI):
            # Without the slash, "@host" would lead elsewhere.
            if not relative.startswith("/") or not _IS_URI.fullmatch(relative):
                raise CredentialsError(f"{_SOURCE}: {_RELATIVE_URI} is not a path that begins with a slash")
            return self._relative_to + relative
        if full := self._variable(_FULL_URI):
            _check_address(full)
            return full
        raise CredentialsNotFound(f"{_SOURCE}: {_RELATIVE_URI} and {_FULL_URI} are not set")

    async def _token(self) -> str | None:
        """Give the authorization token, or None where there is none."""
        if path := self._variable(_TOKEN_FILE):
            name = f"the file of {_TOKEN_FILE}"
            try:
                content = await in_thread(Path(path).read_bytes)
            except (OSError, ValueError) as error:
                raise CredentialsError(f"{_SOURCE}: {name} cannot be read: {error}") from error
            return _usable(content.decode("ascii", "replace"), name)
        token = self._environ.get(_TOKEN, "")
        return _usable(token, _TOKEN) if token.strip() else None

    def _variable(self, name: str) -> str:
        return self._environ.get(name, "").strip()


def _check_address(full: str) -> None:
    """Refuse a URL that a token must not be sent to."""
    try:
        url = URL(full, encoded=True)
        host, has_password = url.host, url.user is not None or url.password is not None
    except ValueError:
        host, has_password = None, False
    if not host or not _IS_URI.fullmatch(full):
        raise CredentialsError(f"{_SOURCE}: {_FULL_URI} is not a URL")
    if has_password:
        raise CredentialsError(f"{_SOURCE}: {_FULL_URI} has a user in it: give the token by {_TOKEN}")
    if url.scheme == "https" or (url.scheme == "http" and _is_near(host)):
        return
    raise CredentialsError(f"{_SOURCE}: {_FULL_URI} leads to {url.scheme}://{host}, and allowed are only {_ALLOWED}")


def _is_near(host: str) -> bool:
    """Say whether a host is this machine, or the service on the link; names are not looked up."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address in _ON_THE_LINK


def _usable(token: str, name: str) -> str:
    """Refuse a token that would break out of its header."""
    if not token:
        raise CredentialsError(f"{_SOURCE}: {name} is empty")
    if "\r" in token or "\n" in token:
        raise CredentialsError(f"{_SOURCE}: {name} has a line end in it: write the token without one")
    if not _IS_TOKEN.fullmatch(token):
        raise CredentialsError(f"{_SOURCE}: {name} has a character that a header cannot have")
    return token


def _check(answer: Answer, source: str) -> None:
    """See that an answer is a success."""
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise CredentialsError(f"{source} refuses the authorization token (status {answer.status})")
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CredentialsError(f"{source} knows nothing of this task or pod (status 404)")
    if answer.status != HTTPStatus.OK:
        raise unexpected(answer, source)
