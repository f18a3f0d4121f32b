"""An identity from IAM Identity Center (SSO): a role's credentials for the login that ``aws sso login`` left behind."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import re
import shlex
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp_s3_client.credentials.attempts import is_passing, json_answer, unexpected
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.service import Answer, Unreachable, ask, credentials_of, json_object, moment
from aiohttp_s3_client.endpoint import Endpoint
from aiohttp_s3_client.errors import CredentialsError
from aiohttp_s3_client.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp_s3_client.models import Credentials

__all__ = ("SSOCredentials",)

_log = logging.getLogger(__name__)

# So long before its end, the access token of a session is exchanged for a newer one. In seconds.
_EARLY: Final = 15 * 60.0
# The waits between attempts to reach a service that does not answer or is busy; each is shortened at random.
_WAITS: Final = (0.5, 1.0)
_NO_SUCH_ROLE: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
# An OAuth error's name; anything else that a service may write there is not shown.
_OAUTH_CODE: Final = re.compile(r"[A-Za-z_]{1,40}")
# What a header can hold.
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


class SSOCredentials(RefreshingCredentials):
    """Credentials of one role in one account, for the person who logged in with ``aws sso login``.

    The login is read from the file that the AWS CLI keeps of it, at every fetch: a new login is seen without a restart.
    A login of a named session (``sso_session`` in the profile) holds a token for its renewal; it is renewed from 15
    minutes before its end, and written back for all programs. A login of the old form, of a start URL only, ends when
    it ends.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
    """

    def __init__(
        self,
        *,
        account_id: str,
        role_name: str,
        start_url: str,
        sso_region: str,
        session_name: str | None = None,
        timeout: float = 10.0,
        environ: Mapping[str, str] | None = None,
        portal_endpoint: str | None = None,
        oidc_endpoint: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what a profile says.

        Args:
            account_id: The account that the role is in: ``sso_account_id``.
            role_name: The role: ``sso_role_name``.
            start_url: Where people log in: ``sso_start_url``.
            sso_region: Where Identity Center is, which need not be where the buckets are: ``sso_region``.
            session_name: The name of the profile's ``sso_session``; None for the old form without one.
            timeout: How long one request may take, in seconds.
            environ: The environment that says where the home folder is; by default the process's own.
            portal_endpoint: Where the credentials are, instead of AWS's address in that region.
            oidc_endpoint: Where logins are renewed, instead of AWS's address in that region.
            clock: Gives seconds since the epoch.

        Raises:
            ValueError: ``sso_region`` does not look like a region.

        """
        super().__init__(clock=clock)
        domain = Endpoint.for_aws(sso_region).authority.removeprefix("s3.")
        self._account_id = account_id
        self._role_name = role_name
        self._start_url = start_url
        self._session_name = session_name or None
        self._timeout = timeout
        self._path = _cache_file(session_name or start_url, os.environ if environ is None else environ)
        self._portal = (portal_endpoint or f"https://portal.sso.{domain}").rstrip("/")
        self._oidc = (oidc_endpoint or f"https://oidc.{domain}").rstrip("/")

    async def _fetch(self) -> Credentials:
        """Ask for the role's credentials (``GetRoleCredentials``).

        Raises:
            CredentialsError: Nobody is logged in, the login is over or has no such role, or the service fails.

        """
        login = await self._login()
        query = urlencode({"role_name": self._role_name, "account_id": self._account_id})
        url = f"{self._portal}/federation/credentials"
        answer = await self._ask("GET", f"{url}?{query}", {"x-amz-sso_bearer_token": login.access_token})
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise self._over("is no longer accepted")
        if answer.status in _NO_SUCH_ROLE:
            raise CredentialsError(
                f"the {self._whose} has no role {self._role_name!r} in account {self._account_id!r}: check "
                f"sso_role_name and sso_account_id (status {answer.status})"
            )
        if answer.status != HTTPStatus.OK:
            raise unexpected(answer, url)
        return _role_credentials(json_answer(answer, url), url)

    @property
    def _whose(self) -> str:
        """Which login it is about, in the words of its profile."""
        if self._session_name is None:
            return f"SSO login at {self._start_url}"
        return f"login of SSO session {self._session_name!r}"

    def _over(self, trouble: str) -> CredentialsError:
        """Give the error for a login that is no good, with its cure."""
        if self._session_name is None:
            cure = "`aws sso login --profile NAME` with a profile of this start URL"
        else:
            cure = f"`aws sso login --sso-session {shlex.quote(self._session_name)}`"
        return CredentialsError(f"the {self._whose} {trouble}: run {cure}")

    async def _login(self) -> _Login:
        """Give a login that is valid now.

        Raises:
            CredentialsError: There is none.

        """
        login = await self._cached_login()
        if self._session_name is not None and login.ends - self._clock() < _EARLY:
            try:
                return await self._new_login(login)
            except CredentialsError as error:
                # It may have been renewed by another program at the same moment, which leaves nothing to do here.
                login = await self._cached_login()
                if login.ends <= self._clock():
                    raise self._over(f"has expired and cannot be renewed ({error})") from error
                if login.ends - self._clock() < _EARLY:
                    _log.warning("an SSO login that is still valid could not be renewed: %s", error)
        if login.ends <= self._clock():
            raise self._over("has expired")
        return login

    async def _cached_login(self) -> _Login:
        """Read the login that is on the disk.

        Raises:
            CredentialsError: There is none, or it cannot be read.

        """
        text = await in_thread(_read, self._path)
        if text is None:
            raise self._over(f"is not there, as there is no file {self._path}")
        login = _Login.of(json_object(text, str(self._path)), str(self._path))
        if login is None:
            raise self._over(f"is not in {self._path}, which has no accessToken or no expiresAt")
        return login

    async def _new_login(self, login: _Login) -> _Login:
        """Exchange the refresh token for a new access token (``CreateToken``), and write it down for all programs.

        Raises:
            CredentialsError: That cannot be done.

        """
        url = f"{self._oidc}/token"
        question = json.dumps(_exchange(login.document, str(self._path), self._clock())).encode()
        answer = await self._ask("POST", url, {"Content-Type": "application/json"}, question)
        if answer.status != HTTPStatus.OK:
            raise CredentialsError(f"{url} answers with status {answer.status}{_oauth_code(answer.text)}")
        document = {**login.document, **_granted(json_answer(answer, url), url, self._clock())}
        renewed = _Login.of(document, url)
        if renewed is None:
            raise CredentialsError(f"{url} gives no accessToken")
        try:
            await in_thread(_write, self._path, json.dumps(document))
        except OSError as error:
            _log.warning("the renewed SSO login could not be kept in %s: %s", self._path, error.strerror)
        return renewed

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None = None) -> Answer:
        """Ask one of AWS's services, and once more after a while where it is busy or does not answer.

        Raises:
            CredentialsError: It does not answer, or with something that is no text.

        """
        for wait in _WAITS:
            try:
                answer = await self._ask_once(method, url, headers, data)
            except Unreachable as error:
                _log.debug("asked in vain: %s", error)
            else:
                if not is_passing(answer.status):
                    return answer
            await self._sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - a jitter, no secret
        return await self._ask_once(method, url, headers, data)

    async def _ask_once(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> Answer:
        return await ask(method, url, seconds=self._timeout, headers=headers, data=data, through_proxy=True)


@dataclass(frozen=True, slots=True)
class _Login:
    """A login: the token that proves it, its end in seconds since the epoch, and the whole file, to be kept."""

    access_token: str = field(repr=False)
    ends: float
    document: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], source: str) -> _Login | None:
        """Take the login out of a file's content; None where it is not there.

        Raises:
            CredentialsError: Its end is no time.

        """
        access_token, end = document.get("accessToken"), document.get("expiresAt")
        if not isinstance(access_token, str) or not _TOKEN.fullmatch(access_token) or not isinstance(end, str):
            return None
        return cls(access_token, _seconds(end, source), document)


