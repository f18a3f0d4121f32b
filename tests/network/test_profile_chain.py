"""What a profile asks for: keys, roles and their chains, an OpenID token, SSO, a process; and what it does wrong."""

from __future__ import annotations

import logging
import sys
import traceback
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials.assume_role import AssumeRoleCredentials
from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.container import ContainerCredentials
from aiohttp_s3_client.credentials.environment import EnvironmentCredentials
from aiohttp_s3_client.credentials.metadata import MetadataCredentials
from aiohttp_s3_client.credentials.process import ProcessCredentials
from aiohttp_s3_client.credentials.profile_chain import profile_provider
from aiohttp_s3_client.credentials.profiles import read_profile_files
from aiohttp_s3_client.credentials.sso import SSOCredentials
from aiohttp_s3_client.credentials.web_identity import WebIdentityCredentials
from tests.network.clients import ManualTime
from tests.network.sts_answers import ROLE, form_of, granted, role_credentials, signature_is_right
from tests.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp_s3_client.credentials.base import AbstractCredentials

KEYS = "aws_access_key_id = {0}-id\naws_secret_access_key = {0}-secret\n"
STATIC = KEYS.format("a")
ROLE_LINE = f"role_arn = {ROLE}\n"
SSO = "sso_account_id = 123456789012\nsso_role_name = reader\n"
SSO_SESSION = "sso_start_url = https://me.test/start\nsso_region = eu-west-1\n"
PROCESS = "credential_process = /opt/keys --for me\n"
WEB_IDENTITY = f"web_identity_token_file = /var/run/token\n{ROLE_LINE}"


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with the two files, and the environment of a program that runs there."""

    path: Path
    environ: dict[str, str]

    def write(self, *, config: str = "", credentials: str = "") -> None:
        """Write the files."""
        (self.path / "config").write_text(config)
        (self.path / "credentials").write_text(credentials)

    def provider(self, profile: str | None = None, *, region: str | None = None) -> AbstractCredentials | None:
        """Give what a profile asks for."""
        files = read_profile_files(self.environ)
        return profile_provider(files, files.profile(profile, self.environ), self.environ, region=region)

    def problem(self, profile: str | None = None) -> str:
        """Give what is wrong with a profile, without the folder's path."""
        with pytest.raises(CredentialsError) as caught:
            self.provider(profile)
        return str(caught.value).replace(f"{self.path}/", "")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Give an empty home folder."""
    environ = {
        "HOME": str(tmp_path),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    return Home(tmp_path, environ)


def in_time(provider: AbstractCredentials | None, time: ManualTime) -> AssumeRoleCredentials:
    """Move a role's provider, and those that it asks, into a time of the test's own."""
    role = link = provider
    while isinstance(link, AssumeRoleCredentials):
        link._clock = link._sts._clock = time.clock
        link = link._source
    assert isinstance(role, AssumeRoleCredentials)
    return role


async def answered(home: Home, *answers: Reply, profile: str | None = None) -> tuple[Credentials, ScriptedServer]:
    """Ask a profile's role of a server that plays STS."""
    async with ScriptedServer(*answers) as server:
        home.environ["AWS_ENDPOINT_URL_STS"] = server.url
        return await in_time(home.provider(profile), ManualTime()).get(), server


def test_profile_without_an_identity_gives_none(home: Home) -> None:
    """A region, or nothing at all: the next source is asked."""
    assert home.provider() is None
    home.write(config="[default]\nregion = eu-west-1\ns3 =\n  addressing_style = path\nrole_session_name = me\n")
    assert home.provider() is None


@pytest.mark.parametrize("file", ["config", "credentials"])
async def test_keys_of_either_file_are_taken(home: Home, file: str) -> None:
    """With the token and the region."""
    text = f"[default]\n{STATIC}aws_session_token = token\nregion = eu-west-1\n"
    home.write(**{file: text})
    provider = home.provider()
    assert isinstance(provider, KnownCredentials)
    assert provider.current == Credentials("a-id", "a-secret", "token")
    assert provider.region == "eu-west-1"
    assert provider.found.source == f"profile 'default' of {home.path / file}"


