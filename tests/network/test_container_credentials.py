"""The role of an ECS task or EKS pod, from a server that plays the service which the environment names."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import CredentialsError
from aiohttp_s3_client.credentials.container import ContainerCredentials
from aiohttp_s3_client.errors import CredentialsNotFound
from tests.network.clients import NOON, ManualTime
from tests.network.credential_services import HTML, SECRET, TOKEN, document, service
from tests.scripted import Drop, Ending, Raw, Reply, ScriptedServer, Stall

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted import Step

RELATIVE_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
PLAIN_TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
PATH = "/v2/credentials/the-task"
ALLOWED = r"https, or http to localhost, a loopback address, 169\.254\.170\.2, 169\.254\.170\.23 or \[fd00:ec2::23\]"


def giving(*steps: Step) -> ScriptedServer:
    """Play the service, which answers so at the one path."""
    return service({PATH: steps})


def asking(
    server: ScriptedServer,
    environ: dict[str, str] | None = None,
    *,
    time: ManualTime | None = None,
    timeout: float = 5.0,
) -> ContainerCredentials:
    """Make a provider for which this server is ECS's, and full URIs may name it as SERVER."""
    time = time or ManualTime()
    environ = {RELATIVE_URI: PATH} if environ is None else environ
    return ContainerCredentials(
        environ={name: value.replace("SERVER", server.url) for name, value in environ.items()},
        relative_to=server.url,
        timeout=timeout,
        clock=time.clock,
        sleep=time.sleep,
    )


async def test_relative_uri_is_a_path_of_the_service_of_ecs() -> None:
    """It counts before the full one."""
    async with giving(document()) as server:
        found = await asking(server, {RELATIVE_URI: PATH, FULL_URI: "http://localhost:1/"}).get()
        assert (found.access_key_id, found.secret_access_key, found.session_token) == ("id", SECRET, TOKEN)
        assert found.expiration is not None
        assert found.expiration.timestamp() == NOON + 6 * 3600
        (request,) = server.requests
        assert (request.method, request.target) == ("GET", PATH)
        assert "Authorization" not in request.headers
    assert ContainerCredentials(environ={RELATIVE_URI: PATH})._url() == f"http://169.254.170.2{PATH}"


async def test_full_uri_is_asked_with_the_authorization_token() -> None:
    """As EKS Pod Identity, and Greengrass, have it; a query stays as it is."""
    async with giving(document()) as server:
        environ = {FULL_URI: f"SERVER{PATH}?a=%2F", PLAIN_TOKEN: "Basic abc=="}
        assert (await asking(server, environ).get()).access_key_id == "id"
        (request,) = server.requests
        assert request.target == f"{PATH}?a=%2F"
        assert request.headers["Authorization"] == "Basic abc=="


async def test_token_file_is_read_before_each_fetch(tmp_path: Path) -> None:
    """It changes, and counts before the variable that does not."""
    path = tmp_path / "token"
    path.write_text("first")
    async with giving(document()) as server:
        environ = {FULL_URI: f"SERVER{PATH}", PLAIN_TOKEN: "plain", TOKEN_FILE: str(path)}
        credentials = asking(server, environ)
        credentials.invalidate(await credentials.get())
        path.write_text("second")
        await credentials.get()
        assert [request.headers["Authorization"] for request in server.requests] == ["first", "second"]


@pytest.mark.parametrize("environ", [{}, {RELATIVE_URI: " ", FULL_URI: ""}, {PLAIN_TOKEN: "token"}])
async def test_outside_of_a_container_there_are_no_credentials(environ: dict[str, str]) -> None:
    """A chain goes on, and nobody is asked."""
    with pytest.raises(CredentialsNotFound, match=f"^container: {RELATIVE_URI} and {FULL_URI} are not set$"):
        await ContainerCredentials(environ=environ).get()


