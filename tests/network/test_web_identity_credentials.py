"""The credentials of a role for an OpenID token in a file, from a server that plays STS."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import CredentialsError
from aiohttp_s3_client.credentials.web_identity import WebIdentityCredentials
from aiohttp_s3_client.errors import CredentialsNotFound
from tests.network.clients import ManualTime
from tests.network.sts_answers import HTML, ROLE, form_of, granted, refused, role_credentials
from tests.scripted import ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted import Step

ACTION = "AssumeRoleWithWebIdentity"
GRANTED = granted(ACTION)


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Give a file with a token in it, as Kubernetes writes it."""
    path = tmp_path / "token"
    path.write_text("eyJ0.first.c2ln\n")
    return path


def environment(token_file: Path, server: ScriptedServer, **more: str) -> dict[str, str]:
    """Give the environment of a pod whose service account has a role."""
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file),
        "AWS_ROLE_ARN": ROLE,
        "AWS_ENDPOINT_URL_STS": server.url,
        **more,
    }


async def test_pod_gets_the_credentials_of_its_role(token_file: Path) -> None:
    """By the variables alone; the token goes without its line end."""
    time = ManualTime()
    async with ScriptedServer(GRANTED) as server:
        environ = environment(token_file, server, AWS_ROLE_SESSION_NAME="pod-1")
        credentials = WebIdentityCredentials(environ=environ, clock=time.clock, sleep=time.sleep)
        assert await credentials.get() == credentials.current == role_credentials()
    form = form_of(server.requests[0])
    assert (form["Action"], form["RoleArn"], form["RoleSessionName"]) == (ACTION, ROLE, "pod-1")
    assert form["WebIdentityToken"] == "eyJ0.first.c2ln"
    assert "DurationSeconds" not in form


async def test_keywords_come_before_the_environment(token_file: Path, tmp_path: Path) -> None:
    """All of them, and the region is what was given."""
    time = ManualTime()
    async with ScriptedServer(GRANTED) as server:
        environ = environment(tmp_path / "none", server, AWS_ROLE_SESSION_NAME="other")
        credentials = WebIdentityCredentials(
            token_file,
            "arn:aws:iam::1:role/given",
            role_session_name="mine",
            duration_seconds=1800,
            region="eu-west-1",
            sts_endpoint=server.url,
            environ=environ | {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"},
            clock=time.clock,
        )
        assert await credentials.get() == role_credentials()
    assert credentials.region == "eu-west-1"
    form = form_of(server.requests[0])
    assert (form["RoleArn"], form["RoleSessionName"]) == ("arn:aws:iam::1:role/given", "mine")
    assert form["DurationSeconds"] == "1800"


async def test_session_without_a_name_gets_one(token_file: Path) -> None:
    """STS takes none without."""
    time = ManualTime()
    async with ScriptedServer(GRANTED) as server:
        await WebIdentityCredentials(environ=environment(token_file, server), clock=time.clock).get()
    assert form_of(server.requests[0])["RoleSessionName"] == f"aiohttp-s3-client-{int(time.now)}"


async def test_token_file_is_read_again_at_each_refresh(token_file: Path) -> None:
    """Kubernetes replaces it, long before the role's credentials end."""
    time = ManualTime()
    async with ScriptedServer(GRANTED, granted(ACTION, "second", lasting=7200)) as server:
        credentials = WebIdentityCredentials(environ=environment(token_file, server), clock=time.clock)
        assert await credentials.get() == role_credentials()
        replaced = token_file.with_name("next")
        replaced.write_text("eyJ0.second.c2ln")
        replaced.rename(token_file)
        time.now += 3600 - 30
        assert await credentials.get() == role_credentials("second", lasting=7200)
    assert [form_of(request)["WebIdentityToken"] for request in server.requests] == [
        "eyJ0.first.c2ln",
        "eyJ0.second.c2ln",
    ]


async def test_failure_that_passes_is_not_seen(token_file: Path) -> None:
    """STS, or the identity provider behind it, is back a moment later."""
    time = ManualTime()
    async with ScriptedServer(
        refused(500, "InternalFailure"), refused(400, "IDPCommunicationError"), GRANTED
    ) as server:
        credentials = WebIdentityCredentials(
            environ=environment(token_file, server), clock=time.clock, sleep=time.sleep
        )
        assert await credentials.get() == role_credentials()
    assert len(time.waits) == 2


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (refused(400, "ExpiredTokenException", "Token expired"), "400 ExpiredTokenException: Token expired$"),
        (refused(403, "AccessDenied", "Not authorized"), "403 AccessDenied: Not authorized$"),
        (HTML, "403: no reason given$"),
        (granted(ACTION, lasting=-1), "^WebIdentityCredentials gives credentials that have expired already$"),
    ],
)
async def test_failure_that_stays_is_told(token_file: Path, step: Step, words: str) -> None:
    """In STS's words, if they are STS's; never with the token."""
    time = ManualTime()
    async with ScriptedServer(step) as server:
        credentials = WebIdentityCredentials(environ=environment(token_file, server), clock=time.clock)
        with pytest.raises(CredentialsError, match=words) as caught:
            await credentials.get()
    assert not isinstance(caught.value, CredentialsNotFound)
    assert "eyJ0" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("environ", [{}, {"AWS_WEB_IDENTITY_TOKEN_FILE": " "}, {"AWS_ROLE_ARN": ROLE}])