async def test_half_a_pair_of_keys_says_what_is_missing(home: Home) -> None:
    """When it is asked, as in every other place."""
    home.write(config="[default]\naws_secret_access_key = hunter2\n")
    provider = home.provider()
    assert provider is not None
    with pytest.raises(CredentialsError, match="no access_key_id, while secret_access_key is from profile 'default'"):
        await provider.get()


ORDER: dict[str, tuple[str, type[AbstractCredentials]]] = {
    "role": (f"{ROLE_LINE}credential_source = Environment\n", AssumeRoleCredentials),
    "web identity": (WEB_IDENTITY, WebIdentityCredentials),
    "sso": (f"{SSO}{SSO_SESSION}", SSOCredentials),
    "keys": (STATIC, KnownCredentials),
    "process": (PROCESS, ProcessCredentials),
}


PAIRS = [pair for pair in combinations(ORDER, 2) if pair != ("role", "web identity")]


@pytest.mark.parametrize(("name", "behind"), PAIRS)
def test_order_is_that_of_botocore(home: Home, name: str, behind: str) -> None:
    """Whatever else the profile says, wherever it says it; the keys are those of the credentials file."""
    (text, kind), (other, _) = ORDER[name], ORDER[behind]
    home.write(credentials=f"[default]\n{text}", config=f"[default]\n{other}")
    assert type(home.provider()) is kind


def test_token_file_makes_a_role_one_for_a_token(home: Home) -> None:
    """The role is the same setting for both."""
    home.write(config=f"[default]\n{WEB_IDENTITY}source_profile = default\n")
    assert type(home.provider()) is WebIdentityCredentials


def test_process_comes_before_the_keys_of_the_config_file(home: Home) -> None:
    """And behind those of the credentials file."""
    home.write(config=f"[default]\n{STATIC}{PROCESS}")
    assert type(home.provider()) is ProcessCredentials
    home.write(config=f"[default]\n{PROCESS}", credentials=f"[default]\n{STATIC}")
    assert type(home.provider()) is KnownCredentials


async def test_process_of_a_profile_is_run(home: Home) -> None:
    """A real one."""
    script = home.path / "keys.py"
    script.write_text('print(\'{"Version": 1, "AccessKeyId": "p-id", "SecretAccessKey": "p-secret"}\')')
    home.write(config=f"[profile p]\ncredential_process = '{sys.executable}' {script}\n")
    provider = home.provider("p")
    assert provider is not None
    assert await provider.get() == Credentials("p-id", "p-secret")


def test_process_with_an_open_quote_is_an_error_of_its_profile(home: Home) -> None:
    """The command may have a secret in it."""
    home.write(config="[default]\ncredential_process = keys 'hunter2\n")
    problem = home.problem()
    assert problem.startswith("profile 'default' of config: ")
    assert "hunter2" not in problem


async def test_role_is_taken_with_the_keys_of_its_source_profile(home: Home) -> None:
    """With all that the profile says of it, in the region of the profile."""
    home.write(
        config=f"[profile r]\n{ROLE_LINE}source_profile = two words\nregion = eu-west-1\nrole_session_name = me\n"
        "external_id = owner\nduration_seconds = 3600\n",
        credentials=f"[two words]\n{STATIC}region = eu-west-2\n",
    )
    credentials, server = await answered(home, granted("AssumeRole"), profile="r")
    assert credentials == role_credentials()
    assert signature_is_right(server.requests[0], Credentials("a-id", "a-secret"), "eu-west-1")
    assert form_of(server.requests[0]) == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "me",
        "ExternalId": "owner",
        "DurationSeconds": "3600",
    }


@pytest.mark.parametrize(
    ("environ", "argument", "region"),
    [
        ({}, None, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, None, "eu-west-2"),
        ({"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": "eu-west-3"}, None, "eu-west-3"),
        ({"AWS_REGION": "eu-west-3"}, "eu-north-1", "eu-north-1"),
    ],
)
def test_region_is_the_argument_the_environment_or_the_profile(
    home: Home, environ: dict[str, str], argument: str | None, region: str
) -> None:
    """The first of them that is there."""
    home.environ.update(environ)
    home.write(config=f"[default]\n{ROLE_LINE}credential_source = EcsContainer\nregion = eu-west-1\n")
    provider = home.provider(region=argument)
    assert provider is not None
    assert provider.region == region


