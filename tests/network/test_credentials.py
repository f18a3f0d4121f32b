"""The providers that know their identity from the start: stated, in a URL, in the environment; and none at all."""

from __future__ import annotations

import inspect
import os
import pickle
import timeit
from typing import cast

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials import (
    AbstractCredentials,
    AnonymousCredentials,
    EnvironmentCredentials,
    StaticCredentials,
    URLCredentials,
    parse_url,
)


class OnlyGet(AbstractCredentials):
    """A user's provider that has but the one method it must have."""

    async def get(self) -> Credentials:
        """Give an identity from afar."""
        return Credentials("id", "secret")


async def test_static_credentials_give_their_parts_awaited_and_at_hand() -> None:
    """Both ways to ask give the same identity, and the region is beside it."""
    credentials = StaticCredentials("id", "secret", "token", "eu-west-1")
    assert await credentials.get() == Credentials("id", "secret", "token")
    assert credentials.current == Credentials("id", "secret", "token")
    assert credentials.region == "eu-west-1"


def test_static_credentials_take_keywords() -> None:
    """All parts have their names, and the last two may be left out."""
    credentials = StaticCredentials(access_key_id="id", secret_access_key="secret")
    assert credentials.current == Credentials("id", "secret")
    assert credentials.region is None


@pytest.mark.parametrize(
    ("access_key_id", "secret_access_key", "missing"),
    [("", "secret", "access_key_id"), ("id", "", "secret_access_key"), (" ", "secret", "access_key_id")],
)
def test_static_credentials_need_both_keys(access_key_id: str, secret_access_key: str, missing: str) -> None:
    """A blank half is named at once."""
    with pytest.raises(ValueError, match=f"and {missing} is blank"):
        StaticCredentials(access_key_id, secret_access_key)


@pytest.mark.parametrize("value", ["secret\n", " secret", "se\rcret", "se\x00cret"])
@pytest.mark.parametrize("part", ["access_key_id", "secret_access_key", "session_token", "region"])
def test_stated_part_with_a_line_end_is_refused_by_name(part: str, value: str) -> None:
    """A part that a file's line end stuck to would make every signature wrong, or break out of a header."""
    parts = {"access_key_id": "id", "secret_access_key": "x", part: value}
    with pytest.raises(ValueError, match=f"^{part} of StaticCredentials has whitespace"):
        StaticCredentials(**parts)


def test_part_of_a_wrong_type_is_named() -> None:
    """Bytes are what many read their secrets as."""
    with pytest.raises(TypeError, match="secret_access_key of StaticCredentials is a bytes, not a str"):
        StaticCredentials("id", cast("str", b"secret"))


async def test_anonymous_credentials_answer_with_none() -> None:
    """None means unsigned, and is an answer, not an error."""
    credentials: AbstractCredentials = AnonymousCredentials("eu-west-1")
    assert await credentials.get() is None
    assert credentials.current is None
    assert credentials.region == "eu-west-1"


async def test_provider_of_ones_own_needs_only_get() -> None:
    """What is not at hand names the coroutine to await."""
    credentials = OnlyGet()
    assert await credentials.get() == Credentials("id", "secret")
    assert credentials.region is None
    with pytest.raises(CredentialsError, match=r"^OnlyGet has no credentials at hand: await its get\(\) first$"):
        _ = credentials.current


def test_asking_costs_less_than_a_microsecond() -> None:
    """The fast path runs for every attempt of every request."""
    credentials = StaticCredentials("id", "secret")

    def ask() -> None:
        try:
            credentials.get().send(None)
        except StopIteration:
            return

    assert min(timeit.repeat(ask, number=10_000, repeat=20)) / 10_000 < 1e-6


def test_known_credentials_survive_pickling() -> None:
    """A client may go to another process."""
    copy = pickle.loads(pickle.dumps(StaticCredentials("id", "secret", "token", "eu-west-1")))  # noqa: S301 - our own
    assert copy.current == Credentials("id", "secret", "token")
    assert copy.region == "eu-west-1"


@pytest.mark.parametrize("url", ["https://id:a%2Fb%2Bc+%40%3A@host/bucket", URL("https://id:a%2Fb%2Bc+%40%3A@host")])
def test_url_credentials_are_percent_decoded(url: str | URL) -> None:
    """A secret may hold every character that a URL cannot; a plus is a plus."""
    assert URLCredentials(url).current == Credentials("id", "a/b+c+@:")


@pytest.mark.parametrize(
    ("url", "there", "missing"),
    [
        ("https://id@host", "access_key_id", "secret_access_key"),
        ("http://:x@host", "secret_access_key", "access_key_id"),
    ],
)
async def test_half_of_the_userinfo_is_kept_and_not_enough(url: str, there: str, missing: str) -> None:
    """The other half may come from another source; without one, the error names it."""
    credentials = URLCredentials(url)
    assert list(credentials.found.parts) == [there]
    with pytest.raises(CredentialsError, match=f"no {missing}, while {there} is from URL"):
        await credentials.get()


