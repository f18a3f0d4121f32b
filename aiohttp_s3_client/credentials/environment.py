"""The identity in the environment's variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("EnvironmentCredentials",)

# For each part, the variables that may hold it; the first that is not blank counts.
_ACCESS_KEY_ID: Final = ("AWS_ACCESS_KEY_ID",)
_SECRET_ACCESS_KEY: Final = ("AWS_SECRET_ACCESS_KEY",)
_SESSION_TOKEN: Final = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_REGION: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")


class EnvironmentCredentials(KnownCredentials):
    """The identity in ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``, as it is when made.

    The older ``AWS_SECURITY_TOKEN`` is read where ``AWS_SESSION_TOKEN`` is blank, and the region is ``AWS_REGION``, or
    else ``AWS_DEFAULT_REGION``. Whitespace around a value is taken off: a line end from a file or a shell would make
    every signature wrong. A session token without any key is a leftover, and not taken.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
    """

    __slots__ = ()

    # The default is None, since a signature shows its defaults, and os.environ has secrets in it.
    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read ``environ``, or where it is None the environment of this process."""
        super().__init__(_read(os.environ if environ is None else environ))


def _read(environ: Mapping[str, str]) -> PartialCredentials:
    """Take the parts from their variables."""
    id_name, access_key_id = _first(environ, _ACCESS_KEY_ID)
    secret_name, secret_access_key = _first(environ, _SECRET_ACCESS_KEY)
    token_name, session_token = _first(environ, _SESSION_TOKEN)
    _, region = _first(environ, _REGION)
    if not id_name and not secret_name:
        leftover = f" ({token_name} alone is no identity)" if token_name else ""
        looked = (f"environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set{leftover}",)
        return PartialCredentials("environment", region=region, looked=looked)
    names = ", ".join(name for name in (id_name, secret_name, token_name) if name)
    return PartialCredentials(f"environment ({names})", access_key_id, secret_access_key, session_token, region)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """Give the first variable that is not blank and its value, or two empty strings."""
    for name in names:
        value = environ.get(name, "").strip()
        if value:
            return name, value
    return "", ""