async def test_without_a_token_file_the_source_is_not_there(environ: dict[str, str]) -> None:
    """A role alone is a leftover of somebody's script: the next source is asked, as botocore does."""
    with pytest.raises(CredentialsNotFound, match="AWS_WEB_IDENTITY_TOKEN_FILE is not set") as caught:
        await WebIdentityCredentials(environ=environ).get()
    assert ("AWS_ROLE_ARN alone" in str(caught.value)) == ("AWS_ROLE_ARN" in environ)


async def test_token_file_without_a_role_is_an_error(token_file: Path) -> None:
    """Somebody meant it to be used."""
    with pytest.raises(CredentialsError, match=f"{token_file}, and no role: set AWS_ROLE_ARN$") as caught:
        await WebIdentityCredentials(environ={"AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file)}).get()
    assert not isinstance(caught.value, CredentialsNotFound)


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hunter2\xff", "holds no token"),
        (b"hunter2\nhunter2", "holds no token"),
        (b"hunter2" * 10_000, "holds no token"),
    ],
)
async def test_unreadable_token_file_is_named_and_not_shown(
    tmp_path: Path, content: bytes | None, trouble: str
) -> None:
    """Nothing is sent, and nothing of the file comes out."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    async with ScriptedServer() as server:
        with pytest.raises(CredentialsError) as caught:
            await WebIdentityCredentials(environ=environment(path, server)).get()
    assert str(caught.value) == f"web identity: the token file {path} (AWS_WEB_IDENTITY_TOKEN_FILE) {trouble}"
    assert caught.value.__context__ is None
    assert not isinstance(caught.value, CredentialsNotFound)
    assert server.requests == []


def test_duration_out_of_bounds_is_refused_at_once(token_file: Path) -> None:
    """It is misuse."""
    with pytest.raises(ValueError, match="duration_seconds is 60"):
        WebIdentityCredentials(token_file, ROLE, duration_seconds=60)


async def test_printed_provider_shows_no_secret(token_file: Path) -> None:
    """Neither the token's nor the role's."""
    time = ManualTime()
    async with ScriptedServer(GRANTED) as server:
        credentials = WebIdentityCredentials(environ=environment(token_file, server), clock=time.clock)
        await credentials.get()
    assert repr(credentials) == "<WebIdentityCredentials access_key_id='role-id'>"
