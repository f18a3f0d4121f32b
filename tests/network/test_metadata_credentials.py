"""The role of an EC2 instance, from a server that plays its metadata service, with all its faults."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import CredentialsError
from aiohttp_s3_client.credentials.metadata import MetadataCredentials
from aiohttp_s3_client.errors import CredentialsNotFound
from tests.network.clients import NOON, ManualTime
from tests.network.credential_services import HTML, SECRET, TOKEN, HeldTime, document, service
from tests.scripted import Drop, Ending, Raw, Reply, ScriptedServer, Stall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.scripted import Step

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"
ROLE_PATH = f"{ROLES_PATH}the-role"
IDENTITY_PATH = "/latest/dynamic/instance-identity/document"
METADATA_TOKEN = "to7ken-of-the-service=="
IDENTITY = Reply(body=json.dumps({"region": "eu-west-1", "accountId": "123456789012"}).encode())
HEALTHY: Mapping[str, tuple[Step, ...]] = {
    TOKEN_PATH: (Reply(body=METADATA_TOKEN.encode()),),
    ROLES_PATH: (Reply(body=b"the-role\n"),),
    ROLE_PATH: (document(),),
    IDENTITY_PATH: (IDENTITY,),
}
CUT_OFF = Reply(body=b"{" + 100 * b" ", sent=1, ending=Ending.CLOSE)


def instance(changes: Mapping[str, tuple[Step, ...]] | None = None) -> ScriptedServer:
    """Play the service of a healthy instance, but for some paths."""
    return service({**HEALTHY, **(changes or {})})


def asking(
    server: ScriptedServer, time: ManualTime | None = None, *, timeout: float = 5.0, attempts: int | None = None
) -> MetadataCredentials:
    """Make a provider that asks this server."""
    time = time or ManualTime()
    return MetadataCredentials(
        endpoint=server.url, timeout=timeout, attempts=attempts, environ={}, clock=time.clock, sleep=time.sleep
    )


def asked(server: ScriptedServer) -> list[str]:
    """List what the server was asked."""
    return [f"{request.method} {request.path}" for request in server.requests]


async def test_role_of_the_instance_is_asked_for_with_a_token() -> None:
    """First the token, then the role's name, then its credentials, then the region; nothing of IMDSv1."""
    async with instance() as server:
        credentials = asking(server)
        assert credentials.region is None
        found = await credentials.get()
        assert (found.access_key_id, found.secret_access_key, found.session_token) == ("id", SECRET, TOKEN)
        assert found.expiration is not None
        assert found.expiration.timestamp() == NOON + 6 * 3600
        assert credentials.current == found
        assert credentials.region == "eu-west-1"
        paths = [f"PUT {TOKEN_PATH}", f"GET {ROLES_PATH}", f"GET {ROLE_PATH}", f"GET {IDENTITY_PATH}"]
        assert asked(server) == paths
        first, *others = server.requests
        assert first.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
        assert [request.headers["x-aws-ec2-metadata-token"] for request in others] == [METADATA_TOKEN] * 3


async def test_500_requests_ask_the_service_once() -> None:
    """A program that starts under load does not flood it."""
    async with instance() as server:
        credentials = asking(server)
        answers = await asyncio.gather(*(credentials.get() for _ in range(500)))
        assert len(set(answers)) == 1
        assert len(server.requests) == 4


async def test_token_and_region_are_kept_for_the_next_time() -> None:
    """A refresh asks for the role again, which may have changed, and for its credentials."""
    async with instance({ROLE_PATH: (document("old"), document("new"))}) as server:
        credentials = asking(server)
        credentials.invalidate(await credentials.get())
        assert (await credentials.get()).access_key_id == "new"
        assert asked(server)[4:] == [f"GET {ROLES_PATH}", f"GET {ROLE_PATH}"]


async def test_token_that_ends_is_replaced() -> None:
    """Before the service refuses it."""
    time = ManualTime()
    async with instance({ROLE_PATH: (document(seconds=9 * 3600),)}) as server:
        credentials = asking(server, time)
        time.now = NOON + 21600 - 61
        found = await credentials.get()
        time.now += 21600 - 60
        credentials.invalidate(found)
        with pytest.raises(CredentialsError, match="expired already"):
            await credentials.get()
        assert asked(server)[4] == f"PUT {TOKEN_PATH}"


