"""The same files, read here and by botocore: the same keys and region, and the same way to an identity.

What differs on purpose is not generated:

- ``AWS_PROFILE`` counts before ``AWS_DEFAULT_PROFILE`` here, and behind it there: never both are set.
- ``AWS_REGION`` is read first here, and not at all there: neither it nor ``AWS_DEFAULT_REGION`` is set.
- ``aws_session_token`` counts before ``aws_security_token`` here, and behind it there: a section has one of them.
- A section ``[name]`` of the config file is a profile here, and nothing there: it only comes beside the profile.
- A blank setting is an absent one here, and an empty value there.
- A secret without its ID is an error here, and nothing there; half a pair is in the tests of each provider.
- A ``duration_seconds`` that is no number, or out of bounds, is an error here; there it is left out, or STS refuses it.
- For ``mfa_serial``, botocore asks whoever sits in front of it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore.exceptions
import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from aiohttp_s3_client import CredentialsError
from aiohttp_s3_client.credentials import ConfigCredentials
from aiohttp_s3_client.credentials.assume_role import AssumeRoleCredentials
from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.process import ProcessCredentials
from aiohttp_s3_client.credentials.profile_chain import profile_provider
from aiohttp_s3_client.credentials.profiles import read_profile_files
from aiohttp_s3_client.credentials.sso import SSOCredentials
from aiohttp_s3_client.credentials.web_identity import WebIdentityCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp_s3_client.credentials.base import AbstractCredentials

# What a profile leads to: the keys, or the steps to them; None for nothing, and a word where there is no way.
Way = tuple[object, ...] | str | None

NO_WAY: Final = "error"
NO_PROFILE: Final = "no such profile"
NAMES: Final = ("default", "dev", "two words", "a'b", "x.y-z_1", "profile", "ünï")


@contextmanager
def files_of(credentials: str | None, config: str | None, variables: dict[str, str]) -> Iterator[None]:
    """Write the files that are not None, in an environment with these variables and no others of AWS."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        fixed = {
            "HOME": folder,
            "BOTO_CONFIG": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": f"{folder}/credentials",
            "AWS_CONFIG_FILE": f"{folder}/config",
        }
        for name, value in (fixed | variables).items():
            patch.setenv(name, value)
        for name, text in (("credentials", credentials), ("config", config)):
            if text is not None:
                Path(folder, name).write_text(text, encoding="utf-8")
        yield


def way_of_botocore(profile: str | None) -> tuple[Way, str | None]:
    """Give the way and the region that botocore finds."""
    session = Session(profile=profile)
    region = None
    try:
        region = session.get_config_variable("region")
        found = session.get_credentials()
    except botocore.exceptions.ProfileNotFound:
        return NO_PROFILE, None
    except (
        botocore.exceptions.InvalidConfigError,
        botocore.exceptions.PartialCredentialsError,
        botocore.exceptions.CredentialRetrievalError,
    ):
        return NO_WAY, region
    return None if found is None else steps_of_botocore(found), region


def steps_of_botocore(found: Any) -> Way:  # noqa: ANN401 - botocore has no types
    """Give the steps in botocore's words; what is fetched later is not fetched here."""
    if found.method == "assume-role":
        fetcher = found._refresh_using.__self__
        asked = dict(fetcher._assume_kwargs)
        if fetcher._using_default_session_name:
            del asked["RoleSessionName"]
        return "role", asked, steps_of_botocore(fetcher._source_credentials)
    if found.method == "assume-role-with-web-identity":
        return "web identity", found._refresh_using.__self__._role_arn
    if found.method == "sso":
        fetcher = found._refresh_using.__self__
        return "sso", fetcher._account_id, fetcher._role_name, fetcher._start_url, fetcher._sso_session_name
    if found.method == "custom-process":
        return ("process",)
    assert found.method in {"shared-credentials-file", "config-file", "env"}
    return found.access_key, found.secret_key, found.token


def way_of_ours(profile: str | None) -> tuple[Way, str | None]:
    """Give the way and the region that we find."""
    files = read_profile_files(os.environ)
    try:
        settings = files.profile(profile, os.environ)
    except CredentialsError:
        return NO_PROFILE, None
    try:
        return steps_of_ours(profile_provider(files, settings, os.environ)), settings.region
    except CredentialsError:
        return NO_WAY, settings.region


