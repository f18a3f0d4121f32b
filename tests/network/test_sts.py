"""The Security Token Service: where it is, how it is asked, and what is made of its answers."""

from __future__ import annotations

import logging
import ssl
import traceback
from typing import TYPE_CHECKING

import pytest
import trustme
from botocore.session import Session

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials.service import Unreachable
from aiohttp_s3_client.credentials.sts import SecurityTokenService, STSError, check_duration
from aiohttp_s3_client.sigv4 import amz_date
from tests.network.clients import NOON, ManualTime
from tests.network.sts_answers import HTML, ROLE, form_of, granted, refused, role_credentials, signature_is_right
from tests.scripted import Drop, Raw, Reply, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripted import Step

SOURCE = Credentials("AKIDSOURCE", "source/secret+", "source/token==")
OPEN_ID_TOKEN = "eyJ0.eyJz.c2ln"


async def assume(server: ScriptedServer, time: ManualTime | None = None, source: Credentials = SOURCE) -> Credentials:
    """Take the role from a server, in a time of the test's own."""
    time = time or ManualTime()
    sts = SecurityTokenService(endpoint=server.url, region="eu-west-1", environ={}, clock=time.clock, sleep=time.sleep)
    return await sts.assume_role(source, ROLE, role_session_name="me@here", external_id="a b&c", duration_seconds=900)


async def exchange(server: ScriptedServer, time: ManualTime | None = None) -> Credentials:
    """Exchange the OpenID token at a server, in a time of the test's own."""
    time = time or ManualTime()
    sts = SecurityTokenService(endpoint=server.url, environ={}, clock=time.clock, sleep=time.sleep)
    return await sts.assume_role_with_web_identity(OPEN_ID_TOKEN, ROLE, role_session_name="me")


async def test_assume_role_sends_a_form_and_reads_the_credentials() -> None:
    """All parameters, encoded, and all four fields of the answer."""
    async with ScriptedServer(granted("AssumeRole")) as server:
        assert await assume(server) == role_credentials()
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/")
    assert form_of(request) == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "me@here",
        "ExternalId": "a b&c",
        "DurationSeconds": "900",
    }


@pytest.mark.parametrize("source", [SOURCE, Credentials("AKIDSOURCE", "source/secret+")])
async def test_assume_role_is_signed_for_sts(source: Credentials) -> None:
    """As botocore signs it, with and without a session token."""
    async with ScriptedServer(granted("AssumeRole")) as server:
        await assume(server, source=source)
    assert "/eu-west-1/sts/aws4_request" in server.requests[0].headers["Authorization"]
    assert signature_is_right(server.requests[0], source, "eu-west-1")
    assert not signature_is_right(server.requests[0], source, "eu-west-2")


async def test_endpoint_with_a_path_is_kept_and_signed() -> None:
    """Other stores have their STS below a path."""
    async with ScriptedServer(granted("AssumeRole")) as server:
        time = ManualTime()
        sts = SecurityTokenService(endpoint=f"{server.url}/sts/v1", environ={}, clock=time.clock)
        await sts.assume_role(SOURCE, ROLE, role_session_name="me")
    assert server.requests[0].target == "/sts/v1"
    assert signature_is_right(server.requests[0], SOURCE, "us-east-1")


async def test_web_identity_is_exchanged_without_a_signature() -> None:
    """The token is the proof, and it goes in the body."""
    async with ScriptedServer(granted("AssumeRoleWithWebIdentity")) as server:
        assert await exchange(server) == role_credentials()
    (request,) = server.requests
    assert "Authorization" not in request.headers
    assert form_of(request) == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "me",
        "WebIdentityToken": OPEN_ID_TOKEN,
    }


