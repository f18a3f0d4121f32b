"""The two files of profiles that AWS's tools share: where they are, and what they say."""

from __future__ import annotations

import configparser
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Profile", "ProfileFile", "ProfileFiles", "read_profile_files")

# Sections of the config file that begin with one of these words, and go on with a name, are no profiles.
_OTHER_SECTIONS = frozenset({"services", "sso-session"})


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """One file's profiles, by name; ``trouble`` says why there are none where it was not read."""

    path: str
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: its settings in the credentials file and in the config file, empty where it is not there."""

    name: str
    files: tuple[ProfileFile, ProfileFile]

    @property
    def settings(self) -> tuple[tuple[ProfileFile, Mapping[str, str]], ...]:
        """Each file with its settings of this profile, the credentials file first."""
        return tuple((file, file.profiles.get(self.name, {})) for file in self.files)

    @property
    def merged(self) -> dict[str, str]:
        """The settings of both files, without blank ones; the credentials file's count before the config file's."""
        merged: dict[str, str] = {}
        for _, settings in reversed(self.settings):
            merged |= {name: value for name, value in settings.items() if value}
        return merged

    @property
    def region(self) -> str | None:
        """The region; the credentials file's counts before the config file's, as in AWS's own tools."""
        return next((region for _, settings in self.settings if (region := settings.get("region"))), None)


@dataclass(frozen=True, slots=True)
class ProfileFiles:
    """The credentials file and the config file.

    ``sso_sessions`` are the settings in the config file's sections ``[sso-session name]``, by name.
    """

    credentials: ProfileFile
    config: ProfileFile
    sso_sessions: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def profile(self, name: str | None, environ: Mapping[str, str]) -> Profile:
        """Find a profile: ``name``, or else ``AWS_PROFILE``, ``AWS_DEFAULT_PROFILE``, or ``default``.

        Raises:
            CredentialsError: It was named, and neither file has it; the message says which exist.

        """
        named = name or environ.get("AWS_PROFILE", "").strip() or environ.get("AWS_DEFAULT_PROFILE", "").strip()
        existing = {*self.credentials.profiles, *self.config.profiles}
        if named and named not in existing:
            known = ", ".join(repr(profile) for profile in sorted(existing)) or "none"
            places = " and ".join(
                f"{file.path} ({file.trouble})" if file.trouble else file.path
                for file in (self.credentials, self.config)
            )
            raise CredentialsError(f"no profile {named!r} in {places}. Profiles there: {known}")
        return Profile(named or "default", (self.credentials, self.config))


def read_profile_files(
    environ: Mapping[str, str],
    credentials_path: str | os.PathLike[str] | None = None,
    config_path: str | os.PathLike[str] | None = None,
) -> ProfileFiles:
    """Read both files: the paths given, or those of the environment, or those in the home folder.

    A file that is not there is empty. So is one in the home folder that may not be read: a service that runs as
    another user often inherits a home that is not its own.

    Raises:
        CredentialsError: A file is malformed, or was named and cannot be read. No line's content is in the message.

    """
    credentials = _read(environ, credentials_path, "AWS_SHARED_CREDENTIALS_FILE", "credentials")
    config = _read(environ, config_path, "AWS_CONFIG_FILE", "config")
    return ProfileFiles(
        credentials,
        ProfileFile(config.path, _config_profiles(config.profiles), config.trouble),
        _named_sections(config.profiles, "sso-session"),
    )


def _read(
    environ: Mapping[str, str], path: str | os.PathLike[str] | None, variable: str, default_name: str
) -> ProfileFile:
    """Read one file's sections."""
    named = path or environ.get(variable, "").strip()
    place = _expanded(os.fspath(named or f"~/.aws/{default_name}"), environ)
    trouble = ""
    text = ""
    # All errors are raised outside of the handlers: an exception keeps the one in whose handler it is raised, and
    # those of the parsers have the file's content in them.
    try:
        text = Path(place).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ProfileFile(place, trouble="no such file")
    except OSError as error:
        if not named:
            return ProfileFile(place, trouble=f"cannot be read: {error.strerror}")
        trouble = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        trouble = f"is not UTF-8 text: byte {error.start + 1}"
    if trouble:
        raise CredentialsError(f"{place} {trouble}")
    return ProfileFile(place, _sections(text, place))


def _expanded(path: str, environ: Mapping[str, str]) -> str:
    """Put the home folder for a leading ``~``."""
    home = environ.get("USERPROFILE" if os.name == "nt" else "HOME")
    if home and path.startswith("~/"):
        return os.path.join(home, path[2:])  # noqa: PTH118 - a path that is shown stays as it was written
    return os.path.expanduser(path)  # noqa: PTH111 - without a home folder this does not raise


def _sections(text: str, path: str) -> dict[str, dict[str, str]]:
    """Parse the INI form. An indented block (``s3 =`` and its settings) is one value."""
    parser = configparser.RawConfigParser()
    trouble = ""
    try:
        parser.read_string(text)
    except configparser.DuplicateSectionError as error:
        trouble = f"line {error.lineno}: a section for the second time"
    except configparser.DuplicateOptionError as error:
        trouble = f"line {error.lineno}: a setting for the second time in its section"
    except configparser.MissingSectionHeaderError as error:
        trouble = f"line {error.lineno}: a setting before the first [section]"
    except configparser.ParsingError as error:
        trouble = f"line {error.errors[0][0]}: neither a [section] nor 'name = value'"
    if trouble:
        raise CredentialsError(f"{path} is malformed in {trouble}")
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _config_profiles(sections: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Take the profiles among the config file's sections: ``[profile name]``, ``[default]``, and then ``[name]``."""
    plain: dict[str, Mapping[str, str]] = {}
    for section, settings in sections.items():
        words = _words(section)
        if words and words[0] not in _OTHER_SECTIONS and not _is_named(words, "profile"):
            plain[section] = settings
    return plain | _named_sections(sections, "profile")


def _named_sections(sections: Mapping[str, Mapping[str, str]], kind: str) -> dict[str, Mapping[str, str]]:
    """Take the sections ``[kind name]`` by name; for profiles, ``[default]`` is one of them."""
    named: dict[str, Mapping[str, str]] = {}
    for section, settings in sections.items():
        words = _words(section)
        if _is_named(words, kind):
            named[words[1]] = settings
        elif section == "default" and kind == "profile":
            named[section] = settings
    return named


def _is_named(words: list[str], kind: str) -> bool:
    return len(words) == 2 and words[0] == kind  # noqa: PLR2004 - the word and the name


def _words(section: str) -> list[str]:
    """Split a section's name as a shell would; one whose quotes do not close names nothing."""
    try:
        return shlex.split(section)
    except ValueError:
        return []