async def test_refused_token_is_replaced_once() -> None:
    """The instance was stopped and started, or moved."""
    async with instance({ROLES_PATH: (Reply(401), *HEALTHY[ROLES_PATH])}) as server:
        await asking(server).get()
        paths = [f"PUT {TOKEN_PATH}", f"GET {ROLES_PATH}"] * 2
        assert asked(server) == [*paths, f"GET {ROLE_PATH}", f"GET {IDENTITY_PATH}"]


@pytest.mark.parametrize("passing", [Reply(429), Reply(503), CUT_OFF], ids=["429", "503", "cut off"])
@pytest.mark.parametrize("path", [TOKEN_PATH, ROLES_PATH, ROLE_PATH])
async def test_what_passes_is_asked_again(path: str, passing: Step) -> None:
    """Twice, after waits that are random parts of ever longer times."""
    time = ManualTime()
    async with instance({path: (passing, passing, *HEALTHY[path])}) as server:
        assert (await asking(server, time).get()).access_key_id == "id"
    first, second = time.waits
    assert 0 <= first <= 0.2
    assert 0 <= second <= 0.4


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (TOKEN_PATH, HTML, "the token at .* answers with a page of HTML: a proxy or a login page is in its place"),
        (TOKEN_PATH, Reply(200), "the token at .* is not one"),
        (TOKEN_PATH, Reply(body=b"two words"), "the token at .* is not one"),
        (TOKEN_PATH, Reply(302, {"Location": "/"}), r"sends elsewhere \(status 302\), and is not followed"),
        (TOKEN_PATH, Reply(400), r"does not understand the request \(status 400\)"),
        (TOKEN_PATH, Reply(401), "answers with status 401"),
        (TOKEN_PATH, Reply(403), r"is forbidden \(status 403\): the service is turned off for this instance"),
        (TOKEN_PATH, Reply(429), r"is asked too often \(status 429\), also after waiting"),
        (TOKEN_PATH, Reply(500), r"fails \(status 500\), in all attempts"),
        (TOKEN_PATH, Drop(), "does not answer"),
        (TOKEN_PATH, CUT_OFF, "does not answer"),
        (TOKEN_PATH, Raw(f"{SECRET}\r\n\r\n".encode()), "gives an answer that is no HTTP"),
        (ROLE_PATH, Raw(f"HTTP/1.1 200 OK\r\n{TOKEN} x\r\n\r\n".encode()), "gives an answer that is no HTTP"),
        (TOKEN_PATH, Reply(body=b"x" * 70_000), "answers with something that is no credentials"),
        (ROLES_PATH, HTML, "the list of roles at .* answers with a page of HTML"),
        (ROLES_PATH, Reply(body=b"../../secret"), "the list of roles at .* has something that is no role"),
        (ROLES_PATH, Reply(401), r"refuses the token \(status 401\), also a new one"),
        (ROLES_PATH, Reply(403), r"is forbidden \(status 403\)"),
        (ROLES_PATH, Reply(429), r"is asked too often \(status 429\)"),
        (ROLES_PATH, Reply(503), r"fails \(status 503\)"),
        (ROLE_PATH, HTML, "the role the-role at .* answers with a page of HTML"),
        (ROLE_PATH, Reply(body=f'{{"Token": "{TOKEN}'.encode()), "gives no JSON object"),
        (ROLE_PATH, Reply(body=b"[]"), "gives no JSON object"),
        (ROLE_PATH, Reply(body=b"\xff\xfe"), "answers with something that is no credentials"),
        (ROLE_PATH, Reply(401), r"refuses the token \(status 401\), also a new one"),
        (ROLE_PATH, Reply(404), r"is listed, and has no credentials \(status 404\)"),
        (ROLE_PATH, Reply(429), r"is asked too often \(status 429\)"),
        (ROLE_PATH, CUT_OFF, "does not answer"),
        (ROLE_PATH, document(SecretAccessKey=None), "gives no SecretAccessKey"),
        (ROLE_PATH, document(AccessKeyId=7), "gives no AccessKeyId"),
        (ROLE_PATH, document(Expiration="tomorrow"), "an expiration that is no time"),
        (
            ROLE_PATH,
            document(Code="AssumeRoleUnauthorizedAccess"),
            "no credentials, but the code AssumeRoleUnauthorizedAccess: check the role's trust in EC2",
        ),
        (ROLE_PATH, document(Code=f"{SECRET} {TOKEN}"), "no credentials, but a code of no sense"),
    ],
)
async def test_failing_service_is_an_error_of_its_own(
    path: str, answer: Step, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The source is there: no other identity may take its place. What it sent stays out of the error and the log."""
    caplog.set_level(logging.DEBUG)
    async with instance({path: (answer,)}) as server:
        credentials = asking(server)
        with pytest.raises(CredentialsError, match=words) as caught:
            await credentials.get()
    assert not isinstance(caught.value, CredentialsNotFound)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(credentials)
    assert not any(secret in shown for secret in (SECRET, TOKEN, METADATA_TOKEN))


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        (TOKEN_PATH, Reply(404), r"gives no tokens \(status 404\), so it is no IMDSv2"),
        (TOKEN_PATH, Reply(405), r"gives no tokens \(status 405\), so it is no IMDSv2"),
        (ROLES_PATH, Reply(404), r"the instance has no role \(status 404\)"),
        (ROLES_PATH, Reply(body=b"\n"), r"the instance has no role \(an empty list\)"),
    ],
)
async def test_instance_without_a_role_has_no_credentials(path: str, answer: Step, words: str) -> None:
    """A chain may go on."""
    async with instance({path: (answer,)}) as server:
        with pytest.raises(CredentialsNotFound, match=f"^instance metadata: .*{words}$"):
            await asking(server).get()


async def test_where_nobody_answers_there_are_no_credentials() -> None:
    """This is no EC2 instance; three attempts show it."""
    time = ManualTime()
    async with ScriptedServer(listening=False) as server:
        with pytest.raises(CredentialsNotFound, match=f"^instance metadata: nobody answers at {server.url}$"):
            await asking(server, time).get()
    assert len(time.waits) == 2


async def test_service_that_is_too_slow_counts_as_none() -> None:
    """As where its answers do not come through to a container."""
    async with instance({TOKEN_PATH: (Stall(),)}) as server:
        with pytest.raises(CredentialsNotFound, match=r"gives no answer within 0\.02 s \(in a container on EC2, .*hop"):
            await asking(server, timeout=0.02).get()
        assert len(server.requests) == 3


async def test_service_that_gets_slow_after_the_token_is_an_error() -> None:
    """It is there."""
    async with instance({ROLE_PATH: (Stall(),)}) as server:
        with pytest.raises(CredentialsError, match="does not answer") as caught:
            await asking(server, timeout=0.5, attempts=1).get()
    assert not isinstance(caught.value, CredentialsNotFound)


async def test_number_of_attempts_counts_the_first() -> None:
    """One attempt is no retry."""
    time = ManualTime()
    async with instance({TOKEN_PATH: (Reply(503), *HEALTHY[TOKEN_PATH])}) as server:
        with pytest.raises(CredentialsError, match="503"):
            await asking(server, time, attempts=1).get()
        assert len(server.requests) == 1
    assert time.waits == []


@pytest.mark.parametrize(
    "answer",
    [Reply(404), Reply(403), Reply(503), HTML, CUT_OFF, Reply(body=b"{}"), Reply(body=b'{"region": "no region"}')],
)
async def test_unknown_region_is_no_failure(answer: Step) -> None:
    """It is asked for once with each fetch, until it is known; nobody waits for a second attempt."""
    time = ManualTime()
    async with instance({IDENTITY_PATH: (answer, IDENTITY)}) as server:
        credentials = asking(server, time)
        found = await credentials.get()
        assert credentials.region is None
        credentials.invalidate(found)
        await credentials.get()
        assert credentials.region == "eu-west-1"
    assert time.waits == []


async def test_credentials_without_a_token_or_an_end_are_taken() -> None:
    """Some stand-ins for the service give such ones."""
    async with instance({ROLE_PATH: (document(Token=None, Expiration=None, Code=None),)}) as server:
        found = await asking(server).get()
        assert found.session_token is None
        assert found.expiration is None


async def test_started_provider_is_kept_fresh_until_it_is_stopped() -> None:
    """The documented use of old: start, give it to the client, stop."""
    time = HeldTime()
    async with instance({ROLE_PATH: (document("old", seconds=3600), document("new", seconds=7200))}) as server:
        credentials = MetadataCredentials(endpoint=server.url, environ={}, clock=time.clock, sleep=time.sleep)
        await credentials.start()
        assert credentials.current.access_key_id == "old"
        assert credentials.region == "eu-west-1"
        await time.end_sleeps(until=3600 - 15 * 60)
        await time.end_sleep()
        assert credentials.current.access_key_id == "new"
        await credentials.stop()


async def test_provider_is_a_context_manager() -> None:
    """It has credentials inside, and goes on outside when it is asked."""
    async with instance() as server, asking(server) as credentials:
        assert credentials.current.access_key_id == "id"
        assert repr(credentials) == "<MetadataCredentials access_key_id='id'>"


@pytest.mark.parametrize("value", ["true", "True", " TRUE "])
async def test_switched_off_service_is_not_asked(value: str) -> None:
    """Also where its address is given."""
    async with instance() as server:
        credentials = MetadataCredentials(endpoint=server.url, environ={"AWS_EC2_METADATA_DISABLED": value})
        with pytest.raises(
            CredentialsNotFound, match=r"^instance metadata: switched off by AWS_EC2_METADATA_DISABLED$"
        ):
            await credentials.get()
        assert server.requests == []


async def test_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at each fetch; the tests run where the service is switched off."""
    with pytest.raises(CredentialsNotFound, match="switched off"):
        await MetadataCredentials().get()
    async with instance() as server:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{server.url}/")
        time = ManualTime()
        assert (await MetadataCredentials(clock=time.clock).get()).access_key_id == "id"
        assert server.requests[0].target == TOKEN_PATH


async def test_host_and_port_are_an_address_too() -> None:
    """Older scripts have them."""
    async with instance() as server:
        time = ManualTime()
        credentials = MetadataCredentials(host="127.0.0.1", port=server.port, environ={}, clock=time.clock)
        assert (await credentials.get()).access_key_id == "id"


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, "http://169.254.169.254"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv4"}, "http://169.254.169.254"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}, "http://[fd00:ec2::254]"),
        (
            {
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://[::1]:1338/base/",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6",
            },
            "http://[::1]:1338/base",
        ),
    ],
)
def test_address_comes_from_the_environment(environ: dict[str, str], address: str) -> None:
    """The whole address counts before the mode."""
    assert MetadataCredentials(environ=environ)._settings().url == address