async def test_roles_are_chained_through_source_profiles(home: Home) -> None:
    """Each is taken with the credentials of the one before."""
    home.write(
        config="[profile c]\nrole_arn = arn:c\nsource_profile = b\n[profile b]\nrole_arn = arn:b\nsource_profile = a\n"
        f"[profile a]\n{STATIC}"
    )
    credentials, server = await answered(home, granted("AssumeRole", "b"), granted("AssumeRole", "c"), profile="c")
    assert credentials == role_credentials("c")
    assert [form_of(request)["RoleArn"] for request in server.requests] == ["arn:b", "arn:c"]
    assert signature_is_right(server.requests[0], Credentials("a-id", "a-secret"), "us-east-1")
    assert signature_is_right(server.requests[1], role_credentials("b"), "us-east-1")


async def test_setting_of_the_credentials_file_comes_before_that_of_the_config_file(home: Home) -> None:
    """The same profile may be in both, and each setting is taken for itself; a blank one is none."""
    home.write(
        config=f"[default]\nrole_arn = arn:config\nexternal_id = config\nsource_profile = a\n[profile a]\n{STATIC}",
        credentials="[default]\nrole_arn = arn:credentials\nexternal_id =\n",
    )
    _, server = await answered(home, granted("AssumeRole"))
    form = form_of(server.requests[0])
    assert (form["RoleArn"], form["ExternalId"]) == ("arn:credentials", "config")


async def test_profile_may_be_its_own_source_where_it_has_keys(home: Home) -> None:
    """The keys take the role, in the same profile, also over two files."""
    home.write(config=f"[default]\n{ROLE_LINE}source_profile = default\n", credentials=f"[default]\n{STATIC}")
    credentials, server = await answered(home, granted("AssumeRole"))
    assert credentials == role_credentials()
    assert signature_is_right(server.requests[0], Credentials("a-id", "a-secret"), "us-east-1")


async def test_keys_of_a_source_profile_come_before_its_role(home: Home) -> None:
    """As in botocore: one role is taken, not two."""
    home.write(
        config=f"[profile r]\n{ROLE_LINE}source_profile = a\n"
        f"[profile a]\n{STATIC}role_arn = arn:a\nsource_profile = r\n"
    )
    _, server = await answered(home, granted("AssumeRole"), profile="r")
    assert form_of(server.requests[0])["RoleArn"] == ROLE


@pytest.mark.parametrize(
    ("text", "kind"),
    [(WEB_IDENTITY, WebIdentityCredentials), (SSO + SSO_SESSION, SSOCredentials), (PROCESS, ProcessCredentials)],
)
def test_source_profile_can_be_of_any_kind(home: Home, text: str, kind: type[AbstractCredentials]) -> None:
    """Whatever gives an identity can take a role."""
    home.write(config=f"[default]\n{ROLE_LINE}source_profile = a\n[profile a]\n{text}")
    provider = home.provider()
    assert isinstance(provider, AssumeRoleCredentials)
    assert type(provider._source) is kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Environment", EnvironmentCredentials),
        ("Ec2InstanceMetadata", MetadataCredentials),
        ("EcsContainer", ContainerCredentials),
    ],
)
def test_credential_source_takes_the_role(home: Home, name: str, kind: type[AbstractCredentials]) -> None:
    """The three that AWS names."""
    home.write(config=f"[default]\n{ROLE_LINE}credential_source = {name}\n")
    provider = home.provider()
    assert isinstance(provider, AssumeRoleCredentials)
    assert type(provider._source) is kind


