"""Credentials of a login by ``aws sso login``: real files, and a server that plays both of its services."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials.sso import SSOCredentials
from tests.network.clients import NOON, ManualTime
from tests.scripted import Choose, Reply, ScriptedServer, Stall

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted import Received, Step

START = "https://example.awsapps.com/start"
HOUR = 3600.0
# Nothing of these is ever shown.
SECRETS = ("access-1", "access-2", "refresh-1", "refresh-2", "client-secret", "role-secret", "role-token")
LOGIN = "run `aws sso login --sso-session main`"
LEGACY_LOGIN = "run `aws sso login --profile NAME` with a profile of this start URL"


def written(moment: float) -> str:
    """Write a time as the AWS CLI does."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def role(lifetime: float = HOUR, **fields: object) -> Reply:
    """Give a role's credentials, as the portal does."""
    identity = {
        "accessKeyId": "an-id",
        "secretAccessKey": "role-secret",
        "sessionToken": "role-token",
        "expiration": int((NOON + lifetime) * 1000),
    }
    return Reply(body=json.dumps({"roleCredentials": identity | fields}).encode())


def granted(**fields: object) -> Reply:
    """Give a new access token for eight hours."""
    return Reply(
        body=json.dumps({"accessToken": "access-2", "expiresIn": 28800, "tokenType": "Bearer"} | fields).encode()
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """A home folder where somebody logs in, and a time that stands still."""

    home: Path
    time: ManualTime = field(default_factory=ManualTime)

    def file(self, name: str) -> Path:
        """Give the file of a session's login, or of a start URL's."""
        return self.home / ".aws" / "sso" / "cache" / f"{hashlib.sha1(name.encode()).hexdigest()}.json"  # noqa: S324 - a file's name

    def log_in(self, name: str = "main", *, lifetime: float = 8 * HOUR, **fields: object) -> Path:
        """Leave behind what ``aws sso login`` does, but for the ``fields``."""
        login: dict[str, Any] = {
            "startUrl": START,
            "region": "eu-west-1",
            "accessToken": "access-1",
            "expiresAt": written(NOON + lifetime),
        }
        if name != START:
            login |= {
                "clientId": "client-id",
                "clientSecret": "client-secret",
                "registrationExpiresAt": written(NOON + 24 * HOUR),
                "refreshToken": "refresh-1",
                "ofTomorrow": {"scopes": ["a", "b"]},
            }
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(login | fields))
        return path

    def credentials(
        self, server: ScriptedServer | None = None, session_name: str | None = "main", timeout: float = 10
    ) -> SSOCredentials:
        """Give the provider of somebody who works here."""
        url = "http://127.0.0.1:1" if server is None else server.url
        credentials = SSOCredentials(
            account_id="123456789012",
            role_name="a role",
            start_url=START,
            sso_region="eu-west-1",
            session_name=session_name,
            timeout=timeout,
            environ={"HOME": str(self.home), "USERPROFILE": str(self.home)},
            portal_endpoint=url,
            oidc_endpoint=url,
            clock=self.time.clock,
        )
        credentials._sleep = self.time.sleep
        return credentials


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Give a home folder where nobody has logged in yet."""
    # AWS's own addresses may be behind a proxy of the environment; the server here is not.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Desk(tmp_path)


async def failure_of(credentials: SSOCredentials) -> str:
    """Give the words of the error, and see that no link of its chain has a secret in it."""
    with pytest.raises(CredentialsError) as caught:
        await credentials.get()
    link: BaseException | None = caught.value
    while link is not None:
        assert not [secret for secret in SECRETS if secret in f"{link}{link!r}"]
        link = link.__cause__ or link.__context__
    return str(caught.value)


@pytest.mark.parametrize("session_name", ["main", None])
async def test_role_is_given_for_a_login(desk: Desk, session_name: str | None) -> None:
    """By its session's name, or in the old form by its start URL."""
    desk.log_in(session_name or START)
    async with ScriptedServer(role()) as server:
        identity = await desk.credentials(server, session_name).get()
    assert identity == Credentials("an-id", "role-secret", "role-token", datetime.fromtimestamp(NOON + HOUR, UTC))
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/federation/credentials")
    assert request.query == "role_name=a+role&account_id=123456789012"
    assert request.headers["x-amz-sso_bearer_token"] == "access-1"
    assert "Authorization" not in request.headers


