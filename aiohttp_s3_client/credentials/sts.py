"""AWS's Security Token Service (STS): where it is, what it is asked for a role's credentials, and what it answers."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import ssl
import time
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from yarl import URL

from aiohttp_s3_client.config import RetryPolicy
from aiohttp_s3_client.credentials.attempts import is_passing
from aiohttp_s3_client.credentials.service import Unreachable, ask, credentials_of
from aiohttp_s3_client.endpoint import DEFAULT_REGION, Endpoint
from aiohttp_s3_client.errors import CredentialsError, InvalidResponseError
from aiohttp_s3_client.sigv4 import sign_headers
from aiohttp_s3_client.threads import in_thread
from aiohttp_s3_client.xml import parse_document, parse_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp_s3_client.credentials.service import Answer
    from aiohttp_s3_client.models import Credentials

__all__ = ("STSError", "SecurityTokenService", "check_duration")

_log = logging.getLogger(__name__)

_VERSION: Final = "2011-06-15"
_FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
# For one attempt. In seconds.
_SECONDS: Final = 10.0
_RETRY: Final = RetryPolicy(max_attempts=4, base_delay=0.5, max_delay=2.0)
_LONGEST_MESSAGE: Final = 500
# What a role's credentials may last. In seconds.
_SHORTEST: Final = 900
_LONGEST: Final = 43_200

_GLOBAL: Final = URL("https://sts.amazonaws.com")
_AWS_HOST: Final = re.compile(r"sts(?:-fips)?(?:\.(?P<region>[a-z0-9-]+))?\.amazonaws\.(?:com|com\.cn|eu)")
# The regions that AWS_STS_REGIONAL_ENDPOINTS=legacy sends to the global address; those that are younger have only their
# own. Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html
_LEGACY_REGIONS: Final = frozenset(
    {
        "ap-northeast-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "aws-global",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    }
)


class STSError(CredentialsError):
    """STS answered with an error.

    Attributes:
        status: The HTTP status.
        code: STS's error code, such as ``AccessDenied``; empty where the answer has none.

    """

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        """Take the words, and what to branch on."""
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def may_pass(self) -> bool:
        """Whether the same question may be answered a little later."""
        return (
            is_passing(self.status)
            or self.code.startswith("Throttl")
            or self.code in {"IDPCommunicationError", "RequestLimitExceeded"}
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """One action about one role, with what must not come out of an error about it."""

    action: str
    role_arn: str
    form: Mapping[str, str]
    secrets: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """The body to send."""
        return urlencode({"Action": self.action, "Version": _VERSION, **self.form}).encode()

    def __repr__(self) -> str:
        """Show what is asked, and not with which token."""
        return f"<{self.action} {self.role_arn}>"


class SecurityTokenService:
    """STS at one address: ``endpoint``, or else ``AWS_ENDPOINT_URL_STS``, or else AWS's own in ``region``.

    The region is ``region``, or else ``AWS_REGION`` or ``AWS_DEFAULT_REGION``. Without one, and for the older regions
    where ``AWS_STS_REGIONAL_ENDPOINTS`` is ``legacy``, it is the global address, ``https://sts.amazonaws.com``, which
    wants signatures for us-east-1. ``AWS_CA_BUNDLE`` names a file of certificates to trust instead of the
    system's. What is wrong with any of them is said when STS is first asked.

    An answer that may be another one soon (5xx, throttling, ``IDPCommunicationError``, or none at all) is asked for up
    to 4 times, with growing waits in between, by ``sleep``.

    Source: https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read ``environ``, or where it is None the environment of this process; ``clock`` gives seconds since 1970."""
        environ = os.environ if environ is None else environ
        variable = environ.get("AWS_ENDPOINT_URL_STS", "").strip()
        self._endpoint = ("the STS endpoint", endpoint) if endpoint else ("AWS_ENDPOINT_URL_STS", variable)
        self._region = region or _first(environ, "AWS_REGION", "AWS_DEFAULT_REGION")
        self._is_legacy = environ.get("AWS_STS_REGIONAL_ENDPOINTS", "").strip().lower() == "legacy"
        self._ca_bundle = environ.get("AWS_CA_BUNDLE", "").strip()
        self._clock = clock
        self._sleep = sleep

    @property
    def address(self) -> tuple[URL, str]:
        """The address, and the region that signatures are for.

        Raises:
            CredentialsError: The endpoint is no address, or the region cannot be one.

        """
        source, text = self._endpoint
        if text:
            url = _checked(text, source)
            known = _AWS_HOST.fullmatch(url.host or "")
            return url, (known["region"] or DEFAULT_REGION) if known else self._region or DEFAULT_REGION
        if self._region in {"", "aws-global"} or (self._is_legacy and self._region in _LEGACY_REGIONS):
            return _GLOBAL, DEFAULT_REGION
        try:
            host = Endpoint.for_aws(self._region).authority.removeprefix("s3.")
        except ValueError as error:
            raise CredentialsError(f"STS has no address in that region: {error}") from None
        return URL(f"https://sts.{host}"), self._region

    async def assume_role(
        self,
        source: Credentials,
        role_arn: str,
        *,
        role_session_name: str,
        external_id: str | None = None,
        duration_seconds: int | None = None,
    ) -> Credentials:
        """Exchange credentials for those of a role (``AssumeRole``); the request is signed by ``source``.

        Raises:
            STSError: STS refuses, or fails in all attempts.
            CredentialsError: It does not answer, or with something else.

        Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html

        """
        form = _form(role_arn, role_session_name, duration_seconds)
        if external_id:
            form["ExternalId"] = external_id
        secrets = (source.secret_access_key, source.session_token or "")
        return await self._answer(_Question("AssumeRole", role_arn, form, secrets), source)

    async def assume_role_with_web_identity(
        self, token: str, role_arn: str, *, role_session_name: str, duration_seconds: int | None = None
    ) -> Credentials:
        """Exchange an OpenID token for credentials of a role (``AssumeRoleWithWebIdentity``); nothing is signed.

        Raises:
            STSError: STS refuses, or fails in all attempts.
            CredentialsError: It does not answer, or with something else.

        Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html

        """
        form = _form(role_arn, role_session_name, duration_seconds) | {"WebIdentityToken": token}
        return await self._answer(_Question("AssumeRoleWithWebIdentity", role_arn, form, (token,)), None)

    async def _answer(self, question: _Question, source: Credentials | None) -> Credentials:
        """Ask until there is an answer, or no hope of one."""
        url, region = self.address
        tls = await _trust(self._ca_bundle) if self._ca_bundle and url.scheme == "https" else None
        for wait in _RETRY.delays(random.random):
            try:
                return await self._attempt(question, source, url, region, tls)
            except (Unreachable, STSError) as error:
                if isinstance(error, STSError) and not error.may_pass:
                    raise
                _log.debug("asked again in %.2f s: %s", wait, error)
            await self._sleep(wait)
        return await self._attempt(question, source, url, region, tls)

    async def _attempt(
        self, question: _Question, source: Credentials | None, url: URL, region: str, tls: ssl.SSLContext | None
    ) -> Credentials:
        """Ask once."""
        body = question.body
        headers = {"content-type": _FORM, "host": url.host_port_subcomponent or ""}
        if source is not None:
            # Signed for every attempt anew: one that waited long would be too old.
            headers |= sign_headers(
                "POST",
                url.raw_path,
                "",
                headers.items(),
                sha256(body).hexdigest(),
                source,
                region=region,
                now=self._clock(),
                service="sts",
            )
        answer = await ask("POST", str(url), seconds=_SECONDS, headers=headers, data=body, tls=tls, through_proxy=True)
        asked = f"{question.action} of {question.role_arn} at {url}"
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer, asked, question.secrets)
        return _granted(answer, asked, question.action)


def check_duration(duration_seconds: int | None) -> None:
    """Refuse a life for a role's credentials that STS never gives; None is the role's own.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is out of bounds.

    """
    if duration_seconds is None:
        return
    if not isinstance(duration_seconds, int) or isinstance(duration_seconds, bool):
        raise TypeError(f"duration_seconds is a {type(duration_seconds).__name__}, not an int")
    if not _SHORTEST <= duration_seconds <= _LONGEST:
        raise ValueError(
            f"duration_seconds is {duration_seconds}: STS gives credentials for {_SHORTEST} to {_LONGEST} seconds"
        )


def _form(role_arn: str, role_session_name: str, duration_seconds: int | None) -> dict[str, str]:
    """Give the parameters that both actions have."""
    form = {"RoleArn": role_arn, "RoleSessionName": role_session_name}
    if duration_seconds is not None:
        form["DurationSeconds"] = str(duration_seconds)
    return form


def _first(environ: Mapping[str, str], *names: str) -> str:
    """Give the first variable that is not blank, or an empty string."""
    return next((value for name in names if (value := environ.get(name, "").strip())), "")


def _checked(text: str, source: str) -> URL:
    """Read an address; the error does not show it, since it may have a secret in it."""
    url: URL | None
    try:
        url = URL(text)
    except ValueError:
        url = None
    # Raised out here, since an exception keeps the one in whose handler it is raised.
    if url is None or url.scheme not in {"http", "https"} or not url.host:
        raise CredentialsError(f"{source} is no address: write it as https://host[:port]")
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        raise CredentialsError(f"{source} has more than an address in it: write it as https://host[:port]")
    return url


async def _trust(ca_bundle: str) -> ssl.SSLContext:
    """Trust the certificates of a file, and no others."""
    try:
        return await in_thread(ssl.create_default_context, cafile=ca_bundle)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CredentialsError(f"AWS_CA_BUNDLE: {ca_bundle} gives no certificates: {reason}") from error


def _granted(answer: Answer, asked: str, action: str) -> Credentials:
    """Read the answer that was hoped for."""
    fields: dict[str, str] = {}
    trouble = ""
    try:
        root, namespace = parse_document(answer.text.encode(), f"{action}Response")
    except InvalidResponseError as error:
        trouble = str(error)
    else:
        found = root.find(f"{namespace}{action}Result/{namespace}Credentials")
        fields = {
            child.tag.removeprefix(namespace): (child.text or "").strip() for child in (() if found is None else found)
        }
    if trouble:
        raise CredentialsError(f"{asked}: {trouble}")
    # Without an end they would never be fetched again, and without a token they are not a role's.
    for name in ("SessionToken", "Expiration"):
        if not fields.get(name):
            raise CredentialsError(f"{asked} gives no {name}")
    return credentials_of(fields, asked, token="SessionToken")  # noqa: S106 - the field's name


def _refusal(answer: Answer, asked: str, secrets: tuple[str, ...]) -> STSError:
    """Make an error of any other answer."""
    code, message = _stated(answer.text.encode())
    # Behind the first line of a SignatureDoesNotMatch is the whole canonical request, the session token in it.
    message = message.strip().partition("\n")[0]
    for secret in filter(None, secrets):
        message = message.replace(secret, "***")
    message = message[:_LONGEST_MESSAGE].strip()
    words = " ".join(part for part in (str(answer.status), code) if part)
    return STSError(f"{asked}: {words}: {message or 'no reason given'}", status=answer.status, code=code)


def _stated(document: bytes) -> tuple[str, str]:
    """Give the code and the message of an error document, empty where it is none."""
    try:
        root, namespace = parse_document(document, "ErrorResponse")
    except InvalidResponseError:
        # Some other stores speak of their STS's errors in S3's form.
        plain = parse_error(document)
        return ("", "") if plain is None else (plain.code, plain.message)
    error = f"{namespace}Error/{namespace}"
    return (root.findtext(f"{error}Code") or "").strip(), root.findtext(f"{error}Message") or ""