async def test_role_is_taken_with_the_keys_of_the_environment(home: Home) -> None:
    """Those of the environment that was given."""
    home.environ.update(AWS_ACCESS_KEY_ID="e-id", AWS_SECRET_ACCESS_KEY="e-secret", AWS_REGION="eu-west-1")
    home.write(config=f"[default]\n{ROLE_LINE}credential_source = Environment\n")
    credentials, server = await answered(home, granted("AssumeRole"))
    assert credentials == role_credentials()
    assert signature_is_right(server.requests[0], Credentials("e-id", "e-secret"), "eu-west-1")


async def test_token_of_a_profile_is_exchanged(home: Home) -> None:
    """The profile's own file, role and name."""
    token_file = home.path / "token"
    token_file.write_text("eyJ0.eyJz.c2ln")
    home.write(config=f"[default]\n{ROLE_LINE}web_identity_token_file = {token_file}\nrole_session_name = me\n")
    async with ScriptedServer(granted("AssumeRoleWithWebIdentity")) as server:
        home.environ["AWS_ENDPOINT_URL_STS"] = server.url
        provider = home.provider()
        assert isinstance(provider, WebIdentityCredentials)
        provider._clock = ManualTime().clock
        assert await provider.get() == role_credentials()
    form = form_of(server.requests[0])
    assert (form["RoleArn"], form["RoleSessionName"], form["WebIdentityToken"]) == (ROLE, "me", "eyJ0.eyJz.c2ln")


@pytest.mark.parametrize(
    "config",
    [
        f"[default]\n{SSO}{SSO_SESSION}",
        f"[default]\n{SSO}sso_session = me\n[sso-session me]\n{SSO_SESSION}",
        f"[default]\n{SSO}sso_session = two words\nsso_region = eu-west-1\n[sso-session 'two words']\n{SSO_SESSION}",
    ],
)
async def test_sso_login_is_that_of_the_profile_or_its_session(home: Home, config: str) -> None:
    """Both forms; nobody has logged in here."""
    home.write(config=config)
    provider = home.provider()
    assert isinstance(provider, SSOCredentials)
    with pytest.raises(CredentialsError, match="aws sso login"):
        await provider.get()


