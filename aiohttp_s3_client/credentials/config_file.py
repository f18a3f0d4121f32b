"""The identity in a profile of AWS's credentials and config files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials
from aiohttp_s3_client.credentials.profiles import read_profile_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_s3_client.credentials.profiles import Profile

__all__ = ("ConfigCredentials", "profile_identity")


class ConfigCredentials(KnownCredentials):
    """The identity in a profile of the shared credentials file and the config file, as they are when it is made.

    The files are ``credentials_path`` and ``config_path``, or else what ``AWS_SHARED_CREDENTIALS_FILE`` and
    ``AWS_CONFIG_FILE`` say, or else ``~/.aws/credentials`` and ``~/.aws/config``; either may be missing. The profile
    is ``profile``, or else ``AWS_PROFILE``, ``AWS_DEFAULT_PROFILE``, or ``default``. A profile is a section ``[name]``
    in the credentials file, and ``[profile name]`` in the config file, where ``[default]`` and ``[name]`` do as well;
    names may be quoted as in a shell.

    The identity comes whole from one file: from the credentials file if that has an access key ID, or else from the
    config file. The region is ``region``, or else the profile's, in the same order. Both files are read at once and
    without leaving the thread.

    Raises:
        CredentialsError: A file is malformed (which one, which line), or the profile that was named does not exist
            (which do). No line's content is ever in the message.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html

    """

    __slots__ = ()

    def __init__(
        self,
        credentials_path: str | os.PathLike[str] | None = None,
        config_path: str | os.PathLike[str] | None = None,
        *,
        profile: str | None = None,
        region: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Read the files; ``environ`` is the environment of this process where it is None."""
        environ = os.environ if environ is None else environ
        files = read_profile_files(environ, credentials_path, config_path)
        super().__init__(profile_identity(files.profile(profile, environ), region))


def profile_identity(profile: Profile, region: str | None) -> PartialCredentials:
    """Take a profile's identity from the one file that has it."""
    region = region or profile.region
    for required in ("aws_access_key_id", "aws_secret_access_key"):
        for file, settings in profile.settings:
            if not settings.get(required):
                continue
            return PartialCredentials(
                f"profile {profile.name!r} of {file.path}",
                settings.get("aws_access_key_id"),
                settings.get("aws_secret_access_key"),
                settings.get("aws_session_token") or settings.get("aws_security_token"),
                region,
            )
    looked = tuple(
        f"profile {profile.name!r} of {file.path}: {file.trouble or _absence(settings)}"
        for file, settings in profile.settings
    )
    return PartialCredentials(f"profile {profile.name!r}", region=region, looked=looked)


def _absence(settings: Mapping[str, str]) -> str:
    """Say what is not there in a file that was read."""
    return "no aws_access_key_id" if settings else "no such profile"