async def test_login_is_read_again_at_every_fetch(desk: Desk) -> None:
    """Who logs in again need not restart the program."""
    desk.log_in(START)
    async with ScriptedServer(role(), role(2 * HOUR)) as server:
        credentials = desk.credentials(server, None)
        await credentials.get()
        desk.log_in(START, accessToken="access-2")
        desk.time.now += HOUR
        await credentials.get()
    assert [request.headers["x-amz-sso_bearer_token"] for request in server.requests] == ["access-1", "access-2"]


@pytest.mark.parametrize(
    ("session_name", "cure"),
    [
        ("main", LOGIN),
        ("two words", "run `aws sso login --sso-session 'two words'`"),
        (None, LEGACY_LOGIN),
    ],
)
async def test_missing_login_says_how_to_log_in(desk: Desk, session_name: str | None, cure: str) -> None:
    """The error names the file that is not there, too."""
    words = await failure_of(desk.credentials(session_name=session_name))
    assert f" is not there, as there is no file {desk.file(session_name or START)}: " in words
    assert words.endswith(cure)


@pytest.mark.parametrize("ending", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%SUTC", "%Y-%m-%dT%H:%M:%S+00:00"])
async def test_old_login_ends_when_it_ends(desk: Desk, ending: str) -> None:
    """Nobody is asked with a token that is over; older CLIs write the time in another way."""
    desk.log_in(START, expiresAt=datetime.fromtimestamp(NOON + 60, UTC).strftime(ending))
    async with ScriptedServer(role(30)) as server:
        credentials = desk.credentials(server, None)
        assert (await credentials.get()).access_key_id == "an-id"
        desk.time.now += 60
        assert await failure_of(credentials) == f"the SSO login at {START} has expired: {LEGACY_LOGIN}"
    assert len(server.requests) == 1


async def test_session_is_renewed_before_its_end(desk: Desk) -> None:
    """From fifteen minutes before it, and the role is asked for with the new token."""
    desk.log_in(lifetime=899)
    async with ScriptedServer(granted(refreshToken="refresh-2"), role()) as server:
        assert (await desk.credentials(server).get()).access_key_id == "an-id"
    renewal, question = server.requests
    assert (renewal.method, renewal.target, renewal.headers["Content-Type"]) == ("POST", "/token", "application/json")
    assert json.loads(renewal.body) == {
        "grantType": "refresh_token",
        "clientId": "client-id",
        "clientSecret": "client-secret",
        "refreshToken": "refresh-1",
    }
    assert question.headers["x-amz-sso_bearer_token"] == "access-2"


async def test_session_is_not_renewed_long_before_its_end(desk: Desk) -> None:
    """What is good is left alone."""
    path = desk.log_in(lifetime=900)
    before = path.read_text()
    async with ScriptedServer(role()) as server:
        await desk.credentials(server).get()
    assert path.read_text() == before


async def test_expired_session_is_renewed(desk: Desk) -> None:
    """After a night, with a registration that still holds."""
    desk.log_in(lifetime=-10 * HOUR)
    async with ScriptedServer(granted(), role()) as server:
        assert (await desk.credentials(server).get()).access_key_id == "an-id"


@pytest.mark.parametrize(("fields", "refresh_token"), [({"refreshToken": "refresh-2"}, "refresh-2"), ({}, "refresh-1")])
async def test_renewed_login_is_written_back(desk: Desk, fields: dict[str, str], refresh_token: str) -> None:
    """For its owner only, with nothing lost of what other programs keep there, and nothing else left behind."""
    path = desk.log_in(lifetime=60)
    path.chmod(0o644)
    before = json.loads(path.read_text())
    async with ScriptedServer(granted(**fields), role(), role(2 * HOUR)) as server:
        credentials = desk.credentials(server)
        await credentials.get()
        assert json.loads(path.read_text()) == before | {
            "accessToken": "access-2",
            "expiresAt": written(NOON + 8 * HOUR),
            "refreshToken": refresh_token,
        }
        if os.name != "nt":
            assert path.stat().st_mode & 0o777 == 0o600
        assert list(path.parent.iterdir()) == [path]
        desk.time.now += HOUR
        await credentials.get()
    assert [request.method for request in server.requests] == ["POST", "GET", "GET"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
async def test_link_to_the_login_stays_one(desk: Desk, tmp_path: Path) -> None:
    """What it leads to is replaced."""
    path = desk.log_in(lifetime=60)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    async with ScriptedServer(granted(), role()) as server:
        await desk.credentials(server).get()
    assert path.is_symlink()
    assert json.loads(elsewhere.read_text())["accessToken"] == "access-2"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"registrationExpiresAt": written(NOON)}, "the registration in {path} has expired"),
        ({"registrationExpiresAt": "soon"}, "registrationExpiresAt in {path} gives "),
        ({"refreshToken": None}, "{path} has no refreshToken"),
        ({"clientSecret": ""}, "{path} has no clientSecret"),
        ({"clientId": 1}, "{path} has no clientId"),
    ],
)
async def test_expired_session_without_means_says_how_to_log_in(
    desk: Desk, fields: dict[str, Any], reason: str
) -> None:
    """Nobody is asked, and the reason is in the error."""
    path = desk.log_in(lifetime=0, **fields)
    words = await failure_of(desk.credentials())
    expected = f"the login of SSO session 'main' has expired and cannot be renewed ({reason.format(path=path)}"
    assert words.startswith(expected)
    assert words.endswith(f"): {LOGIN}")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(400, body=b'{"error": "invalid_grant", "error_description": "refresh-1"}'), "400 (invalid_grant)"),
        (Reply(400, body=b'{"error": "refresh-1 is old"}'), "400"),
        (Reply(401, body=b"<html>refresh-1</html>"), "401"),
        (Reply(302, {"Location": "/elsewhere"}), "302"),
    ],
)
async def test_refused_renewal_of_an_expired_session_says_how_to_log_in(desk: Desk, reply: Reply, reason: str) -> None:
    """The status is told, and the name of the error, but no other word."""
    path = desk.log_in(lifetime=0)
    before = path.read_text()
    async with ScriptedServer(reply) as server:
        words = await failure_of(desk.credentials(server))
        trouble = f"has expired and cannot be renewed ({server.url}/token answers with status {reason})"
    assert words == f"the login of SSO session 'main' {trouble}: {LOGIN}"
    assert path.read_text() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"accessToken": None},
        {"accessToken": "access-2\r\nx: y"},
        {"expiresIn": None},
        {"expiresIn": "28800"},
        {"expiresIn": 0},
        {"expiresIn": 10**12},
    ],
)
async def test_renewal_that_gives_nothing_usable_is_not_kept(desk: Desk, fields: dict[str, Any]) -> None:
    """The old login stays in its file."""
    path = desk.log_in(lifetime=0)
    before = path.read_text()
    async with ScriptedServer(granted(**fields)) as server:
        assert (await failure_of(desk.credentials(server))).endswith(LOGIN)
    assert path.read_text() == before