WRONG = {
    "unknown source profile": (
        f"[default]\n{ROLE_LINE}source_profile = dve\n[profile dev]\n",
        (
            "profile 'default' has a source_profile that does not exist: no profile 'dve' in credentials and config. "
            "Profiles there: 'default', 'dev'"
        ),
    ),
    "its own source without keys": (
        f"[default]\n{ROLE_LINE}source_profile = default\n",
        "the source profiles go round in a circle: 'default' -> 'default'",
    ),
    "circle of three": (
        (
            "[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = r\nsource_profile = b\n"
            "[profile b]\nrole_arn = r\nsource_profile = default\n"
        ),
        "the source profiles go round in a circle: 'default' -> 'a' -> 'b' -> 'default'",
    ),
    "circle further on": (
        (
            "[default]\nrole_arn = r\nsource_profile = a\n[profile a]\nrole_arn = r\nsource_profile = b\n"
            "[profile b]\nrole_arn = r\nsource_profile = a\n"
        ),
        "the source profiles go round in a circle: 'a' -> 'b' -> 'a'",
    ),
    "circle to a profile with keys": (
        f"[default]\nrole_arn = r\nsource_profile = a\n{STATIC}[profile a]\nrole_arn = r\nsource_profile = default\n",
        "the source profiles go round in a circle: 'default' -> 'a' -> 'default'",
    ),
    "both sources": (
        f"[default]\n{ROLE_LINE}source_profile = a\ncredential_source = Environment\n",
        "profile 'default' of config has source_profile and credential_source: take one of them out",
    ),
    "no source": (
        f"[default]\n{ROLE_LINE}{STATIC}",
        (
            "profile 'default' of config has a role_arn, and does not say who takes the role: add a source_profile, "
            "a credential_source (Environment, Ec2InstanceMetadata, EcsContainer), or a web_identity_token_file"
        ),
    ),
    "unknown credential source": (
        f"[default]\n{ROLE_LINE}credential_source = environment\n",
        (
            "profile 'default' of config has an unknown credential_source: "
            "it can be one of Environment, Ec2InstanceMetadata, EcsContainer"
        ),
    ),
    "source without an identity": (
        f"[default]\n{ROLE_LINE}source_profile = a\n[profile a]\nregion = eu-west-1\n",
        "profile 'a' of config is the source_profile of 'default', and has no identity",
    ),
    "multi-factor": (
        f"[default]\n{ROLE_LINE}source_profile = default\n{STATIC}mfa_serial = arn:mfa\n",
        (
            "profile 'default' of config asks for a code of an MFA device (mfa_serial), which nobody is asked for: "
            "get its credentials with aws configure export-credentials --profile default --format env, "
            "and put them into the environment"
        ),
    ),
    "word as duration": (
        f"[default]\n{ROLE_LINE}credential_source = Environment\nduration_seconds = 1h\n",
        "profile 'default' of config has a duration_seconds that is no number from 900 to 43200",
    ),
    "short duration": (
        f"[default]\n{ROLE_LINE}credential_source = Environment\nduration_seconds = 60\n",
        "profile 'default' of config has a duration_seconds that is no number from 900 to 43200",
    ),
    "token file without a role": (
        "[default]\nweb_identity_token_file = /token\n",
        "profile 'default' of config has a web_identity_token_file and no role_arn: add one",
    ),
    "incomplete login": (
        "[default]\nsso_account_id = 1\nsso_start_url = https://me.test\n",
        "profile 'default' of config logs in by SSO, and does not say all of it: add sso_role_name, sso_region",
    ),
    "incomplete session": (
        f"[default]\n{SSO}sso_session = me\n[sso-session me]\nsso_start_url = https://me.test\n",
        "profile 'default' of config logs in by SSO, and does not say all of it: add sso_region",
    ),
    "unknown session": (
        f"[default]\n{SSO}sso_session = em\n[sso-session me]\n{SSO_SESSION}",
        (
            "profile 'default' of config has the sso_session 'em', and config has no section [sso-session em]. "
            "Sessions there: 'me'"
        ),
    ),
    "login in a region that is none": (
        f"[default]\n{SSO}sso_start_url = https://me.test\nsso_region = evil.test/\n",
        "profile 'default' of config: sso_region: 'evil.test/' is not a region: write it like 'eu-west-1'",
    ),
    "contradicted session": (
        f"[default]\n{SSO}sso_session = me\nsso_region = us-east-1\n[sso-session me]\n{SSO_SESSION}",
        "profile 'default' of config and its sso_session 'me' have two values for sso_region",
    ),
}


@pytest.mark.parametrize(("config", "problem"), WRONG.values(), ids=WRONG)
def test_profile_that_cannot_be_followed_says_why(home: Home, config: str, problem: str) -> None:
    """Before anything is sent, with the names that the user wrote."""
    home.write(config=config)
    assert home.problem() == problem


def test_both_files_are_named_where_a_profile_is_in_both(home: Home) -> None:
    """What is missing may be added to either."""
    home.write(config=f"[default]\n{ROLE_LINE}", credentials=f"[default]\n{STATIC}")
    assert home.problem().startswith("profile 'default' of credentials and config has a role_arn")


@pytest.mark.parametrize("config", [text for text, _ in WRONG.values()], ids=WRONG)
def test_no_secret_comes_out_of_a_problem(home: Home, config: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the error, nor in what it came from, nor in a log."""
    caplog.set_level(logging.DEBUG)
    home.write(config=config, credentials=f"[other]\n{KEYS.format('b')}")
    with pytest.raises(CredentialsError) as caught:
        home.provider()
    assert caught.value.__cause__ is None
    assert "-secret" not in "".join(traceback.format_exception_only(caught.value)) + caplog.text


def test_nothing_is_read_or_run_before_a_provider_is_asked(home: Home) -> None:
    """A program that only lists its profiles, or has its keys from elsewhere, waits for nothing."""
    missing = home.path / "missing"
    for text in (f"credential_process = {missing}", f"{ROLE_LINE}web_identity_token_file = {missing}"):
        home.write(config=f"[default]\n{text}\n")
        assert home.provider() is not None
