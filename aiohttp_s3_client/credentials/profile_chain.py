"""The provider that a profile of AWS's files asks for: keys, a role, an OpenID token, SSO, or a process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client.credentials.assume_role import AssumeRoleCredentials
from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.config_file import profile_identity
from aiohttp_s3_client.credentials.container import ContainerCredentials
from aiohttp_s3_client.credentials.environment import EnvironmentCredentials
from aiohttp_s3_client.credentials.metadata import MetadataCredentials
from aiohttp_s3_client.credentials.process import ProcessCredentials
from aiohttp_s3_client.credentials.sso import SSOCredentials
from aiohttp_s3_client.credentials.sts import check_duration
from aiohttp_s3_client.credentials.web_identity import WebIdentityCredentials
from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_s3_client.credentials.base import AbstractCredentials
    from aiohttp_s3_client.credentials.profiles import Profile, ProfileFiles

__all__ = ("profile_provider",)

_STATIC: Final = ("aws_access_key_id", "aws_secret_access_key")
_CREDENTIAL_SOURCES: Final = ("Environment", "Ec2InstanceMetadata", "EcsContainer")
# The profile's own part of an SSO login, whose presence asks for one, and the part that a session may hold.
_SSO_OWN: Final = ("sso_account_id", "sso_role_name")
_SSO_SHARED: Final = ("sso_start_url", "sso_region")


def profile_provider(
    files: ProfileFiles, profile: Profile, environ: Mapping[str, str], *, region: str | None = None
) -> AbstractCredentials | None:
    """Give the provider that a profile asks for, or None where it says nothing of an identity.

    What it has of these counts, in this order, which is botocore's: a role (``role_arn`` with ``source_profile`` or
    ``credential_source``), a role for an OpenID token (``role_arn`` with ``web_identity_token_file``), an SSO login
    (``sso_account_id`` and ``sso_role_name``, with ``sso_session`` or ``sso_start_url`` and ``sso_region``), keys in
    the credentials file, ``credential_process``, keys in the config file. A source profile's own keys count before its
    role. The settings of both files are taken together; keys are taken whole from one file.

    Nothing is asked over the network, and no process run, before the provider is. ``region`` is that of STS, or else
    ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, or else the profile's, also for the roles of its source profiles.

    Raises:
        CredentialsError: The profile cannot be followed: its source profile does not exist or has no identity, the
            profiles go round in a circle, settings are missing, exclude each other, or are not supported.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html

    """
    region = region or environ.get("AWS_REGION", "").strip() or environ.get("AWS_DEFAULT_REGION", "").strip()
    return _Chain(files, environ, region or profile.region).provider(profile)


@dataclass(frozen=True, slots=True)
class _Chain:
    """What all profiles on the way from a role to its source have in common."""

    files: ProfileFiles
    environ: Mapping[str, str] = field(repr=False)
    region: str | None

    def provider(self, profile: Profile) -> AbstractCredentials | None:
        """Follow the profile that was asked for."""
        if _has_role(profile):
            return self.role(profile, (profile.name,))
        return self.own(profile)

    def own(self, profile: Profile) -> AbstractCredentials | None:
        """Take what a profile has without another profile."""
        settings = profile.merged
        if "web_identity_token_file" in settings:
            return self.web_identity(profile)
        if any(name in settings for name in _SSO_OWN):
            return self.sso(profile)
        return _process_or_keys(profile)

    def role(self, profile: Profile, above: tuple[str, ...]) -> AssumeRoleCredentials:
        """Take a role; ``above`` are the profiles that led here, this one the last."""
        settings = profile.merged
        if "mfa_serial" in settings:
            raise CredentialsError(
                f"{_words(profile)} asks for a code of an MFA device (mfa_serial), which nobody is asked for: "
                f"get its credentials with aws configure export-credentials --profile {profile.name} --format env, "
                "and put them into the environment"
            )
        duration_seconds = _duration(profile)
        return AssumeRoleCredentials(
            self.source(profile, above),
            settings["role_arn"],
            role_session_name=settings.get("role_session_name"),
            external_id=settings.get("external_id"),
            duration_seconds=duration_seconds,
            region=self.region,
            environ=self.environ,
        )

    def source(self, profile: Profile, above: tuple[str, ...]) -> AbstractCredentials:
        """Find who takes a profile's role."""
        settings = profile.merged
        source_profile, credential_source = settings.get("source_profile"), settings.get("credential_source")
        if source_profile and credential_source:
            raise CredentialsError(f"{_words(profile)} has source_profile and credential_source: take one of them out")
        if source_profile:
            return self.source_profile(source_profile, above)
        if credential_source == "Environment":
            return EnvironmentCredentials(self.environ)
        if credential_source == "Ec2InstanceMetadata":
            return MetadataCredentials(environ=self.environ)
        if credential_source == "EcsContainer":
            return ContainerCredentials(environ=self.environ)
        known = ", ".join(_CREDENTIAL_SOURCES)
        if credential_source:
            raise CredentialsError(f"{_words(profile)} has an unknown credential_source: it can be one of {known}")
        raise CredentialsError(
            f"{_words(profile)} has a role_arn, and does not say who takes the role: add a source_profile, "
            f"a credential_source ({known}), or a web_identity_token_file"
        )

    def source_profile(self, name: str, above: tuple[str, ...]) -> AbstractCredentials:
        """Follow a source profile, which may be the profile itself where that has keys."""
        try:
            profile = self.files.profile(name, {})
        except CredentialsError as error:
            raise CredentialsError(f"profile {above[-1]!r} has a source_profile that does not exist: {error}") from None
        has_keys = any(key in profile.merged for key in _STATIC)
        if name in above and not (name == above[-1] and has_keys):
            circle = " -> ".join(repr(passed) for passed in (*above[above.index(name) :], name))
            raise CredentialsError(f"the source profiles go round in a circle: {circle}")
        if _has_role(profile) and not has_keys:
            return self.role(profile, (*above, name))
        found = self.own(profile)
        if found is None:
            raise CredentialsError(f"{_words(profile)} is the source_profile of {above[-1]!r}, and has no identity")
        return found

    def web_identity(self, profile: Profile) -> WebIdentityCredentials:
        """Take a role for an OpenID token."""
        settings = profile.merged
        if "role_arn" not in settings:
            raise CredentialsError(f"{_words(profile)} has a web_identity_token_file and no role_arn: add one")
        return WebIdentityCredentials(
            settings["web_identity_token_file"],
            settings["role_arn"],
            role_session_name=settings.get("role_session_name"),
            duration_seconds=_duration(profile),
            region=self.region,
            environ=self.environ,
        )

    def sso(self, profile: Profile) -> SSOCredentials:
        """Take an SSO login, with what its session says."""
        settings = profile.merged
        session_name = settings.get("sso_session")
        if session_name is not None:
            settings |= self.session(profile, session_name)
        missing = [name for name in (*_SSO_OWN, *_SSO_SHARED) if name not in settings]
        if missing:
            raise CredentialsError(
                f"{_words(profile)} logs in by SSO, and does not say all of it: add {', '.join(missing)}"
            )
        try:
            return SSOCredentials(
                account_id=settings["sso_account_id"],
                role_name=settings["sso_role_name"],
                start_url=settings["sso_start_url"],
                sso_region=settings["sso_region"],
                session_name=session_name,
                environ=self.environ,
            )
        except ValueError as error:
            raise CredentialsError(f"{_words(profile)}: sso_region: {error}") from None

    def session(self, profile: Profile, name: str) -> dict[str, str]:
        """Find an SSO session's settings, which the profile must not contradict."""
        sessions = self.files.sso_sessions
        if name not in sessions:
            known = ", ".join(repr(session) for session in sorted(sessions)) or "none"
            raise CredentialsError(
                f"{_words(profile)} has the sso_session {name!r}, and {self.files.config.path} has no section "
                f"[sso-session {name}]. Sessions there: {known}"
            )
        shared = {key: value for key, value in sessions[name].items() if value}
        for key, value in profile.merged.items():
            if shared.get(key, value) != value:
                raise CredentialsError(f"{_words(profile)} and its sso_session {name!r} have two values for {key}")
        return shared