async def test_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at each fetch."""
    credentials = ContainerCredentials(clock=ManualTime().clock)
    async with giving(document()) as server:
        monkeypatch.setenv(FULL_URI, f"{server.url}{PATH}")
        assert (await credentials.get()).access_key_id == "id"


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.com/path",
        "http://localhost/path",
        "http://LOCALHOST:8080/path",
        "http://127.0.0.1/path",
        "http://127.9.9.9:1/path",
        "http://[::1]/path",
        "http://169.254.170.2/path",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "http://[FD00:EC2:0:0::23]/v1/credentials",
    ],
)
def test_near_addresses_and_https_are_allowed(uri: str) -> None:
    """Nobody else on the network can read what goes there, or answer instead."""
    assert ContainerCredentials(environ={FULL_URI: uri})._url() == uri


@pytest.mark.parametrize(
    "uri",
    [
        "http://example.com/path",
        "http://localhost.example.com/path",
        "http://169.254.169.254/path",
        "http://192.168.0.1/path",
        "http://[fd00:ec2::24]/path",
        "http://[::ffff:8.8.8.8]/path",
        "http://127.0.0.1.example.com/path",
        "http://2130706433/path",
        "ftp://localhost/path",
    ],
)
async def test_other_addresses_are_refused_with_those_that_are_allowed(uri: str) -> None:
    """The token would be given away, and the answer believed; no name is looked up for it."""
    with pytest.raises(CredentialsError, match=f"^container: {FULL_URI} leads to .*, and allowed are only {ALLOWED}$"):
        await ContainerCredentials(environ={FULL_URI: uri, PLAIN_TOKEN: TOKEN}).get()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({RELATIVE_URI: "@example.com/path"}, f"{RELATIVE_URI} is not a path that begins with a slash"),
        ({RELATIVE_URI: "/path HTTP/1.1\r\nx: y"}, f"{RELATIVE_URI} is not a path that begins with a slash"),
        ({FULL_URI: "localhost/path"}, f"{FULL_URI} is not a URL"),
        ({FULL_URI: "http://[::1/path"}, f"{FULL_URI} is not a URL"),
        ({FULL_URI: "http://localhost:port/path"}, f"{FULL_URI} is not a URL"),
        ({FULL_URI: "http://localhost/a b"}, f"{FULL_URI} is not a URL"),
        ({FULL_URI: f"https://user:{SECRET}@host/"}, f"{FULL_URI} has a user in it: give the token by {PLAIN_TOKEN}"),
    ],
)
async def test_malformed_uri_is_an_error(environ: dict[str, str], words: str) -> None:
    """It was meant to be there, so no other identity takes its place."""
    with pytest.raises(CredentialsError, match=f"^container: {words}$") as caught:
        await ContainerCredentials(environ=environ).get()
    assert not isinstance(caught.value, CredentialsNotFound)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (f"{TOKEN}\n", "has a line end in it: write the token without one"),
        (f"{TOKEN}\r\nx: y", "has a line end in it: write the token without one"),
        (f"{TOKEN}\x00", "has a character that a header cannot have"),
        (f"{TOKEN}\xe9", "has a character that a header cannot have"),
    ],
)
async def test_token_that_breaks_out_of_its_header_is_refused(token: str, words: str, tmp_path: Path) -> None:
    """From the variable and from the file; it is not shown."""
    path = tmp_path / "token"
    path.write_bytes(token.encode())
    async with giving(document()) as server:
        for environ, place in (
            ({PLAIN_TOKEN: token}, PLAIN_TOKEN),
            ({TOKEN_FILE: str(path)}, f"the file of {TOKEN_FILE}"),
        ):
            with pytest.raises(CredentialsError, match=f"^container: {place} {words}$") as caught:
                await asking(server, {RELATIVE_URI: PATH, **environ}).get()
            assert TOKEN not in "".join(traceback.format_exception(caught.value))
        assert server.requests == []


async def test_token_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing one, an empty one, and a path that is none; the variable does not take its place."""
    empty = tmp_path / "empty"
    empty.touch()
    async with giving(document()) as server:
        for path, words in (
            (str(tmp_path / "missing"), "cannot be read: .*No such file"),
            (str(empty), "is empty"),
            ("a\x00b", "cannot be read: "),
        ):
            environ = {RELATIVE_URI: PATH, PLAIN_TOKEN: "plain", TOKEN_FILE: path}
            with pytest.raises(CredentialsError, match=f"^container: the file of {TOKEN_FILE} {words}"):
                await asking(server, environ).get()
        assert server.requests == []


@pytest.mark.parametrize(
    "passing", [Reply(429), Reply(500), Reply(body=b"{}", sent=1, ending=Ending.CLOSE)], ids=["429", "500", "cut off"]
)
async def test_what_passes_is_asked_again(passing: Step) -> None:
    """There are three attempts."""
    time = ManualTime()
    async with giving(passing, passing, document()) as server:
        assert (await asking(server, time=time).get()).access_key_id == "id"
        assert len(server.requests) == 3
    assert len(time.waits) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "answers with a page of HTML: a proxy or a login page is in its place"),
        (Reply(301, {"Location": "/"}), r"sends elsewhere \(status 301\), and is not followed"),
        (Reply(400), r"does not understand the request \(status 400\)"),
        (Reply(401), r"refuses the authorization token \(status 401\)"),
        (Reply(403), r"refuses the authorization token \(status 403\)"),
        (Reply(404), r"knows nothing of this task or pod \(status 404\)"),
        (Reply(418), "answers with status 418"),
        (Reply(429), r"is asked too often \(status 429\), also after waiting"),
        (Reply(500), r"fails \(status 500\), in all attempts"),
        (Raw(f"{SECRET}\r\n\r\n".encode()), "gives an answer that is no HTTP"),
        (Drop(), "does not answer, in 3 attempts: ServerDisconnectedError"),
        (Stall(), "does not answer, in 3 attempts: TimeoutError"),
        (Reply(body=b"{}", sent=1, ending=Ending.CLOSE), "does not answer, in 3 attempts: ClientPayloadError"),
        (Reply(body=f'{{"Token": "{TOKEN}"'.encode()), "gives no JSON object"),
        (document(SecretAccessKey=""), "gives no SecretAccessKey"),
        (document(Expiration=12), "gives an expiration that is no time"),
    ],
)
async def test_failing_service_is_an_error_of_its_own(
    answer: Step, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What it sent, the token, and the path, which is what ECS knows the task by, stay out of the error and the log."""
    caplog.set_level(logging.DEBUG)
    async with giving(answer) as server:
        environ = {RELATIVE_URI: PATH, PLAIN_TOKEN: "my-own-token"}
        credentials = asking(server, environ, timeout=0.02 if isinstance(answer, Stall) else 5.0)
        expected = f"127.0.0.1:{server.port} {words}"
        with pytest.raises(CredentialsError, match=expected) as caught:
            await credentials.get()
    assert not isinstance(caught.value, CredentialsNotFound)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(credentials)
    assert not any(secret in shown for secret in (SECRET, TOKEN, "my-own-token", "the-task"))


async def test_where_nobody_listens_is_an_error() -> None:
    """The environment says that there is somebody."""
    async with ScriptedServer(listening=False) as server:
        with pytest.raises(CredentialsError, match="does not answer, in 3 attempts: ClientConnectorError") as caught:
            await asking(server).get()
    assert not isinstance(caught.value, CredentialsNotFound)
