"""The profiles of AWS's credentials and config files, and botocore as the judge of how they are read."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.exceptions
import pytest
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials import ConfigCredentials

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = "aws_access_key_id = {0}-id\naws_secret_access_key = {0}-secret\n"


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder with an ``.aws`` folder in it."""

    path: Path

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a program that runs there."""
        return {"HOME": str(self.path), "USERPROFILE": str(self.path)}

    def file(self, name: str) -> Path:
        """Give the path of ``credentials`` or ``config``."""
        return self.path / ".aws" / name

    def write(self, name: str, text: str) -> Path:
        """Write ``credentials`` or ``config``."""
        path = self.file(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, profile: str | None = None, **environ: str) -> ConfigCredentials:
        """Read a profile as a program would that runs there, with more in its environment."""
        return ConfigCredentials(profile=profile, environ=self.environ | environ)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give an empty home folder."""
    return Home(tmp_path)


async def test_default_profile_of_the_credentials_file_is_read(home: Home) -> None:
    """The usual file, awaited and at hand."""
    home.write("credentials", f"[default]\n{KEYS.format('a')}aws_session_token = token\nregion = eu-west-1\n")
    credentials = home.read()
    assert await credentials.get() == credentials.current == Credentials("a-id", "a-secret", "token")
    assert credentials.region == "eu-west-1"


@pytest.mark.parametrize(
    ("section", "profile"),
    [
        ("default", None),
        ("profile default", None),
        ("profile dev", "dev"),
        ("dev", "dev"),
        ('profile "two words"', "two words"),
        ("profile 'two words'", "two words"),
        (r"profile two\ words", "two words"),
        ("profile  dev", "dev"),
    ],
)
def test_section_of_the_config_file_is_a_profile(home: Home, section: str, profile: str | None) -> None:
    """With and without the word, with and without quotes."""
    home.write("config", f"[{section}]\n{KEYS.format('a')}")
    assert home.read(profile).current == Credentials("a-id", "a-secret")


def test_section_with_the_word_profile_counts_before_one_without(home: Home) -> None:
    """The form that AWS documents wins, in whichever order they are written."""
    home.write("config", f"[profile dev]\n{KEYS.format('a')}[dev]\n{KEYS.format('b')}")
    assert home.read("dev").current == Credentials("a-id", "a-secret")


@pytest.mark.parametrize("section", ["sso-session dev", "services dev", 'profile "dev', "profile a dev", ""])
def test_other_sections_are_no_profiles(home: Home, section: str) -> None:
    """Sessions, services and broken quotes have a name, but no identity."""
    home.write("config", f"[{section}]\n{KEYS.format('a')}" if section else "")
    with pytest.raises(CredentialsError, match=r"^no profile 'dev' in "):
        home.read("dev")


def test_credentials_file_counts_before_the_config_file_and_never_half_of_each(home: Home) -> None:
    """The identity comes whole from one file, its token too; the region is looked for in both."""
    home.write("credentials", f"[default]\n{KEYS.format('a')}")
    home.write("config", f"[default]\n{KEYS.format('b')}aws_session_token = b-token\nregion = eu-west-1\n")
    credentials = home.read()
    assert credentials.current == Credentials("a-id", "a-secret")
    assert credentials.region == "eu-west-1"


def test_half_of_an_identity_is_not_completed_from_the_other_file(home: Home) -> None:
    """An ID without its secret is an error that names the profile and the file."""
    path = home.write("credentials", "[default]\naws_access_key_id = a-id\n")
    home.write("config", f"[default]\n{KEYS.format('b')}")
    with pytest.raises(CredentialsError, match="no secret_access_key, while access_key_id is from") as caught:
        _ = home.read().current
    assert f"profile 'default' of {path}" in str(caught.value)


def test_secret_without_an_id_gives_way_to_the_other_file(home: Home) -> None:
    """As in botocore, a file counts by its access key ID; only where there is none the half is an error."""
    path = home.write("credentials", "[default]\naws_secret_access_key = a-secret\n")
    with pytest.raises(CredentialsError, match="no access_key_id, while secret_access_key is from") as caught:
        _ = home.read().current
    assert str(path) in str(caught.value)
    home.write("config", f"[default]\n{KEYS.format('b')}")
    assert home.read().current == Credentials("b-id", "b-secret")


def test_legacy_token_is_read(home: Home) -> None:
    """``aws_security_token`` is what boto once wrote; the newer name counts first."""
    home.write("credentials", f"[default]\n{KEYS.format('a')}aws_security_token = old\n")
    assert home.read().current.session_token == "old"
    home.write("credentials", f"[default]\n{KEYS.format('a')}aws_security_token = old\naws_session_token = new\n")
    assert home.read().current.session_token == "new"