def steps_of_ours(provider: AbstractCredentials | None) -> Way:
    """Give the steps in the same words."""
    if provider is None:
        return None
    if isinstance(provider, KnownCredentials):
        assert provider.found.is_complete
        return provider.current.access_key_id, provider.current.secret_access_key, provider.current.session_token
    if isinstance(provider, AssumeRoleCredentials):
        asked = {
            "RoleArn": provider._role_arn,
            "RoleSessionName": provider._role_session_name,
            "ExternalId": provider._external_id,
            "DurationSeconds": provider._duration_seconds,
        }
        told = {name: value for name, value in asked.items() if value is not None}
        return "role", told, steps_of_ours(provider._source)
    if isinstance(provider, WebIdentityCredentials):
        return "web identity", provider._role_arn
    if isinstance(provider, SSOCredentials):
        return "sso", provider._account_id, provider._role_name, provider._start_url, provider._session_name
    assert isinstance(provider, ProcessCredentials)
    return ("process",)


NOISE = st.sampled_from(["", "\n", "# comment\n", "; comment\n", "#[profile dev]\n", "  # indented comment\n", "   \n"])
EQUALS = st.sampled_from(["=", " = ", "= ", " =", "  =\t", " : ", ":"])
BLOCKS = st.sampled_from(
    [
        "",
        "s3 =\n  addressing_style = path\n",
        "s3=\n    max_concurrent_requests = 20\n    # deep\n\n    region = nowhere\n",
        "s3 =\n\taws_access_key_id = nested\n\taws_secret_access_key = nested\n",
        "output = json\n",
        "cli_pager =\n",
    ]
)
LETTER_CASE: st.SearchStrategy[Callable[[str], str]] = st.sampled_from([str.lower, str.upper, str.title])


@st.composite
def section_text(draw: st.DrawFn, header: str, lines: dict[str, str]) -> str:
    """Write a section as people do: comments, blocks of other tools, spaces, capitals, another order."""
    text = draw(NOISE) + header + draw(st.sampled_from(["\n", "  \n", " # comment\n"]))
    text += draw(BLOCKS) if draw(st.booleans()) else ""
    for name, value in draw(st.permutations(list(lines.items()))):
        text += draw(NOISE) if text.endswith("\n") else ""
        text += f"{draw(LETTER_CASE)(name)}{draw(EQUALS)}{value}{draw(st.sampled_from(['', ' ', '  ']))}\n"
    return text + draw(NOISE)


def headers_in_config(name: str) -> list[str]:
    """Give the ways to write a profile's header in the config file."""
    plain = name.replace("'", "\\'").replace(" ", "\\ ")
    written = [f'[profile "{name}"]', f"[profile {plain}]", f'[profile  "{name}"]']
    return [*written, "[default]"] if name == "default" else written


PAIRS = {
    "aws_access_key_id": st.sampled_from(["AKIA1", "AKIA2", "'AKIA3'"]),
    "aws_secret_access_key": st.sampled_from(["a/b+c=", "%(x)s%", "a;b#c", "a # b", '"quoted"', "$HOME"]),
}
KEYS: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(PAIRS),
    st.fixed_dictionaries(PAIRS | {"aws_session_token": st.sampled_from(["token=", "t/o+k=="])}),
    st.fixed_dictionaries(PAIRS | {"aws_security_token": st.just("legacy")}),
)
REGIONS = st.fixed_dictionaries({}, optional={"region": st.sampled_from(["eu-west-1", "us-east-2", "cn-north-1"])})
STATIC = st.builds(lambda keys, region: keys | region, KEYS, REGIONS)


@st.composite
def file_texts(
    draw: st.DrawFn, settings: st.SearchStrategy[dict[str, str]], names: tuple[str, ...]
) -> tuple[str | None, str | None]:
    """Write a credentials file and a config file; either may be missing."""
    texts: list[str | None] = []
    for is_config in (False, True):
        profiles = draw(st.none() | st.dictionaries(st.sampled_from(names), settings, max_size=len(names)))
        if profiles is None:
            texts.append(None)
            continue
        text = ""
        for name, lines in profiles.items():
            header = draw(st.sampled_from(headers_in_config(name))) if is_config else f"[{name}]"
            text += draw(section_text(header, lines))
            if is_config and name not in {"default", "profile"} and draw(st.booleans()):
                text += f"[{name}]\naws_access_key_id = nobody\naws_secret_access_key = nobody\nregion = nowhere\n"
        if is_config:
            text += draw(
                st.sampled_from(["", "[services me]\ns3 =\n  endpoint_url = https://me.test\n[preview]\nx = y\n"])
            )
        else:
            text += draw(st.sampled_from(["", "[profile dev]\naws_access_key_id = no\naws_secret_access_key = no\n"]))
        texts.append(text)
    return texts[0], texts[1]