@pytest.mark.parametrize(
    "step",
    [
        Reply(500),
        Reply(503, body=b"<html>busy</html>"),
        Reply(429),
        refused(400, "Throttling"),
        refused(400, "ThrottlingException"),
        refused(400, "IDPCommunicationError"),
        Drop(),
    ],
)
async def test_answer_that_may_pass_is_asked_for_again(step: Step) -> None:
    """Each attempt is signed at its own time, after a wait."""
    time = ManualTime()
    async with ScriptedServer(step, step, granted("AssumeRole")) as server:
        assert await assume(server, time) == role_credentials()
    assert len(server.requests) == 3
    assert len(time.waits) == 2
    assert 0 <= time.waits[0] <= 0.5
    assert 0 <= time.waits[1] <= 1
    assert all(signature_is_right(request, SOURCE, "eu-west-1") for request in server.requests)
    dates = [request.headers["X-Amz-Date"] for request in server.requests]
    moments = [NOON, NOON + time.waits[0], time.now]
    assert dates == [amz_date(int(moment)) for moment in moments]


async def test_failure_that_stays_is_an_error_after_four_attempts() -> None:
    """The last answer is what the error tells."""
    async with ScriptedServer(then=refused(500, "InternalFailure", "we broke")) as server:
        with pytest.raises(STSError) as caught:
            await assume(server)
        assert str(caught.value) == f"AssumeRole of {ROLE} at {server.url}: 500 InternalFailure: we broke"
    assert len(server.requests) == 4


async def test_silence_is_an_error_after_four_attempts() -> None:
    """Nobody listens there."""
    time = ManualTime()
    server = ScriptedServer(listening=False)
    async with server:
        with pytest.raises(Unreachable, match=f"127.0.0.1:{server.port} does not answer: "):
            await assume(server, time)
    assert len(time.waits) == 3


async def test_refusal_is_told_with_its_code_and_its_words_at_once() -> None:
    """Nothing changes by asking again."""
    async with ScriptedServer(refused(403, "AccessDenied", "User is not authorized")) as server:
        with pytest.raises(STSError) as caught:
            await assume(server)
        expected = f"AssumeRole of {ROLE} at {server.url}: 403 AccessDenied: User is not authorized"
        assert str(caught.value) == expected
    assert (caught.value.status, caught.value.code, len(server.requests)) == (403, "AccessDenied", 1)