def test_profile_is_the_argument_before_the_environment(home: Home) -> None:
    """The argument, ``AWS_PROFILE``, ``AWS_DEFAULT_PROFILE``, ``default``: the first that is not blank."""
    names = ("default", "a", "b", "c")
    home.write("credentials", "".join(f"[{name}]\n{KEYS.format(name)}" for name in names))
    both = {"AWS_PROFILE": "b", "AWS_DEFAULT_PROFILE": "c"}
    assert home.read("a", **both).current.access_key_id == "a-id"
    assert home.read(**both).current.access_key_id == "b-id"
    assert home.read(**(both | {"AWS_PROFILE": ""})).current.access_key_id == "c-id"
    assert home.read().current.access_key_id == "default-id"


def test_paths_are_the_arguments_before_the_environment(home: Home, tmp_path: Path) -> None:
    """Given, or from the variables, with a leading tilde, before the home folder."""
    for name in ("given", "named"):
        (tmp_path / name).write_text(f"[default]\n{KEYS.format(name)}")
        (tmp_path / f"{name}-config").write_text(f"[default]\nregion = eu-{name}-1\n")
    home.write("credentials", f"[default]\n{KEYS.format('home')}")
    environ = home.environ | {"AWS_SHARED_CREDENTIALS_FILE": "~/named", "AWS_CONFIG_FILE": "~/named-config"}
    given_paths = ConfigCredentials(tmp_path / "given", str(tmp_path / "given-config"), environ=environ)
    assert (given_paths.current.access_key_id, given_paths.region) == ("given-id", "eu-given-1")
    named = ConfigCredentials(environ=environ)
    assert (named.current.access_key_id, named.region) == ("named-id", "eu-named-1")
    assert home.read().current.access_key_id == "home-id"


def test_region_is_the_argument_before_the_profile(home: Home) -> None:
    """The argument replaces the region alone."""
    home.write("credentials", f"[default]\n{KEYS.format('a')}region = eu-west-1\n")
    credentials = ConfigCredentials(region="eu-north-1", environ=home.environ)
    assert credentials.region == "eu-north-1"
    assert credentials.current == Credentials("a-id", "a-secret")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_nested_settings_percent_signs_and_comments_do_not_disturb(home: Home, mark: str) -> None:
    """Blocks of other tools, a secret with a percent sign, line ends and marks of other systems."""
    text = (
        "# comment\r\n[default]\r\ns3 =\r\n  max_concurrent_requests = 20\r\n  addressing_style = path\r\n"
        "aws_access_key_id=a%(b)s\r\naws_secret_access_key = c%d;e#f=g: h  \r\n; comment\r\noutput = json\r\n"
    )
    home.write("credentials", mark + text)
    assert home.read().current == Credentials("a%(b)s", "c%d;e#f=g: h")


async def test_missing_files_are_no_error_until_they_are_needed(home: Home) -> None:
    """The error says which files were looked for."""
    credentials = home.read()
    assert credentials.region is None
    with pytest.raises(CredentialsError, match=r"^no credentials found") as caught:
        await credentials.get()
    for name in ("credentials", "config"):
        assert f"- profile 'default' of {home.file(name)}: no such file" in str(caught.value)


async def test_profile_without_keys_says_what_is_missing(home: Home) -> None:
    """A profile that is there, and one that is not, are told apart."""
    home.write("credentials", f"[other]\n{KEYS.format('a')}")
    home.write("config", "[default]\nregion = eu-west-1\n")
    credentials = home.read()
    assert credentials.region == "eu-west-1"
    with pytest.raises(CredentialsError) as caught:
        await credentials.get()
    assert f"- profile 'default' of {home.file('credentials')}: no such profile" in str(caught.value)
    assert f"- profile 'default' of {home.file('config')}: no aws_access_key_id" in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {"AWS_PROFILE": "dve"}, {"AWS_DEFAULT_PROFILE": "dve"}])
def test_unknown_profile_is_named_with_those_that_exist(home: Home, environ: dict[str, str]) -> None:
    """It was asked for by name: a typing error must not end in another identity."""
    home.write("credentials", f"[dev]\n{KEYS.format('a')}")
    home.write("config", "[profile test]\nregion = eu-west-1\n")
    with pytest.raises(CredentialsError) as caught:
        home.read(None if environ else "dve", **environ)
    expected = (
        f"no profile 'dve' in {home.file('credentials')} and {home.file('config')}. Profiles there: 'dev', 'test'"
    )
    assert str(caught.value) == expected


def test_unknown_profile_without_files_says_that_there_are_none(home: Home) -> None:
    """The usual case in a container."""
    with pytest.raises(CredentialsError, match=r"credentials \(no such file\) and .*Profiles there: none$"):
        home.read("dev")


@pytest.mark.parametrize("name", ["credentials", "config"])
@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("[default]\nregion = eu-west-1\nhunter2\n", "line 3: neither a [section] nor 'name = value'"),
        ("aws_secret_access_key = hunter2\n", "line 1: a setting before the first [section]"),
        ("[a]\nregion = b\n[a]\nhunter2 = c\n", "line 3: a section for the second time"),
        ("[a]\nhunter2 = b\nhunter2 = c\n", "line 3: a setting for the second time in its section"),
        ("[a\nhunter2 = b\n", "line 1: a setting before the first [section]"),
        ("[a]\n= hunter2\n", "line 2: neither a [section] nor 'name = value'"),
    ],
)
def test_malformed_file_is_named_with_its_line_and_without_its_content(
    home: Home, name: str, text: str, trouble: str
) -> None:
    """The parser's own error would show the line, with what may be a secret."""
    path = home.write(name, text)
    with pytest.raises(CredentialsError) as caught:
        home.read()
    assert str(caught.value) == f"{path} is malformed in {trouble}"
    assert caught.value.__context__ is None


