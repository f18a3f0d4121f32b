"""The credentials of a role for other credentials, from a server that plays STS."""

from __future__ import annotations

import asyncio
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials import AnonymousCredentials, StaticCredentials
from aiohttp_s3_client.credentials.assume_role import AssumeRoleCredentials
from aiohttp_s3_client.credentials.base import AbstractCredentials
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.errors import CredentialsNotFound
from tests.network.clients import NOON, ManualTime
from tests.network.sts_answers import HTML, ROLE, form_of, granted, refused, role_credentials, signature_is_right
from tests.scripted import ScriptedServer, Stall

if TYPE_CHECKING:
    from tests.scripted import Step

SOURCE = StaticCredentials("AKIDSOURCE", "source-secret", "source-token", "eu-west-1")
GRANTED = granted("AssumeRole")


class Numbered(RefreshingCredentials):
    """A source whose credentials are others each time that they are fetched."""

    fetched = 0

    async def _fetch(self) -> Credentials:
        self.fetched += 1
        return Credentials(f"AKID{self.fetched}", "numbered-secret", "numbered-token", datetime.fromtimestamp(4e9, UTC))


class Absent(AbstractCredentials):
    """A source that is not there."""

    async def get(self) -> Credentials:
        """Say so."""
        raise CredentialsNotFound("no container here")


def assumed(
    server: ScriptedServer, time: ManualTime, source: AbstractCredentials = SOURCE, role_arn: str = ROLE
) -> AssumeRoleCredentials:
    """Give a role's provider in a time of the test's own."""
    return AssumeRoleCredentials(
        source, role_arn, sts_endpoint=server.url, environ={}, clock=time.clock, sleep=time.sleep
    )


async def test_role_is_taken_with_the_source_s_signature() -> None:
    """In the source's region, under a made name."""
    time = ManualTime()
    async with ScriptedServer(GRANTED) as server:
        credentials = assumed(server, time)
        assert await credentials.get() == credentials.current == role_credentials()
    assert credentials.region == "eu-west-1"
    assert signature_is_right(server.requests[0], SOURCE.current, "eu-west-1")
    assert form_of(server.requests[0]) == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": f"aiohttp-s3-client-{int(NOON)}",
    }


async def test_all_that_is_given_is_sent() -> None:
    """The name, the owner's identifier, the duration; and the region before the source's."""
    time = ManualTime()
    async with ScriptedServer(GRANTED) as server:
        credentials = AssumeRoleCredentials(
            SOURCE,
            ROLE,
            role_session_name="me",
            external_id="owner",
            duration_seconds=43200,
            region="eu-north-1",
            environ={"AWS_ENDPOINT_URL_STS": server.url},
            clock=time.clock,
        )
        await credentials.get()
    form = form_of(server.requests[0])
    assert (form["RoleSessionName"], form["ExternalId"], form["DurationSeconds"]) == ("me", "owner", "43200")
    assert credentials.region == "eu-north-1"
    assert signature_is_right(server.requests[0], SOURCE.current, "eu-north-1")


async def test_roles_can_be_chained() -> None:
    """The second is asked for with the credentials of the first."""
    time = ManualTime()
    async with ScriptedServer(granted("AssumeRole", "first"), granted("AssumeRole", "second")) as server:
        credentials = assumed(server, time, assumed(server, time), "arn:aws:iam::2:role/second")
        assert await credentials.get() == role_credentials("second")
    assert signature_is_right(server.requests[0], SOURCE.current, "eu-west-1")
    assert signature_is_right(server.requests[1], role_credentials("first"), "eu-west-1")
    assert form_of(server.requests[1])["RoleArn"] == "arn:aws:iam::2:role/second"


async def test_source_is_asked_again_at_each_refresh() -> None:
    """It may have ended, too."""
    time = ManualTime()
    async with ScriptedServer(GRANTED, granted("AssumeRole", "second", lasting=7200)) as server:
        source = Numbered(clock=time.clock)
        credentials = assumed(server, time, source)
        await credentials.get()
        source.invalidate(source.current)
        time.now += 3600 - 30
        assert await credentials.get() == role_credentials("second", lasting=7200)
    assert [signature_is_right(request, await source.get(), "us-east-1") for request in server.requests] == [
        False,
        True,
    ]


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "InvalidToken"])
async def test_source_whose_token_is_refused_is_asked_once_more(code: str) -> None:
    """STS knows better than this machine's clock."""
    time = ManualTime()
    async with ScriptedServer(refused(403, code), GRANTED) as server:
        source = Numbered(clock=time.clock)
        assert await assumed(server, time, source).get() == role_credentials()
    assert source.fetched == 2
    assert signature_is_right(server.requests[1], source.current, "us-east-1")


