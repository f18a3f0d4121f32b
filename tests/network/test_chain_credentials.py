"""Several sources of identities: which one is asked, which one is kept, and what is said when none has any."""

from __future__ import annotations

import asyncio
import timeit
from typing import TYPE_CHECKING, cast

import pytest

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials import (
    AbstractCredentials,
    AnonymousCredentials,
    EnvironmentCredentials,
    StaticCredentials,
    URLCredentials,
)
from aiohttp_s3_client.credentials.chain import ChainCredentials
from aiohttp_s3_client.credentials.container import ContainerCredentials
from aiohttp_s3_client.credentials.metadata import MetadataCredentials
from aiohttp_s3_client.errors import CredentialsNotFound
from tests.network.clients import NOON, ManualTime
from tests.network.credential_services import HTML, SECRET, TOKEN, Scripted, lasting, service
from tests.scripted import Reply, ScriptedServer

if TYPE_CHECKING:
    from tests.scripted import Step

OLD = lasting(3600, "old")
NEW = lasting(7200, "new")
KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": SECRET}
TOKEN_PATH = "/latest/api/token"


def absent(name: str) -> Scripted:
    """Make a source that is not there."""
    return Scripted(ManualTime(), *[CredentialsNotFound(f"{name}: not here")] * 3)


async def until_waiting(provider: Scripted, fetches: int) -> None:
    """Let other tasks run until so many fetches have begun."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert provider.fetches == fetches


async def test_first_that_has_credentials_is_kept() -> None:
    """Those before it are asked once, and those behind it never."""
    before, kept, behind = absent("before"), Scripted(ManualTime(), OLD, NEW), Scripted(ManualTime(), NEW)
    chain = ChainCredentials([before, kept, behind])
    assert [await chain.get() for _ in range(3)] == [OLD] * 3
    assert (before.fetches, kept.fetches, behind.fetches) == (1, 1, 0)


async def test_kept_provider_is_refreshed_by_itself() -> None:
    """It is asked each time, and so it sees the time."""
    time = ManualTime()
    chain = ChainCredentials([absent("before"), Scripted(time, OLD, NEW)])
    await chain.get()
    time.now = NOON + 3600
    assert await chain.get() == NEW


async def test_kept_provider_that_fails_later_is_not_replaced() -> None:
    """Requests do not go on under another identity."""
    time = ManualTime()
    behind = Scripted(ManualTime(), NEW)
    chain = ChainCredentials([Scripted(time, OLD, CredentialsNotFound("gone")), behind])
    await chain.get()
    time.now = NOON + 3600
    with pytest.raises(CredentialsError, match="gone"):
        await chain.get()
    assert behind.fetches == 0


@pytest.mark.parametrize("is_first_cancelled", [False, True])
async def test_500_requests_cause_one_search(is_first_cancelled: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """It is nobody's own, so it outlives the request that asked for it."""
    before, kept = absent("before"), Scripted(ManualTime(), OLD)
    kept.gate.clear()
    chain = ChainCredentials([before, kept])
    requests = [asyncio.create_task(chain.get()) for _ in range(500)]
    await until_waiting(kept, 1)
    if is_first_cancelled:
        requests.pop(0).cancel()
        await until_waiting(kept, 1)
    kept.gate.set()
    assert await asyncio.gather(*requests) == [OLD] * len(requests)
    assert (before.fetches, kept.fetches) == (1, 1)


async def test_source_that_is_there_and_fails_ends_the_search() -> None:
    """Another identity must not take its place; the places before it are told, each on a line."""
    behind = Scripted(ManualTime(), NEW)
    failing = Scripted(ManualTime(), CredentialsError("vault: sealed"), OLD)
    chain = ChainCredentials([EnvironmentCredentials({}), absent("disk"), failing, behind])
    expected = (
        "^vault: sealed\nLooked in vain before at:\n"
        "- environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set\n- disk: not here$"
    )
    with pytest.raises(CredentialsError, match=expected) as caught:
        await chain.get()
    assert not isinstance(caught.value, CredentialsNotFound)
    assert behind.fetches == 0
    assert await chain.get() == OLD