def test_file_that_is_not_text_is_named(home: Home) -> None:
    """The decoder's error would hold the whole file."""
    path = home.write("credentials", "")
    path.write_bytes(b"[default]\nhunter2 = \xff")
    with pytest.raises(CredentialsError) as caught:
        home.read()
    assert str(caught.value) == f"{path} is not UTF-8 text: byte 21"
    assert caught.value.__context__ is None


async def test_unreadable_file_is_an_error_only_where_it_was_named(home: Home) -> None:
    """A home folder that belongs to another user is no reason to fail; a path that was given is."""
    path = home.file("credentials")
    path.mkdir(parents=True)  # A folder cannot be read as a file, not even by root.
    with pytest.raises(CredentialsError, match=f"{path}: cannot be read: "):
        await home.read().get()
    with pytest.raises(CredentialsError, match=f"^{path} cannot be read: "):
        ConfigCredentials(path, environ=home.environ)
    with pytest.raises(CredentialsError, match=f"^{path} cannot be read: "):
        home.read(AWS_SHARED_CREDENTIALS_FILE=str(path))


def test_token_over_two_lines_is_refused(home: Home) -> None:
    """A continuation line is part of the value, and would break the header that the token goes into."""
    home.write("credentials", f"[default]\n{KEYS.format('a')}aws_session_token = one\n  two\n")
    with pytest.raises(
        ValueError, match=r"^session_token of profile 'default' of .* has whitespace .* control character"
    ):
        home.read()


NAMES = ("default", "dev", "two words", "a'b", "profile")
IDENTITIES = {
    "aws_access_key_id": ["AKIA1", "AKIA2"],
    "aws_secret_access_key": ["a/b+c=", "%(x)s%", "a;b#c"],
    "region": ["eu-west-1", "us-east-2"],
    "s3": ["\n  addressing_style = path\n  # deep\n  x = 1"],
    "output": ["json"],
}
TOKENS = {"aws_session_token": "token=", "aws_security_token": "legacy"}
SETTINGS = st.builds(
    lambda parts, token: parts | token,
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in IDENTITIES.items()}),
    st.sampled_from([{}, *({name: value} for name, value in TOKENS.items())]),
)
FILES = st.none() | st.dictionaries(st.sampled_from(NAMES), SETTINGS)


def as_text(sections: Iterable[tuple[str, dict[str, str]]]) -> str:
    """Write sections as a file."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in it.items()) for name, it in sections
    )


def quoted(name: str) -> str:
    """Give the section of a profile in the config file."""
    if name == "default":
        return name
    return f'profile "{name}"' if set(name) & {" ", "'"} else f"profile {name}"


def botocore_says(profile: str | None) -> tuple[Credentials | None, str | None] | None:
    """Give the identity and the region that botocore finds, or None where it knows no such profile."""
    session = Session(profile=profile)
    try:
        region = session.get_config_variable("region")
        found = session.get_credentials()
    except botocore.exceptions.ProfileNotFound:
        return None
    except botocore.exceptions.PartialCredentialsError:
        return None, region
    if found is None:
        return None, region
    parts = found.get_frozen_credentials()
    return Credentials(parts.access_key, parts.secret_key, parts.token), region


def we_say(profile: str | None) -> tuple[Credentials | None, str | None] | None:
    """Give the identity and the region that we find, or None where we know no such profile."""
    try:
        credentials = ConfigCredentials(profile=profile)
    except CredentialsError:
        return None
    return credentials.found.complete(), credentials.region


@settings(deadline=None)
@given(
    credentials=FILES,
    config=FILES,
    argument=st.none() | st.sampled_from(NAMES),
    variables=st.dictionaries(
        st.sampled_from(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]), st.sampled_from(NAMES), max_size=1
    ),
)
def test_files_are_read_as_botocore_reads_them(
    credentials: dict[str, dict[str, str]] | None,
    config: dict[str, dict[str, str]] | None,
    argument: str | None,
    variables: dict[str, str],
) -> None:
    """Any two files, one of them or none, and any profile: the same identity and region, or the same lack of them."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", folder)
        patch.setenv("BOTO_CONFIG", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{folder}/credentials")
        patch.setenv("AWS_CONFIG_FILE", f"{folder}/config")
        for name, value in variables.items():
            patch.setenv(name, value)
        if credentials is not None:
            Path(folder, "credentials").write_text(as_text(credentials.items()))
        if config is not None:
            Path(folder, "config").write_text(as_text((quoted(name), it) for name, it in config.items()))
        assert we_say(argument) == botocore_says(argument)