async def test_url_without_userinfo_says_so() -> None:
    """The error tells the form that was looked for."""
    with pytest.raises(CredentialsError, match="- URL: no KEY:SECRET@ in front of the host"):
        await URLCredentials("https://host/bucket").get()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://AKIA:wJal/rXU@host/bucket", "'https://host/bucket'"),
        ("https://AKIA:wJal/rXU", r"'https://AKIA\.\.\.'"),
        ("https://AKIA:wJalrXU@host:99999/", "'https://host:99999/'"),
        ("//AKIA:wJalrXU@host:port", "'host:port'"),
    ],
)
def test_bad_url_is_shown_without_its_userinfo(url: str, shown: str) -> None:
    """A slash in a secret is the usual reason: the error says how to write it."""
    with pytest.raises(ValueError, match=rf"^{shown} is not a URL; .* write '/' as %2F") as caught:
        parse_url(url)
    assert caught.value.__context__ is None


def test_url_of_a_wrong_type_is_refused() -> None:
    """A session in the URL's place is the usual mistake."""
    with pytest.raises(TypeError, match="url is a bytes, not a str"):
        parse_url(cast("str", b"https://host"))


@pytest.mark.parametrize("region_variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
@pytest.mark.parametrize("token_variable", ["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"])
def test_environment_credentials_come_from_their_variables(token_variable: str, region_variable: str) -> None:
    """The older names of the token and the region do as well."""
    environ = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        token_variable: "token",
        region_variable: "eu-west-1",
    }
    credentials = EnvironmentCredentials(environ)
    assert credentials.current == Credentials("id", "secret", "token")
    assert credentials.region == "eu-west-1"


def test_newer_variables_count_before_older_ones_unless_blank() -> None:
    """A variable that is set to nothing is as good as unset."""
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    older = {"AWS_SECURITY_TOKEN": "old", "AWS_DEFAULT_REGION": "eu-west-1"}
    both = EnvironmentCredentials(keys | older | {"AWS_SESSION_TOKEN": "new", "AWS_REGION": "eu-north-1"})
    assert (both.current.session_token, both.region) == ("new", "eu-north-1")
    blank = EnvironmentCredentials(keys | older | {"AWS_SESSION_TOKEN": "", "AWS_REGION": " "})
    assert (blank.current.session_token, blank.region) == ("old", "eu-west-1")


def test_whitespace_around_a_variable_is_taken_off() -> None:
    """``export AWS_SECRET_ACCESS_KEY="$(cat file)"`` in some shells, and every ``env_file``, may leave some."""
    environ = {"AWS_ACCESS_KEY_ID": " id\r\n", "AWS_SECRET_ACCESS_KEY": "secret\n", "AWS_REGION": "eu-west-1 "}
    credentials = EnvironmentCredentials(environ)
    assert credentials.current == Credentials("id", "secret")
    assert credentials.region == "eu-west-1"


async def test_environment_without_keys_names_the_variables() -> None:
    """A token that was left behind is named, since it looks like an identity."""
    with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set\n"):
        await EnvironmentCredentials({}).get()
    with pytest.raises(CredentialsError, match=r"are not set \(AWS_SESSION_TOKEN alone is no identity\)"):
        await EnvironmentCredentials({"AWS_SESSION_TOKEN": "token"}).get()


async def test_half_of_an_environment_names_the_variables_that_are_set() -> None:
    """The half that is missing is named by the parameter that would give it."""
    credentials = EnvironmentCredentials({"AWS_ACCESS_KEY_ID": "id", "AWS_SESSION_TOKEN": "token"})
    expected = r"no secret_access_key, while access_key_id is from environment \(AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN\)"
    with pytest.raises(CredentialsError, match=expected):
        await credentials.get()


def test_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read when the provider is made, not when the module is imported."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert EnvironmentCredentials().current == Credentials("id", "secret")


def test_signature_does_not_show_the_environment() -> None:
    """``help()`` and documentation print the defaults of parameters."""
    assert "AWS" not in str(inspect.signature(EnvironmentCredentials))
    assert str(os.environ) not in str(inspect.signature(EnvironmentCredentials))


VALUES = st.sampled_from(["", "one", "a/b+c=", "%(x)s"])


@given(
    environ=st.fixed_dictionaries(
        {"AWS_ACCESS_KEY_ID": VALUES, "AWS_SECRET_ACCESS_KEY": VALUES, "AWS_DEFAULT_REGION": st.just("eu-west-1")}
    ),
    token=st.dictionaries(st.sampled_from(["AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"]), VALUES, max_size=1),
)
def test_environment_is_read_as_botocore_reads_it(environ: dict[str, str], token: dict[str, str]) -> None:
    """Every mix of set, blank and absent variables gives the same identity, or none in both."""
    environ |= token
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        session = Session()
        provider = session.get_component("credential_provider").get_provider("env")
        if not (environ["AWS_ACCESS_KEY_ID"] and environ["AWS_SECRET_ACCESS_KEY"]):
            assert EnvironmentCredentials().found.complete() is None
            return
        theirs = provider.load().get_frozen_credentials()
        ours = EnvironmentCredentials()
        assert ours.current == Credentials(theirs.access_key, theirs.secret_key, theirs.token)
        assert ours.region == session.get_config_variable("region")