VARIABLES = st.dictionaries(st.sampled_from(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]), st.sampled_from(NAMES), max_size=1)


@given(texts=file_texts(STATIC, NAMES), argument=st.none() | st.sampled_from(NAMES), variables=VARIABLES)
def test_keys_and_region_are_those_of_botocore(
    texts: tuple[str | None, str | None], argument: str | None, variables: dict[str, str]
) -> None:
    """However the files are written, and whichever profile is asked for in whichever way.

    Left out are ``AWS_PROFILE`` beside ``AWS_DEFAULT_PROFILE``, and ``AWS_REGION``, which is read first here; and the
    rest of the list above.
    """
    with files_of(*texts, variables):
        expected = way_of_botocore(argument)
        assert way_of_ours(argument) == expected
        if expected[0] == NO_PROFILE:
            with pytest.raises(CredentialsError, match=r"^no profile "):
                ConfigCredentials(profile=argument)
            return
        credentials = ConfigCredentials(profile=argument)
        assert (steps_of_ours(credentials) if credentials.found.parts else None, credentials.region) == expected


LINKS = ("a", "b", "c")
ROLE = {"role_arn": "arn:aws:iam::1:role/r"}
SSO = {"sso_account_id": "1", "sso_role_name": "reader"}
SSO_SESSION = {"sso_start_url": "https://me.test", "sso_region": "eu-west-1"}
ECHO = """echo '{"Version": 1, "AccessKeyId": "p", "SecretAccessKey": "s"}'"""
WAYS = st.lists(
    st.one_of(
        st.builds(lambda name: ROLE | {"source_profile": name}, st.sampled_from([*LINKS, *LINKS, "missing"])),
        st.builds(lambda name: ROLE | {"credential_source": name}, st.sampled_from(["Environment", "Nowhere"])),
        st.sampled_from(
            [
                {"role_session_name": "me", "external_id": "owner", "duration_seconds": "1800"},
                ROLE | {"web_identity_token_file": "/token"},
                {"web_identity_token_file": "/token"},
                SSO,
                SSO | SSO_SESSION,
                SSO | {"sso_session": "me"},
                SSO | {"sso_session": "me", "sso_region": "us-east-1"},
                SSO | {"sso_session": "other"},
                {"credential_process": ECHO},
                {"aws_access_key_id": "k1", "aws_secret_access_key": "s1"},
                {"aws_access_key_id": "k2", "aws_secret_access_key": "s2"},
                {"aws_access_key_id": "k3", "aws_secret_access_key": "s3"},
                {"region": "eu-west-1"},
            ]
        ),
    ),
    min_size=1,
    max_size=2,
).map(lambda parts: {name: value for part in parts for name, value in part.items()})
SOME = st.fixed_dictionaries({}, optional=dict.fromkeys(LINKS, WAYS))
ALL = st.fixed_dictionaries(dict.fromkeys(LINKS, WAYS))


def as_text(sections: dict[str, dict[str, str]], start: str = "") -> str:
    """Write sections as a file."""
    return "".join(
        f"[{start}{name}]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
        for name, lines in sections.items()
    )


@given(credentials=st.just({}) | SOME, config=SOME | ALL, profile=st.sampled_from(LINKS), has_session=st.booleans())
def test_way_to_an_identity_is_that_of_botocore(
    credentials: dict[str, dict[str, str]], config: dict[str, dict[str, str]], profile: str, *, has_session: bool
) -> None:
    """Roles, chains and circles of them, tokens, logins, processes and keys, in any mixture over both files."""
    text = as_text(config, "profile ") + (as_text({"me": SSO_SESSION}, "sso-session ") if has_session else "")
    keys = {"AWS_ACCESS_KEY_ID": "e", "AWS_SECRET_ACCESS_KEY": "s"}
    with files_of(as_text(credentials), text, keys):
        assert way_of_ours(profile) == way_of_botocore(profile)
