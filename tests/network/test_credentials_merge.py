"""One identity out of several sources: which part counts, what is never mixed, and where is looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from aiohttp_s3_client import Credentials, CredentialsError, CredentialsNotFound
from aiohttp_s3_client.credentials import (
    AnonymousCredentials,
    EnvironmentCredentials,
    PartialCredentials,
    StaticCredentials,
    URLCredentials,
    collect_credentials,
    merge_credentials,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp_s3_client.credentials import AbstractCredentials

KEYS = {"AWS_ACCESS_KEY_ID": "env-id", "AWS_SECRET_ACCESS_KEY": "env-secret"}
FILE = "[default]\naws_access_key_id = file-id\naws_secret_access_key = file-secret\nregion = eu-west-1\n"


def source(
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
    region: str | None = None,
) -> PartialCredentials:
    """Give a source that calls itself by what it has."""
    parts = (access_key_id, secret_access_key, session_token, region)
    return PartialCredentials(f"source {parts}", *parts)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give an environment whose home folder is empty."""
    return {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}


@pytest.fixture
def with_file(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Give an environment whose home folder has a profile with a region."""
    write_file(tmp_path, FILE)
    return environ


def write_file(home: Path, text: str) -> Path:
    """Write the credentials file."""
    path = home / ".aws" / "credentials"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        # The first that has a part gives it.
        ([source("a", "s"), source("b", "t")], Credentials("a", "s")),
        ([source(), source("b", "t", "u")], Credentials("b", "t", "u")),
        ([source("a"), source(None, "s")], Credentials("a", "s")),
        ([source(None, "s"), source("a")], Credentials("a", "s")),
        ([source("", " ", ""), source("b", "t", "u")], Credentials("b", "t", "u")),
        # A source that repeats the identity may complete it.
        ([source("a"), source("a", "s", "u")], Credentials("a", "s", "u")),
        ([source("a", "s"), source("a", "s", "u")], Credentials("a", "s", "u")),
        ([source("a", "s"), source("a", None, "u")], Credentials("a", "s", "u")),
        ([source(None, None, "u"), source("a", "s")], Credentials("a", "s", "u")),
        # Another identity gives nothing.
        ([source("a", "s"), source("b", "t", "u")], Credentials("a", "s")),
        ([source("a", "s"), source("a", "t", "u")], Credentials("a", "s")),
        ([source("a", "s"), source("b", None, "u")], Credentials("a", "s")),
        ([source("a"), source("b", "t", "u"), source("a", "s")], Credentials("a", "s")),
        ([source("a"), source("b", "t"), source(None, "s")], Credentials("a", "s")),
        ([source("a", "s", "u"), source("a", "s", "v")], Credentials("a", "s", "u")),
        # A lone token does not join keys that are already whole.
        ([source("a", "s"), source(None, None, "u")], Credentials("a", "s")),
    ],
)
def test_parts_of_one_identity_are_merged(sources: list[PartialCredentials], expected: Credentials) -> None:
    """The first part counts, and two identities never mix."""
    assert merge_credentials(*sources).current == expected


@pytest.mark.parametrize(
    ("sources", "missing", "present"),
    [
        ([source("a")], "secret_access_key", "access_key_id"),
        ([source(None, "s")], "access_key_id", "secret_access_key"),
        ([source(None, None, "u")], "access_key_id and secret_access_key", "session_token"),
        ([source("a"), source("b", "t")], "secret_access_key", "access_key_id"),
        ([source(None, None, "u"), source("b", "t", "v")], "access_key_id and secret_access_key", "session_token"),
        ([source("a", None, "u"), source("a", "s", "v")], "secret_access_key", "access_key_id"),
    ],
)
def test_incomplete_identity_names_what_is_missing_and_where_the_rest_is_from(
    sources: list[PartialCredentials], missing: str, present: str
) -> None:
    """And that another identity was left out, which is why it is incomplete."""
    with pytest.raises(ValueError, match=f"incomplete: no {missing}, while {present} is from source") as caught:
        merge_credentials(*sources)
    assert "Give access_key_id and secret_access_key together" in str(caught.value)
    for other in sources[1:]:
        assert f"{other.source} has another identity, which was left out" in str(caught.value)


def test_region_comes_from_the_first_source_that_has_one() -> None:
    """Also from one whose identity is another: a region is no part of an identity."""
    merged = merge_credentials(source("a", "s"), source("b", "t", region="eu-west-1"), source(region="eu-north-1"))
    assert merged.region == "eu-west-1"


async def test_merging_nothing_gives_a_provider_that_says_where_was_looked() -> None:
    """There is no error before somebody asks: a region may be all that is wanted."""
    merged = merge_credentials(URLCredentials("https://host"), EnvironmentCredentials({"AWS_REGION": "eu-west-1"}))
    assert merged.region == "eu-west-1"
    with pytest.raises(
        CredentialsError, match=r"^no credentials found. Looked at:\n- URL: .*\n- environment: .*\nGive "
    ):
        await merged.get()


def test_merged_credentials_can_be_merged_again() -> None:
    """What comes out is a source like those that went in."""
    first = merge_credentials(source("a", "s"), source(region="eu-west-1"))
    again = merge_credentials(first, StaticCredentials("b", "t", region="eu-north-1"))
    assert (again.current, again.region) == (Credentials("a", "s"), "eu-west-1")


def test_sources_are_collected_in_order(with_file: dict[str, str]) -> None:
    """Keywords, then the URL, then the environment, then the profile."""
    keys = with_file | KEYS
    url = "https://url-id:url-secret@host"
    first = collect_credentials(access_key_id="id", secret_access_key="secret", url=url, environ=keys)
    assert first.current == Credentials("id", "secret")
    assert collect_credentials(url=url, environ=keys).current == Credentials("url-id", "url-secret")
    assert collect_credentials(url="https://host", environ=keys).current == Credentials("env-id", "env-secret")
    assert collect_credentials(environ=with_file).current == Credentials("file-id", "file-secret")


def test_key_in_the_url_and_secret_as_keyword_make_one_identity(environ: dict[str, str]) -> None:
    """The secret can so stay out of a URL that is shown."""
    found = collect_credentials(url="https://url-id@host", secret_access_key="secret", environ=environ | KEYS)
    assert found.current == Credentials("url-id", "secret")


def test_token_of_another_identity_is_not_taken(environ: dict[str, str]) -> None:
    """Keys in the code and a login in the shell is how it happens."""
    login = environ | KEYS | {"AWS_SESSION_TOKEN": "token"}
    found = collect_credentials(access_key_id="id", secret_access_key="secret", environ=login)
    assert found.current == Credentials("id", "secret")


def test_token_left_behind_in_the_environment_does_not_spoil_the_profile(with_file: dict[str, str]) -> None:
    """As in botocore, a token without a key says nothing."""
    found = collect_credentials(environ=with_file | {"AWS_SESSION_TOKEN": "token"})
    assert found.current == Credentials("file-id", "file-secret")


def test_half_of_an_identity_is_an_error_that_names_its_source(with_file: dict[str, str]) -> None:
    """A half in the environment is not passed over for the whole one in the profile."""
    half = with_file | {"AWS_ACCESS_KEY_ID": "env-id"}
    with pytest.raises(ValueError, match=r"no secret_access_key, while access_key_id is from environment \(AWS_ACCESS"):
        collect_credentials(environ=half)
    with pytest.raises(ValueError, match=r"no access_key_id and .*, while session_token is from keyword arguments"):
        collect_credentials(session_token="token", environ={"HOME": "/nowhere"})


def test_half_of_a_profile_is_an_error_that_names_the_profile_and_the_file(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """It is seen before anything is sent."""
    path = write_file(tmp_path, "[dev]\naws_access_key_id = file-id\n")
    with pytest.raises(ValueError, match="no secret_access_key, while access_key_id is from profile 'dev'") as caught:
        collect_credentials(environ=environ | {"AWS_PROFILE": "dev"})
    assert str(path) in str(caught.value)


def test_region_comes_from_the_keyword_the_environment_or_the_profile(with_file: dict[str, str]) -> None:
    """In this order, whichever of them has the identity."""
    from_environment = with_file | {"AWS_REGION": "eu-south-1"}
    assert collect_credentials(region="eu-north-1", environ=from_environment).region == "eu-north-1"
    assert collect_credentials(environ=from_environment).region == "eu-south-1"
    found = collect_credentials(access_key_id="id", secret_access_key="secret", environ=with_file)
    assert (found.current, found.region) == (Credentials("id", "secret"), "eu-west-1")


def test_profile_gives_only_its_region_to_an_identity_that_is_known(environ: dict[str, str], tmp_path: Path) -> None:
    """A token must not depend on whether the file had to be read for the region."""
    write_file(tmp_path, f"{FILE}aws_session_token = token\n")
    found = collect_credentials(access_key_id="file-id", secret_access_key="file-secret", environ=environ)
    assert (found.current, found.region) == (Credentials("file-id", "file-secret"), "eu-west-1")


def test_files_are_not_read_when_identity_and_region_are_known(environ: dict[str, str], tmp_path: Path) -> None:
    """Neither a broken file nor an unknown profile matters then."""
    write_file(tmp_path, "nonsense")
    unknown = environ | {"AWS_PROFILE": "unknown"}
    found = collect_credentials(access_key_id="id", secret_access_key="secret", region="eu-north-1", environ=unknown)
    assert found.current == Credentials("id", "secret")


def test_broken_file_is_a_warning_when_only_the_region_is_missing(
    environ: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that has its keys goes on, and the log says why the region is unknown."""
    path = write_file(tmp_path, "nonsense")
    found = collect_credentials(environ=environ | KEYS)
    assert (found.current, found.region) == (Credentials("env-id", "env-secret"), None)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("aiohttp_s3_client.credentials.collect", "WARNING")
    assert f"{path} is malformed in line 1" in record.getMessage()


def test_broken_file_is_an_error_when_the_identity_is_missing(environ: dict[str, str], tmp_path: Path) -> None:
    """It may hold the identity."""
    path = write_file(tmp_path, "nonsense")
    with pytest.raises(CredentialsError, match=f"^{path} is malformed in line 1"):
        collect_credentials(environ=environ)


def test_unknown_profile_is_an_error_even_when_only_the_region_is_missing(with_file: dict[str, str]) -> None:
    """It was asked for by name."""
    with pytest.raises(CredentialsError, match=r"^no profile 'unknown' in .* Profiles there: 'default'$"):
        collect_credentials(environ=with_file | KEYS | {"AWS_PROFILE": "unknown"})


def test_missing_files_leave_the_region_unknown(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is wrong with a machine that has none."""
    found = collect_credentials(environ=environ | KEYS)
    assert (found.current, found.region) == (Credentials("env-id", "env-secret"), None)
    assert not caplog.records


async def test_nothing_found_lists_every_place_and_the_cure(environ: dict[str, str], tmp_path: Path) -> None:
    """In the order of the search."""
    found = collect_credentials(url="https://host/bucket", environ=environ | {"AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(CredentialsNotFound) as caught:
        await found.get()
    lines = str(caught.value).splitlines()
    assert lines[:-2] == [
        "no credentials found. Looked at:",
        "- keyword arguments: no access_key_id=",
        "- URL: no KEY:SECRET@ in front of the host",
        "- environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
        f"- profile 'default' of {tmp_path / '.aws' / 'credentials'}: no such file",
        f"- profile 'default' of {tmp_path / '.aws' / 'config'}: no such file",
    ]
    assert "AWS_EC2_METADATA_DISABLED" in lines[-2]
    assert "anonymous=True" in lines[-1]


def test_given_provider_comes_back_as_it_is(with_file: dict[str, str]) -> None:
    """It stands for all other sources, also for the URL's userinfo."""
    for provider in (AnonymousCredentials(), StaticCredentials("id", "secret"), EnvironmentCredentials({})):
        assert collect_credentials(credentials=provider, url="https://a:b@host", environ=with_file | KEYS) is provider


def test_given_provider_beside_keys_is_refused() -> None:
    """There is no telling which of the two identities is meant."""
    with pytest.raises(ValueError, match=r"^access_key_id, session_token beside credentials= makes two identities"):
        collect_credentials(credentials=AnonymousCredentials(), access_key_id="id", session_token="token")


def test_given_provider_with_half_an_identity_is_refused() -> None:
    """It is seen before anything is sent."""
    with pytest.raises(ValueError, match="no secret_access_key, while access_key_id is from URL"):
        collect_credentials(credentials=URLCredentials("https://id@host"))


def test_given_thing_that_is_no_provider_is_refused() -> None:
    """The value is not a provider, though it has the keys: the message names what is."""
    with pytest.raises(TypeError, match=r"^credentials is a tuple, not a provider such as StaticCredentials$"):
        collect_credentials(credentials=cast("AbstractCredentials", ("id", "secret")))
