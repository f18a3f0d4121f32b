"""The credentials of a role, for an OpenID token in a file: EKS's roles for service accounts (IRSA), and others."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.sts import SecurityTokenService, check_duration
from aiohttp_s3_client.errors import CredentialsError, CredentialsNotFound
from aiohttp_s3_client.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp_s3_client.models import Credentials

__all__ = ("WebIdentityCredentials",)

_TOKEN_FILE: Final = "AWS_WEB_IDENTITY_TOKEN_FILE"  # noqa: S105 - a variable's name
_ROLE_ARN: Final = "AWS_ROLE_ARN"
# STS takes no longer tokens. In bytes.
_LIMIT: Final = 20_000


class WebIdentityCredentials(RefreshingCredentials):
    """The credentials of a role that STS gives for the OpenID token in a file (``AssumeRoleWithWebIdentity``).

    The file is ``token_file``, or else what ``AWS_WEB_IDENTITY_TOKEN_FILE`` says; the role ``role_arn``, or else
    ``AWS_ROLE_ARN``; the name that the session has in AWS's logs ``role_session_name``, or else
    ``AWS_ROLE_SESSION_NAME``, or a made one. ``region`` is the region of STS, and what ``region`` says then;
    ``SecurityTokenService`` says where STS is. The file is read again at each refresh, since its token is replaced
    long before it ends.

    Asking raises ``CredentialsNotFound`` where no file is named, and ``CredentialsError`` where no role is, the file
    cannot be read, or STS gives nothing.

    Raises:
        TypeError: ``duration_seconds`` is no whole number.
        ValueError: It is not from 900 to 43200.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html

    """

    def __init__(
        self,
        token_file: str | os.PathLike[str] | None = None,
        role_arn: str | None = None,
        *,
        role_session_name: str | None = None,
        duration_seconds: int | None = None,
        region: str | None = None,
        sts_endpoint: str | None = None,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read ``environ``, or where it is None the environment of this process."""
        super().__init__(clock=clock, sleep=sleep)
        check_duration(duration_seconds)
        environ = os.environ if environ is None else environ
        self._token_file = os.fspath(token_file or environ.get(_TOKEN_FILE, "").strip())
        self._role_arn = role_arn or environ.get(_ROLE_ARN, "").strip()
        self._role_session_name = role_session_name or environ.get("AWS_ROLE_SESSION_NAME", "").strip()
        self._duration_seconds = duration_seconds
        self._region = region
        self._sts = SecurityTokenService(
            endpoint=sts_endpoint, region=region, environ=environ, clock=clock, sleep=sleep
        )

    @property
    def region(self) -> str | None:
        """The region that was given."""
        return self._region

    async def _fetch(self) -> Credentials:
        """Read the token, and exchange it."""
        if not self._token_file:
            # Scripts often keep a role for themselves in AWS_ROLE_ARN: alone, it asks for nothing here.
            leftover = f" ({_ROLE_ARN} alone is no identity)" if self._role_arn else ""
            raise CredentialsNotFound(f"web identity: {_TOKEN_FILE} is not set{leftover}")
        if not self._role_arn:
            raise CredentialsError(
                f"web identity: there is a token file, {self._token_file}, and no role: set {_ROLE_ARN}"
            )
        token = await in_thread(_token, self._token_file)
        return await self._sts.assume_role_with_web_identity(
            token,
            self._role_arn,
            role_session_name=self._role_session_name or f"aiohttp-s3-client-{int(self._clock())}",
            duration_seconds=self._duration_seconds,
        )


def _token(path: str) -> str:
    """Read the token; nothing of it is in an error."""
    trouble, content = "", b""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        trouble = f"cannot be read: {error.strerror}"
    token = content.decode("ascii", "replace").strip()
    if len(content) > _LIMIT or not token.isprintable() or "\ufffd" in token:
        trouble = "holds no token"
    if not trouble and not token:
        trouble = "is empty"
    # Raised out here: in a handler, the error would keep the other one.
    if trouble:
        raise CredentialsError(f"web identity: the token file {path} ({_TOKEN_FILE}) {trouble}")
    return token