async def test_source_that_may_not_take_the_role_is_not_asked_twice() -> None:
    """Others of the same identity may not either."""
    time = ManualTime()
    async with ScriptedServer(refused(403, "AccessDenied")) as server:
        source = Numbered(clock=time.clock)
        with pytest.raises(CredentialsError, match=r"403 AccessDenied: no$"):
            await assumed(server, time, source).get()
    assert (source.fetched, len(server.requests)) == (1, 1)


async def test_source_that_has_no_others_is_not_asked_twice() -> None:
    """Keys that are stated stay what they are."""
    async with ScriptedServer(refused(403, "ExpiredToken", "it has")) as server:
        with pytest.raises(CredentialsError, match=r"403 ExpiredToken: it has$"):
            await assumed(server, ManualTime()).get()
    assert len(server.requests) == 1


async def test_failure_that_passes_is_not_seen() -> None:
    """STS is back a moment later."""
    time = ManualTime()
    async with ScriptedServer(refused(503, "ServiceUnavailable"), refused(400, "Throttling"), GRANTED) as server:
        assert await assumed(server, time).get() == role_credentials()
    assert len(time.waits) == 2


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (refused(403, "AccessDenied", "not you"), f"^AssumeRole of {ROLE} at .*: 403 AccessDenied: not you$"),
        (HTML, "403: no reason given$"),
        (granted("AssumeRole", lasting=-1), "^AssumeRoleCredentials gives credentials that have expired already$"),
    ],
)
async def test_failure_that_stays_is_told(step: Step, words: str) -> None:
    """In STS's words, if they are STS's; never with a secret."""
    async with ScriptedServer(step) as server:
        with pytest.raises(CredentialsError, match=words) as caught:
            await assumed(server, ManualTime()).get()
    printed = "".join(traceback.format_exception(caught.value))
    assert not [
        secret for secret in ("source-secret", "source-token", "role-secret", "role/token") if secret in printed
    ]


async def test_source_that_is_not_there_is_no_reason_to_go_on() -> None:
    """In a chain, the next source would be another identity than the role that was asked for."""
    async with ScriptedServer() as server:
        with pytest.raises(CredentialsError, match=rf"the source of {ROLE} is not there: no container here") as caught:
            await assumed(server, ManualTime(), Absent()).get()
    assert not isinstance(caught.value, CredentialsNotFound)


async def test_anonymous_source_gets_no_role() -> None:
    """There is nothing to sign with."""
    async with ScriptedServer() as server:
        with pytest.raises(CredentialsError, match="is anonymous"):
            await assumed(server, ManualTime(), AnonymousCredentials()).get()
    assert server.requests == []


async def test_stop_ends_the_source_as_well() -> None:
    """A chained role may be on its way to its own."""
    time = ManualTime()
    async with ScriptedServer(Stall()) as server:
        first = assumed(server, time)
        second = assumed(server, time, first)
        waiting = [asyncio.create_task(provider.get()) for provider in (first, second)]
        await server.until(lambda server: bool(server.requests))
        await second.stop()
        for task in waiting:
            with pytest.raises(CredentialsError, match="was stopped"):
                await task
    assert len(server.requests) == 1


@pytest.mark.parametrize("seconds", [899, 43201])
def test_duration_out_of_bounds_is_refused_at_once(seconds: int) -> None:
    """It is misuse."""
    with pytest.raises(ValueError, match=f"duration_seconds is {seconds}"):
        AssumeRoleCredentials(SOURCE, ROLE, duration_seconds=seconds)


@pytest.mark.parametrize("seconds", [900.0, "900", True])
def test_duration_of_a_wrong_type_is_refused(seconds: object) -> None:
    """Seconds are whole ones."""
    with pytest.raises(TypeError, match="duration_seconds is a "):
        AssumeRoleCredentials(SOURCE, ROLE, duration_seconds=cast("int", seconds))


def test_blank_role_is_refused() -> None:
    """It is misuse."""
    with pytest.raises(ValueError, match="role_arn is blank"):
        AssumeRoleCredentials(SOURCE, " ")


def test_source_that_is_no_provider_is_refused() -> None:
    """Credentials alone cannot be asked again."""
    with pytest.raises(TypeError, match="source is a Credentials, not a provider"):
        AssumeRoleCredentials(cast("AbstractCredentials", SOURCE.current), ROLE)