async def test_session_that_cannot_be_renewed_is_used_to_its_end(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """That is logged, without a secret."""
    desk.log_in(lifetime=60)
    async with ScriptedServer(Reply(400), role(30), Reply(400)) as server:
        credentials = desk.credentials(server)
        with caplog.at_level(logging.DEBUG):
            assert (await credentials.get()).access_key_id == "an-id"
        desk.time.now += 60
        assert (await failure_of(credentials)).endswith(LOGIN)
    assert "an SSO login that is still valid could not be renewed" in caplog.text
    assert not [secret for secret in SECRETS if secret in caplog.text]


async def test_session_that_another_program_has_renewed_meanwhile_is_used(desk: Desk) -> None:
    """Its refresh token is void here then, but a good login is in the file."""
    desk.log_in(lifetime=0)

    def other_program(request: Received) -> Step:
        del request
        desk.log_in(accessToken="access-2")
        return Reply(400, body=b'{"error": "invalid_grant"}')

    async with ScriptedServer(Choose(other_program), role()) as server:
        assert (await desk.credentials(server).get()).access_key_id == "an-id"
    assert server.requests[1].headers["x-amz-sso_bearer_token"] == "access-2"


async def test_renewed_login_that_cannot_be_written_is_used(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A home folder is read-only in many a container."""
    path = desk.log_in(lifetime=0)
    login = json.loads(path.read_text())

    def folder_goes(request: Received) -> Step:
        del request
        path.parent.rename(tmp_path / "gone")
        return granted()

    async with ScriptedServer(Choose(folder_goes), role()) as server:
        assert (await desk.credentials(server).get()).access_key_id == "an-id"
    assert f"the renewed SSO login could not be kept in {path}: No such file or directory" in caplog.text
    assert json.loads((tmp_path / "gone" / path.name).read_text()) == login


async def test_401_says_how_to_log_in(desk: Desk) -> None:
    """Somebody logged out, or an administrator ended it."""
    desk.log_in()
    async with ScriptedServer(Reply(401, body=b'{"message": "access-1"}')) as server:
        words = await failure_of(desk.credentials(server))
    assert words == f"the login of SSO session 'main' is no longer accepted: {LOGIN}"
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_role_that_the_login_does_not_have_is_named(desk: Desk, status: int) -> None:
    """To log in again would not help."""
    desk.log_in()
    async with ScriptedServer(Reply(status, body=b"access-1")) as server:
        words = await failure_of(desk.credentials(server))
    assert words == (
        "the login of SSO session 'main' has no role 'a role' in account '123456789012': check sso_role_name and "
        f"sso_account_id (status {status})"
    )


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [
        (
            Reply(body=b"<html>role-secret</html>"),
            "answers with a page of HTML: a proxy or a login page is in its place",
        ),
        (Reply(body=b'["role-secret"]'), "gives no JSON object"),
        (Reply(body=b'{"roleCredentials": "role-secret"}'), "gives no roleCredentials"),
        (role(accessKeyId=None), "gives no AccessKeyId"),
        (role(secretAccessKey=" "), "gives no SecretAccessKey"),
        (role(sessionToken=1), "gives a Token that is no text"),
        (role(expiration=None), "gives an expiration that is no time in milliseconds"),
        (role(expiration="2100-01-01T00:00:00Z"), "gives an expiration that is no time in milliseconds"),
        (role(expiration=1e300), "gives an expiration that is no time in milliseconds"),
        (Reply(302, {"Location": "/elsewhere"}), "sends elsewhere (status 302), and is not followed"),
        (Reply(400, body=b"access-1"), "does not understand the request (status 400)"),
    ],
)
async def test_answer_that_is_no_identity_is_refused(desk: Desk, reply: Reply, trouble: str) -> None:
    """Nothing of it is shown, and a redirect gets no token."""
    desk.log_in()
    async with ScriptedServer(reply) as server:
        words = await failure_of(desk.credentials(server))
        assert words == f"{server.url}/federation/credentials {trouble}"
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble", [Reply(429), Reply(500), Reply(503)])
async def test_service_that_is_in_trouble_for_a_moment_is_asked_again(desk: Desk, trouble: Step) -> None:
    """After short waits, the second longer than the first could be at its shortest."""
    desk.log_in()
    async with ScriptedServer(trouble, trouble, role()) as server:
        assert (await desk.credentials(server).get()).access_key_id == "an-id"
    first, second = desk.time.waits
    assert 0.25 <= first <= 0.5 <= second <= 1.0


async def test_renewal_is_asked_for_again_too(desk: Desk) -> None:
    """The other service has its moments as well."""
    desk.log_in(lifetime=0)
    async with ScriptedServer(Reply(503), granted(), role()) as server:
        assert (await desk.credentials(server).get()).access_key_id == "an-id"


async def test_service_that_stays_in_trouble_is_an_error(desk: Desk) -> None:
    """After three attempts, with the last answer's status."""
    desk.log_in()
    async with ScriptedServer(then=Reply(503)) as server:
        words = await failure_of(desk.credentials(server))
        assert words == f"{server.url}/federation/credentials fails (status 503), in all attempts"
    assert len(server.requests) == 3


async def test_service_that_nobody_reaches_is_an_error(desk: Desk) -> None:
    """After three attempts, too; the login is not blamed."""
    desk.log_in()
    async with ScriptedServer(listening=False) as server:
        words = await failure_of(desk.credentials(server))
        assert words.startswith(f"127.0.0.1:{server.port} does not answer: ")
    assert " does not answer: " in words
    assert "login" not in words
    assert len(desk.time.waits) == 2


async def test_service_that_does_not_answer_in_time_is_an_error(desk: Desk) -> None:
    """Each of the attempts has its time limit."""
    desk.log_in()
    async with ScriptedServer(then=Stall()) as server:
        words = await failure_of(desk.credentials(server, timeout=0.05))
        assert words.startswith(f"127.0.0.1:{server.port} does not answer: ")
        assert " does not answer: " in words
        server.release()
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("content", "trouble"),
    [
        (b"", "gives no JSON object"),
        (b'{"accessToken": "access-1"', "gives no JSON object"),
        (b'["access-1"]', "gives no JSON object"),
        (b"access-1 \xff", "is not UTF-8 text"),
        (b'{"accessToken": "access-1", "expiresAt": "soon"}', "gives an expiration that is no time in RFC 3339's form"),
    ],
)
async def test_broken_file_is_named(desk: Desk, content: bytes, trouble: str) -> None:
    """Without its content."""
    path = desk.log_in()
    path.write_bytes(content)
    assert await failure_of(desk.credentials()) == f"{path} {trouble}"


@pytest.mark.parametrize("fields", [{"accessToken": None}, {"accessToken": "access-1\n"}, {"expiresAt": 1}])
async def test_file_without_a_login_says_how_to_log_in(desk: Desk, fields: dict[str, Any]) -> None:
    """It may be another one's of the CLI: the registration of a client is in the same folder."""
    path = desk.log_in(**fields)
    words = await failure_of(desk.credentials())
    assert words == (
        f"the login of SSO session 'main' is not in {path}, which has no accessToken or no expiresAt: {LOGIN}"
    )


async def test_file_that_cannot_be_read_is_named(desk: Desk) -> None:
    """A folder cannot be read as a file, not even by root."""
    path = desk.file("main")
    path.mkdir(parents=True)
    assert (await failure_of(desk.credentials())).startswith(f"{path} cannot be read: ")


@pytest.mark.parametrize(("region", "domain"), [("eu-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")])
def test_services_are_in_the_region_of_the_login(region: str, domain: str) -> None:
    """Each part of AWS has its own domain."""
    credentials = SSOCredentials(account_id="1", role_name="a", start_url=START, sso_region=region)
    assert credentials._portal == f"https://portal.sso.{region}.{domain}"
    assert credentials._oidc == f"https://oidc.{region}.{domain}"


def test_region_that_is_none_is_refused() -> None:
    """It would be part of a host's name, which then gets the token."""
    with pytest.raises(ValueError, match="is not a region"):
        SSOCredentials(account_id="1", role_name="a", start_url=START, sso_region="evil.example/")


async def test_repr_shows_no_secret(desk: Desk) -> None:
    """Neither of the login nor of the role."""
    desk.log_in()
    async with ScriptedServer(role()) as server:
        credentials = desk.credentials(server)
        await credentials.get()
    assert repr(credentials) == "<SSOCredentials access_key_id='an-id'>"