def _cache_file(name: str, environ: Mapping[str, str]) -> Path:
    """Give the file that the AWS CLI keeps a login in; it is named after the session, or else the start URL."""
    home = environ.get("USERPROFILE" if os.name == "nt" else "HOME")
    folder = Path(home or os.path.expanduser("~"), ".aws", "sso", "cache")  # noqa: PTH111 - Path.home() may raise
    return folder / f"{hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()}.json"


def _read(path: Path) -> str | None:
    """Read a file of the cache; None where there is none.

    Raises:
        CredentialsError: It cannot be read.

    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        trouble = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        trouble = "is not UTF-8 text"
    # Raised out here: in a handler, the error would keep the decoder's, which has the file in it.
    raise CredentialsError(f"{path} {trouble}")


def _write(path: Path, text: str) -> None:
    """Put a file of the cache in the place of the old one, whole or not at all, readable by its owner only.

    Raises:
        OSError: It cannot be written.

    """
    path = path.resolve()
    # mkstemp makes it with mode 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    temporary = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _seconds(text: str, source: str) -> float:
    """Read a time of the cache; older CLIs write ``UTC`` at its end.

    Raises:
        CredentialsError: It is none.

    """
    return moment(f"{text.removesuffix('UTC')}Z" if text.endswith("UTC") else text, source).timestamp()


def _exchange(document: Mapping[str, Any], path: str, now: float) -> dict[str, str]:
    """Make what ``CreateToken`` wants to know, out of a cached login.

    Raises:
        CredentialsError: The login cannot be renewed; no value is in the message.

    """
    question = {"grantType": "refresh_token"}
    for name in ("clientId", "clientSecret", "refreshToken"):
        value = document.get(name)
        if not isinstance(value, str) or not value:
            raise CredentialsError(f"{path} has no {name}")
        question[name] = value
    if _seconds(str(document.get("registrationExpiresAt")), f"registrationExpiresAt in {path}") <= now:
        raise CredentialsError(f"the registration in {path} has expired")
    return question


def _granted(document: Mapping[str, Any], source: str, now: float) -> dict[str, str]:
    """Take what ``CreateToken`` gives, in the cache's words.

    Raises:
        CredentialsError: A field is missing; no value is in the message.

    """
    access_token, lifetime = document.get("accessToken"), document.get("expiresIn")
    if not isinstance(access_token, str):
        raise CredentialsError(f"{source} gives no accessToken")
    if not isinstance(lifetime, int) or not 0 < lifetime < 10**9:
        raise CredentialsError(f"{source} gives no expiresIn")
    end = datetime.fromtimestamp(now + lifetime, UTC)
    granted = {"accessToken": access_token, "expiresAt": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    refresh_token = document.get("refreshToken")
    # Where no new one comes, the old one stays good.
    return {**granted, "refreshToken": refresh_token} if isinstance(refresh_token, str) else granted


def _oauth_code(text: str) -> str:
    """Give the name of an OAuth error in brackets, where there is one."""
    try:
        code = json_object(text, "").get("error")
    except CredentialsError:
        return ""
    return f" ({code})" if isinstance(code, str) and _OAUTH_CODE.fullmatch(code) else ""


def _role_credentials(document: Mapping[str, Any], source: str) -> Credentials:
    """Take an identity out of the answer to ``GetRoleCredentials``.

    Raises:
        CredentialsError: A field is missing; no value is in the message.

    """
    found = document.get("roleCredentials")
    if not isinstance(found, dict):
        raise CredentialsError(f"{source} gives no roleCredentials")
    words = {"accessKeyId": "AccessKeyId", "secretAccessKey": "SecretAccessKey", "sessionToken": "Token"}
    credentials = credentials_of({ours: found.get(name) for name, ours in words.items()}, source)
    try:
        # In milliseconds, unlike everywhere else.
        end = datetime.fromtimestamp(found.get("expiration", "") / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        end = None
    if end is None:
        raise CredentialsError(f"{source} gives an expiration that is no time in milliseconds")
    return replace(credentials, expiration=end)