async def test_error_in_the_form_of_s3_is_understood() -> None:
    """Some stores have but one form."""
    async with ScriptedServer(Reply.error(403, "AccessDenied", "not you")) as server:
        with pytest.raises(STSError, match=r"403 AccessDenied: not you$"):
            await assume(server)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (HTML, "403: no reason given"),
        (Reply(302, {"Location": "http://127.0.0.1:9/login"}), "302: no reason given"),
        (Reply(404), "404: no reason given"),
        (Reply(200, body=HTML.body), "an answer is not well-formed XML"),
        (Reply(200, body=b"<html/>"), "the answer is <html>"),
        (Reply(200, body=b"{}"), "an answer is not well-formed XML"),
        (Reply(200), "an answer is not well-formed XML"),
        (Reply(200, body=b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "document type is refused"),
        (Reply(200, body=b"<AssumeRoleResponse/>"), "gives no SessionToken"),
        (Reply(200, body=b"x" * 70_000), "something that is no credentials"),
        (Reply(200, body=b"\xff\xfe"), "something that is no credentials"),
    ],
)
async def test_answer_of_somebody_else_is_an_error(step: Step, words: str) -> None:
    """A proxy's page, a redirect, nothing, an attack: none is believed, none is asked for again."""
    async with ScriptedServer(step) as server:
        with pytest.raises(CredentialsError, match=words):
            await assume(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
async def test_answer_without_a_field_is_an_error_that_names_it(field: str) -> None:
    """Without an end, they would never be fetched again."""
    whole = granted("AssumeRole")
    body = whole.body.replace(f"<{field}>".encode(), b"<Other>").replace(f"</{field}>".encode(), b"</Other>")
    async with ScriptedServer(Reply(200, body=body)) as server:
        with pytest.raises(CredentialsError, match=f"gives no {field}$") as caught:
            await assume(server)
    assert "role-secret" not in str(caught.value)


async def test_answer_with_a_broken_expiration_is_an_error() -> None:
    """A time without a zone says nothing."""
    body = granted("AssumeRole").body.replace(b"Z</Expiration>", b"</Expiration>")
    async with ScriptedServer(Reply(200, body=body)) as server:
        with pytest.raises(CredentialsError, match="expiration that is no time"):
            await assume(server)


async def test_no_secret_comes_out_of_an_error_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """STS repeats a token that it does not like, and the whole request whose signature is wrong."""
    caplog.set_level(logging.DEBUG)
    private = [SOURCE.secret_access_key, str(SOURCE.session_token), OPEN_ID_TOKEN, "role-secret", "role/token"]
    words = "Value '{0}' at 'it' is bad: {0}\n\nThe Canonical String should have been\nx-amz-security-token:{0}"
    texts = []
    for call, token in ((assume, SOURCE.session_token), (exchange, OPEN_ID_TOKEN)):
        answers = (refused(code, "SignatureDoesNotMatch", words.format(token)) for code in (503, 403))
        async with ScriptedServer(*answers) as server:
            with pytest.raises(STSError) as caught:
                await call(server)
        texts += traceback.format_exception(caught.value)
        assert "Value '***' at 'it' is bad: ***" in str(caught.value)
        assert "Canonical" not in str(caught.value)
    body = granted("AssumeRole").body.replace(b"</AssumeRoleResponse>", b"<")
    async with ScriptedServer(Reply(200, body=body)) as server:
        with pytest.raises(CredentialsError) as broken:
            await assume(server)
    texts += [*traceback.format_exception(broken.value), *caplog.messages]
    assert "asked again" in caplog.text
    assert not [secret for secret in private if any(secret in text for text in texts)]


@pytest.mark.parametrize(
    ("environ", "region", "url", "signed"),
    [
        ({}, "eu-west-1", "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_REGION": "eu-west-2"}, "eu-west-1", "https://sts.eu-west-1.amazonaws.com", "eu-west-1"),
        ({"AWS_REGION": "eu-west-2"}, None, "https://sts.eu-west-2.amazonaws.com", "eu-west-2"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, None, "https://sts.eu-west-3.amazonaws.com", "eu-west-3"),
        ({}, "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ({}, None, "https://sts.amazonaws.com", "us-east-1"),
        ({"AWS_STS_REGIONAL_ENDPOINTS": "legacy"}, "eu-west-1", "https://sts.amazonaws.com", "us-east-1"),
        (
            {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
            "cn-north-1",
            "https://sts.cn-north-1.amazonaws.com.cn",
            "cn-north-1",
        ),
        ({"AWS_ENDPOINT_URL_STS": "http://sts.test:9000"}, "eu-west-1", "http://sts.test:9000", "eu-west-1"),
        ({"AWS_ENDPOINT_URL_STS": "http://sts.test:9000"}, None, "http://sts.test:9000", "us-east-1"),
        (
            {"AWS_ENDPOINT_URL_STS": "https://sts.eu-west-3.amazonaws.com"},
            "eu-west-1",
            "https://sts.eu-west-3.amazonaws.com",
            "eu-west-3",
        ),
        ({"AWS_ENDPOINT_URL_STS": "https://sts.amazonaws.com"}, "eu-west-1", "https://sts.amazonaws.com", "us-east-1"),
    ],
)
def test_address_is_that_of_the_region(environ: dict[str, str], region: str | None, url: str, signed: str) -> None:
    """Given, or in the environment, in China, the old global one, or another store's."""
    address, signing_region = SecurityTokenService(region=region, environ=environ).address
    assert (str(address), signing_region) == (url, signed)


def test_given_endpoint_comes_before_the_variable() -> None:
    """The argument is nearer."""
    sts = SecurityTokenService(endpoint="http://a.test", environ={"AWS_ENDPOINT_URL_STS": "http://b.test"})
    assert str(sts.address[0]) == "http://a.test"


@pytest.mark.parametrize("legacy", ["legacy", "regional"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-south-1", "eu-south-1", "cn-north-1"])
def test_address_is_that_of_botocore(monkeypatch: pytest.MonkeyPatch, region: str, legacy: str) -> None:
    """Also which regions are old enough for the global one."""
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", legacy)
    peer = Session().create_client("sts", region, aws_access_key_id="id", aws_secret_access_key="secret")
    address, _ = SecurityTokenService(region=region).address
    assert str(address) == peer.meta.endpoint_url


@pytest.mark.parametrize(
    "text",
    ["sts.test", "ftp://sts.test", "https://id:hunter2@sts.test", "https://hunter2@sts.test", "http://a.test?hunter2"],
)
async def test_endpoint_that_is_none_is_an_error_that_does_not_show_it(text: str) -> None:
    """It may have a secret in it."""
    sts = SecurityTokenService(environ={"AWS_ENDPOINT_URL_STS": text})
    with pytest.raises(CredentialsError, match=r"^AWS_ENDPOINT_URL_STS ") as caught:
        await sts.assume_role(SOURCE, ROLE, role_session_name="me")
    assert "hunter2" not in str(caught.value)


async def test_region_that_is_none_does_not_become_a_host() -> None:
    """The question would go to whoever owns that host."""
    sts = SecurityTokenService(region="x.evil.test/", environ={})
    with pytest.raises(CredentialsError, match=r"'x.evil.test/' is not a region"):
        await sts.assume_role(SOURCE, ROLE, role_session_name="me")


async def test_ca_bundle_is_whom_to_trust(tmp_path: Path) -> None:
    """A company's own authority; without it the server is not trusted."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    time = ManualTime()
    async with ScriptedServer(granted("AssumeRole"), tls=context) as server:
        for environ in ({}, {"AWS_CA_BUNDLE": str(bundle)}):
            sts = SecurityTokenService(endpoint=server.url, environ=environ, clock=time.clock, sleep=time.sleep)
            if environ:
                assert await sts.assume_role(SOURCE, ROLE, role_session_name="me") == role_credentials()
                continue
            with pytest.raises(Unreachable, match="certificate"):
                await sts.assume_role(SOURCE, ROLE, role_session_name="me")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_ca_bundle_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    """A missing file, and one of something else."""
    bundle = tmp_path / "authority.pem"
    if content is not None:
        bundle.write_text(content)
    sts = SecurityTokenService(endpoint="https://127.0.0.1:9", environ={"AWS_CA_BUNDLE": str(bundle)})
    with pytest.raises(CredentialsError, match=f"^AWS_CA_BUNDLE: {bundle} gives no certificates"):
        await sts.assume_role(SOURCE, ROLE, role_session_name="me")


async def test_logins_of_netrc_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are others', and would stand where a signature stands."""
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with ScriptedServer(then=Reply(body=b"<no/>")) as server:
        with pytest.raises(CredentialsError):
            await exchange(server)
        with pytest.raises(CredentialsError):
            await assume(server)
        first, second = server.requests
    assert "Authorization" not in first.headers
    assert second.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")


async def test_bytes_that_are_no_http_are_an_error() -> None:
    """Something else listens there."""
    async with ScriptedServer(then=Raw(b"220 smtp\r\n")) as server:
        with pytest.raises(CredentialsError, match=f"127.0.0.1:{server.port} "):
            await exchange(server)


@pytest.mark.parametrize("seconds", [None, 900, 43200])
def test_duration_within_bounds_is_taken(seconds: int | None) -> None:
    """The bounds belong to it."""
    check_duration(seconds)


@pytest.mark.parametrize("seconds", [0, -1, 899, 43201])
def test_duration_out_of_bounds_is_refused_by_name(seconds: int) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=f"^duration_seconds is {seconds}: .* 900 to 43200 seconds"):
        check_duration(seconds)