async def test_error_of_the_first_source_comes_out_as_it_is() -> None:
    """There is nothing to add."""
    error = CredentialsError("vault: sealed")
    with pytest.raises(CredentialsError) as caught:
        await ChainCredentials([Scripted(ManualTime(), error)]).get()
    assert caught.value is error


async def test_where_none_has_any_the_error_lists_what_each_one_said_and_the_cure() -> None:
    """A user reads what to set, in the order of the search."""
    time = ManualTime()
    async with ScriptedServer(listening=False) as server:
        chain = ChainCredentials(
            [
                URLCredentials("https://host/bucket"),
                EnvironmentCredentials({}),
                ContainerCredentials(environ={}),
                MetadataCredentials(endpoint=server.url, environ={}, sleep=time.sleep),
            ]
        )
        with pytest.raises(CredentialsNotFound) as caught:
            await chain.get()
        address = server.url
    first, *places, cure = str(caught.value).splitlines()
    assert first == "no credentials found. Looked at:"
    assert places == [
        "- URL: no KEY:SECRET@ in front of the host",
        "- environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
        "- container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI are not set",
        f"- instance metadata: nobody answers at {address}",
    ]
    assert cure.startswith("Give access_key_id= and secret_access_key=")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "answers with a page of HTML"),
        (Reply(401), "answers with status 401"),
        (Reply(404), "gives no tokens"),
        (Reply(429), "is asked too often"),
    ],
)
async def test_fault_of_the_metadata_service_is_in_the_error_with_the_places_before(answer: Step, words: str) -> None:
    """Whether the search ends there, or is over anyway."""
    time = ManualTime()
    async with service({TOKEN_PATH: (answer,)}) as server:
        metadata = MetadataCredentials(endpoint=server.url, environ={}, sleep=time.sleep)
        with pytest.raises(CredentialsError, match=words) as caught:
            await ChainCredentials([EnvironmentCredentials({}), metadata]).get()
    assert "- environment: AWS_ACCESS_KEY_ID and" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (SECRET, TOKEN))


async def test_search_that_found_nothing_is_made_again() -> None:
    """A container's service may only just be coming up."""
    late = Scripted(ManualTime(), CredentialsNotFound("late: not yet"), OLD)
    chain = ChainCredentials([late])
    with pytest.raises(CredentialsNotFound, match="- late: not yet"):
        await chain.get()
    assert await chain.get() == OLD


async def test_chain_may_be_a_link_of_another() -> None:
    """What the inner one says is then one line."""
    inner = ChainCredentials([absent("first"), absent("second")])
    with pytest.raises(CredentialsNotFound, match=r"\n- no credentials found\. .*first: not here; - second: not here"):
        await ChainCredentials([inner]).get()
    assert await ChainCredentials([inner, StaticCredentials("id", "x")]).get() == Credentials("id", "x")


async def test_half_an_identity_ends_the_search() -> None:
    """One of two variables is a mistake, and the error names the other."""
    behind = Scripted(ManualTime(), NEW)
    for providers in (
        [EnvironmentCredentials({"AWS_ACCESS_KEY_ID": "id"}), behind],
        [absent("before"), EnvironmentCredentials({"AWS_ACCESS_KEY_ID": "id"}), behind],
    ):
        with pytest.raises(CredentialsError, match="no secret_access_key, while access_key_id is from environment"):
            await ChainCredentials(providers).get()
    assert behind.fetches == 0


async def test_no_identity_on_purpose_is_an_answer() -> None:
    """An anonymous client never asks the network."""
    behind = Scripted(ManualTime(), NEW)
    chain = ChainCredentials([absent("before"), AnonymousCredentials(), behind])
    assert [await chain.get() for _ in range(2)] == [None, None]
    assert chain.current is None
    assert behind.fetches == 0