def test_given_values_count_before_the_environment() -> None:
    """And the environment before the defaults."""
    environ = {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://other",
        "AWS_METADATA_SERVICE_TIMEOUT": "2.5",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "7",
    }
    settings = MetadataCredentials(environ=environ)._settings()
    assert (settings.url, settings.seconds, settings.attempts) == ("http://other", 2.5, 7)
    settings = MetadataCredentials(endpoint="http://one", timeout=4, attempts=2, environ=environ)._settings()
    assert (settings.url, settings.seconds, settings.attempts) == ("http://one", 4, 2)
    settings = MetadataCredentials(host="one", environ=environ)._settings()
    assert settings.url == "http://one"
    settings = MetadataCredentials(port=81, environ={})._settings()
    assert (settings.url, settings.seconds, settings.attempts) == ("http://169.254.169.254:81", 1.0, 3)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254", "is not an address of the form"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://user:{SECRET}@host", "is not an address of the form"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ftp://host", "is not an address of the form"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv5", "is 'IPv5': give IPv4 or IPv6"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "soon", "is 'soon': give a number of seconds above 0"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "0", "is '0': give a number of seconds above 0"),
        ("AWS_METADATA_SERVICE_TIMEOUT", "inf", "is 'inf': give a number of seconds above 0"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "0", "is '0': give a number from 1"),
        ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1.5", r"is '1\.5': give a number from 1"),
    ],
)
async def test_wrong_variable_is_named(name: str, value: str, words: str) -> None:
    """Only when the service is asked: a program that has its keys elsewhere does not stop."""
    credentials = MetadataCredentials(environ={name: value})
    with pytest.raises(CredentialsError, match=f"^instance metadata: {name} {words}") as caught:
        await credentials.get()
    assert SECRET not in str(caught.value)


def test_wrong_arguments_are_refused_at_once() -> None:
    """Misuse is seen where it is written."""
    with pytest.raises(ValueError, match="endpoint= beside host= or port= makes two addresses"):
        MetadataCredentials(endpoint="http://one", host="two")
    with pytest.raises(ValueError, match=r"endpoint is not an address of the form http://host\[:port\]"):
        MetadataCredentials(endpoint="one")
    with pytest.raises(ValueError, match="timeout is 0 seconds"):
        MetadataCredentials(timeout=0)
    with pytest.raises(ValueError, match="attempts is 0"):
        MetadataCredentials(attempts=0)