def _has_role(profile: Profile) -> bool:
    """Whether a profile has a role that another identity takes."""
    settings = profile.merged
    return "role_arn" in settings and "web_identity_token_file" not in settings


def _process_or_keys(profile: Profile) -> AbstractCredentials | None:
    """Take the keys of the credentials file, or else a process, or else the keys of the config file."""
    command = profile.merged.get("credential_process")
    (_, in_credentials), _ = profile.settings
    if command and not in_credentials.get("aws_access_key_id"):
        return _process(profile, command)
    # A secret alone is no identity, but whoever wrote it meant one: asked, it says what is missing.
    found = profile_identity(profile, None)
    return KnownCredentials(found) if found.parts else None


def _process(profile: Profile, command: str) -> ProcessCredentials:
    """Take a program's credentials; it is not run yet."""
    try:
        return ProcessCredentials(command)
    except ValueError as error:
        raise CredentialsError(f"{_words(profile)}: {error}") from None


def _duration(profile: Profile) -> int | None:
    """Read how long a role's credentials shall last."""
    text = profile.merged.get("duration_seconds")
    if text is None:
        return None
    trouble = ""
    try:
        seconds = int(text)
        check_duration(seconds)
    except ValueError:
        trouble = f"{_words(profile)} has a duration_seconds that is no number from 900 to 43200"
    if trouble:
        raise CredentialsError(trouble)
    return seconds


def _words(profile: Profile) -> str:
    """Name a profile, and the files that it is in."""
    places = " and ".join(file.path for file, settings in profile.settings if settings)
    return f"profile {profile.name!r} of {places}"