def test_identity_that_is_known_from_the_start_is_at_hand() -> None:
    """``presign_url`` needs no search where the environment, or an argument, has the keys."""
    behind = Scripted(ManualTime(), NEW)
    chain = ChainCredentials([URLCredentials("https://host"), EnvironmentCredentials(KEYS), behind])
    assert chain.current == Credentials("id", SECRET)


async def test_before_the_search_there_is_nothing_at_hand() -> None:
    """A source that must be asked may have another identity than one behind it that is known."""
    chain = ChainCredentials([Scripted(ManualTime(), OLD), StaticCredentials("id", "x")])
    with pytest.raises(CredentialsError, match=r"^ChainCredentials has not searched yet: await its get\(\) first$"):
        _ = chain.current
    await chain.get()
    assert chain.current == OLD


async def test_region_is_the_first_that_a_source_names() -> None:
    """A region in the environment counts, also for an identity from elsewhere."""
    chain = ChainCredentials(
        [EnvironmentCredentials({"AWS_REGION": "eu-west-1"}), StaticCredentials("id", "x", region="eu-west-2")]
    )
    assert chain.region == "eu-west-1"
    assert ChainCredentials([Scripted(ManualTime(), OLD)]).region is None


async def test_refused_credentials_are_refused_at_the_kept_provider() -> None:
    """Which then gives others; the search is not made again."""
    before, kept = absent("before"), Scripted(ManualTime(), OLD, NEW)
    chain = ChainCredentials([before, kept])
    assert not chain.invalidate(OLD)
    await chain.get()
    assert chain.invalidate(OLD)
    assert await chain.get() == NEW
    assert before.fetches == 1
    assert not ChainCredentials([StaticCredentials("id", "x")]).invalidate(Credentials("id", "x"))


async def test_stop_ends_the_search_and_what_the_providers_do() -> None:
    """Those who wait are told; nothing is left behind."""
    before = asyncio.all_tasks()
    slow = Scripted(ManualTime(), OLD)
    slow.gate.clear()
    chain = ChainCredentials([absent("before"), slow])
    request = asyncio.create_task(chain.get())
    await until_waiting(slow, 1)
    await chain.stop()
    with pytest.raises(CredentialsError, match=r"^ChainCredentials was stopped while it was asked for credentials$"):
        await request
    assert asyncio.all_tasks() == before
    slow.gate.set()
    assert await chain.get() == OLD


def test_one_chain_serves_two_event_loops_in_a_row() -> None:
    """What was found in the first is kept in the second."""
    kept = Scripted(ManualTime(), OLD)
    chain = ChainCredentials([absent("before"), kept])
    assert asyncio.run(chain.get()) == asyncio.run(chain.get()) == OLD
    assert kept.fetches == 1


def test_wrong_providers_are_refused_at_once() -> None:
    """Misuse is seen where it is written."""
    with pytest.raises(TypeError, match="Credentials is no provider such as StaticCredentials"):
        ChainCredentials([cast("AbstractCredentials", OLD)])
    with pytest.raises(ValueError, match="a chain needs at least one provider"):
        ChainCredentials([])


async def test_providers_are_printed_without_their_secrets() -> None:
    """In their order."""
    chain = ChainCredentials([StaticCredentials("id", SECRET, TOKEN), Scripted(ManualTime(), OLD)])
    assert repr(chain) == (
        "<ChainCredentials [<StaticCredentials access_key_id='id' from StaticCredentials>, "
        "<Scripted access_key_id=None>]>"
    )


async def test_asking_the_kept_provider_costs_less_than_a_microsecond_more() -> None:
    """The fast path runs for every attempt of every request."""
    kept = Scripted(ManualTime(), OLD)
    chain = ChainCredentials([absent("before"), kept])
    await chain.get()

    def cost(provider: AbstractCredentials) -> float:
        def ask() -> None:
            try:
                provider.get().send(None)
            except StopIteration:
                return

        return min(timeit.repeat(ask, number=10_000, repeat=20)) / 10_000

    assert cost(chain) - cost(kept) < 1e-6
