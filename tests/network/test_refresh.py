"""Credentials that end: fetched once for everybody, in the background before their end, and never given after it."""

from __future__ import annotations

import asyncio
import gc
import logging
import timeit

import pytest

from aiohttp_s3_client import CredentialsError
from tests.network.clients import NOON, ManualTime
from tests.network.credential_services import SECRET, TOKEN, HeldTime, Scripted, lasting

HOUR = 3600.0
OLD = lasting(HOUR, "old")
NEW = lasting(2 * HOUR, "new")


async def until_waiting(credentials: Scripted, fetches: int) -> None:
    """Let other tasks run until so many fetches have begun."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert credentials.fetches == fetches


async def test_credentials_are_fetched_when_they_are_first_asked_for() -> None:
    """To make a provider asks nobody; to ask it again does neither."""
    credentials = Scripted(ManualTime(), OLD)
    assert credentials.fetches == 0
    assert [await credentials.get() for _ in range(3)] == [OLD] * 3
    assert credentials.fetches == 1
    assert credentials.current == OLD


@pytest.mark.parametrize("is_first_cancelled", [False, True])
async def test_500_requests_at_the_moment_of_expiry_cause_one_fetch(is_first_cancelled: bool) -> None:  # noqa: FBT001
    """The fetch is nobody's own, so it outlives the request that asked for it."""
    time = ManualTime()
    credentials = Scripted(time, OLD, NEW)
    await credentials.get()
    time.now = NOON + HOUR
    credentials.gate.clear()
    requests = [asyncio.create_task(credentials.get()) for _ in range(500)]
    await until_waiting(credentials, 2)
    if is_first_cancelled:
        requests.pop(0).cancel()
        await until_waiting(credentials, 2)
    credentials.gate.set()
    assert await asyncio.gather(*requests) == [NEW] * len(requests)
    assert credentials.fetches == 2


async def test_fetch_whose_only_request_is_cancelled_serves_the_next_one() -> None:
    """What was begun is not thrown away."""
    credentials = Scripted(ManualTime(), OLD)
    credentials.gate.clear()
    request = asyncio.create_task(credentials.get())
    await until_waiting(credentials, 1)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    credentials.gate.set()
    assert await credentials.get() == OLD
    assert credentials.fetches == 1


async def test_all_that_wait_get_the_error_of_the_one_fetch() -> None:
    """Nobody is left waiting, and the next request tries again."""
    credentials = Scripted(ManualTime(), CredentialsError("no luck"), OLD)
    answers = await asyncio.gather(*(credentials.get() for _ in range(5)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["no luck"] * 5
    assert credentials.fetches == 1
    assert await credentials.get() == OLD


async def test_failed_fetch_that_nobody_waited_for_is_not_reported_as_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The next request makes its own, and hears of that one."""
    credentials = Scripted(ManualTime(), CredentialsError("no luck"), OLD)
    credentials.gate.clear()
    request = asyncio.create_task(credentials.get())
    await until_waiting(credentials, 1)
    request.cancel()
    credentials.gate.set()
    await credentials.settled()
    assert await credentials.get() == OLD
    # A cancelled task holds what it waited for.
    del request
    gc.collect()
    assert caplog.text == ""


async def test_from_15_minutes_before_the_end_new_ones_are_fetched_while_the_old_ones_are_given() -> None:
    """No request waits for what it does not need yet."""
    time = ManualTime()
    credentials = Scripted(time, OLD, NEW)
    await credentials.get()
    credentials.gate.clear()
    time.now = NOON + HOUR - 15 * 60 - 1
    assert await credentials.get() == OLD
    await until_waiting(credentials, 1)
    time.now += 1
    assert [await credentials.get() for _ in range(3)] == [OLD] * 3
    await until_waiting(credentials, 2)
    credentials.gate.set()
    await credentials.settled()
    assert await credentials.get() == NEW
    assert credentials.fetches == 2


async def test_in_the_last_minute_requests_wait_for_new_ones() -> None:
    """The old ones might end on the way to the store."""
    time = ManualTime()
    credentials = Scripted(time, OLD, NEW)
    await credentials.get()
    credentials.gate.clear()
    time.now = NOON + HOUR - 60
    request = asyncio.create_task(credentials.get())
    await until_waiting(credentials, 2)
    assert not request.done()
    credentials.gate.set()
    assert await request == NEW


async def test_failed_early_fetch_is_logged_and_tried_again_after_longer_and_longer_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Requests do not notice, and the service is not asked by every one of them."""
    time = ManualTime()
    credentials = Scripted(time, OLD, *[CredentialsError("no luck")] * 4, NEW)
    await credentials.get()
    time.now = NOON + HOUR - 14 * 60
    for failures, longest_wait in enumerate([1.0, 2.0, 4.0, 8.0], 1):
        assert await credentials.get() == OLD
        await credentials.settled()
        assert len(caplog.records) == failures
        assert "could not be renewed yet: no luck" in caplog.text
        time.now += 0.4 * longest_wait
        assert await credentials.get() == OLD
        await until_waiting(credentials, failures + 1)
        time.now += 0.6 * longest_wait
    assert await credentials.get() == OLD
    await credentials.settled()
    assert await credentials.get() == NEW


async def test_wait_after_a_failure_is_short_again_after_a_success() -> None:
    """What went wrong an hour ago says nothing of now."""
    time = ManualTime()
    credentials = Scripted(time, OLD, *[CredentialsError("no luck")] * 2, NEW, CredentialsError("no luck"), NEW)
    await credentials.get()
    time.now = NOON + HOUR - 14 * 60
    for _ in range(3):
        await credentials.get()
        await credentials.settled()
        time.now += 10
    time.now = NOON + 2 * HOUR - 14 * 60
    await credentials.get()
    await credentials.settled()
    time.now += 1
    await credentials.get()
    await until_waiting(credentials, 6)


async def test_error_of_any_kind_is_a_failed_early_fetch(caplog: pytest.LogCaptureFixture) -> None:
    """A subclass of a user's may raise what it likes; the words of others stay out of the log."""
    time = ManualTime()
    credentials = Scripted(time, OLD, OSError(SECRET), OSError(SECRET))
    await credentials.get()
    time.now = NOON + HOUR - 600
    await credentials.get()
    await credentials.settled()
    assert await credentials.get() == OLD
    assert "could not be renewed yet: OSError" in caplog.text
    assert SECRET not in caplog.text
    time.now = NOON + HOUR
    with pytest.raises(OSError, match=SECRET):
        await credentials.get()


async def test_old_ones_do_in_the_last_minute_when_no_new_ones_can_be_had() -> None:
    """They are valid to the end."""
    time = ManualTime()
    credentials = Scripted(time, OLD, CredentialsError("no luck"))
    await credentials.get()
    time.now = NOON + HOUR - 30
    assert await credentials.get() == OLD
    assert credentials.fetches == 2


async def test_expired_ones_are_never_given() -> None:
    """Not after a failed fetch, nor at hand, nor out of a wait after a failure just before the end."""
    time = ManualTime()
    credentials = Scripted(time, OLD, *[CredentialsError("no luck")] * 3)
    await credentials.get()
    time.now = NOON + HOUR - 0.01
    assert await credentials.get() == OLD
    time.now = NOON + HOUR
    for _ in range(2):
        with pytest.raises(CredentialsError, match=r"^no luck$"):
            await credentials.get()
    with pytest.raises(CredentialsError, match=r"^the credentials of Scripted have expired: await its get\(\) first$"):
        _ = credentials.current


async def test_credentials_that_come_expired_are_an_error() -> None:
    """A service that is behind does not make requests fail at the store."""
    with pytest.raises(CredentialsError, match=r"^Scripted gives credentials that have expired already$"):
        await Scripted(ManualTime(), lasting(0)).get()


async def test_expired_ones_from_a_service_do_not_replace_valid_ones() -> None:
    """It is a failed early fetch like any other."""
    time = ManualTime()
    credentials = Scripted(time, OLD, lasting(0), NEW)
    await credentials.get()
    time.now = NOON + HOUR - 600
    await credentials.get()
    await credentials.settled()
    assert await credentials.get() == OLD


async def test_short_lived_credentials_are_used_for_half_their_time() -> None:
    """Credentials of less than 15 minutes would otherwise be fetched for every request."""
    time = ManualTime()
    credentials = Scripted(time, lasting(60, "first"), lasting(120, "second"))
    assert (await credentials.get()).access_key_id == "first"
    time.now = NOON + 29
    assert (await credentials.get()).access_key_id == "first"
    await until_waiting(credentials, 1)
    time.now = NOON + 30
    assert (await credentials.get()).access_key_id == "second"


async def test_same_credentials_given_again_near_their_end_are_not_fetched_for_every_request() -> None:
    """EC2's service has new ones only 5 minutes before the end of the old."""
    time = ManualTime()
    credentials = Scripted(time, OLD, OLD, NEW)
    await credentials.get()
    time.now = NOON + HOUR - 14 * 60
    await credentials.get()
    await credentials.settled()
    time.now += 7 * 60 - 1
    assert await credentials.get() == OLD
    await until_waiting(credentials, 2)
    time.now += 1
    await credentials.get()
    await credentials.settled()
    assert await credentials.get() == NEW


async def test_credentials_without_an_end_are_fetched_once() -> None:
    """There is no better answer to wait for."""
    time = ManualTime()
    endless = lasting(0, "endless")
    object.__setattr__(endless, "expiration", None)
    credentials = Scripted(time, endless)
    await credentials.get()
    time.now += 1e9
    assert await credentials.get() == endless
    assert credentials.current == endless


async def test_refused_credentials_are_given_no_more() -> None:
    """The store knows better than their expiration."""
    credentials = Scripted(ManualTime(), OLD, NEW)
    await credentials.get()
    assert credentials.invalidate(OLD)
    with pytest.raises(CredentialsError, match=r"^Scripted has not fetched its credentials yet: await its get"):
        _ = credentials.current
    assert await credentials.get() == NEW


async def test_refusal_of_older_ones_leaves_the_newer_ones() -> None:
    """Of 100 requests that the store refuses at once, only the first has new ones fetched."""
    credentials = Scripted(ManualTime(), OLD, NEW)
    await credentials.get()
    credentials.invalidate(OLD)
    await credentials.get()
    assert credentials.invalidate(OLD)
    assert await credentials.get() == NEW
    assert credentials.fetches == 2


async def test_refused_credentials_do_not_come_back_when_no_others_can_be_had() -> None:
    """A failed forced refresh is an error, though the old ones have time left."""
    credentials = Scripted(ManualTime(), OLD, CredentialsError("no luck"))
    await credentials.get()
    credentials.invalidate(OLD)
    with pytest.raises(CredentialsError, match="no luck"):
        await credentials.get()


async def test_stop_ends_a_fetch_and_says_so_to_those_who_wait() -> None:
    """They are not cancelled themselves; and the provider can be asked again."""
    credentials = Scripted(ManualTime(), OLD)
    credentials.gate.clear()
    request = asyncio.create_task(credentials.get())
    await until_waiting(credentials, 1)
    await credentials.stop()
    with pytest.raises(CredentialsError, match=r"^Scripted was stopped while it was asked for credentials$"):
        await request
    credentials.gate.set()
    assert await credentials.get() == OLD


async def test_stop_without_anything_going_on_does_nothing() -> None:
    """Before the first fetch, after it, and twice."""
    credentials = Scripted(ManualTime(), OLD)
    await credentials.stop()
    await credentials.get()
    await credentials.stop()
    await credentials.stop()
    assert credentials.current == OLD


def test_one_provider_serves_two_event_loops_in_a_row() -> None:
    """Also when the first one ended in the middle of a fetch."""
    time = ManualTime()
    credentials = Scripted(time, OLD, NEW)
    credentials.gate.clear()

    async def break_off() -> None:
        request = asyncio.create_task(credentials.get())
        await until_waiting(credentials, 1)
        request.cancel()

    asyncio.run(break_off())
    credentials.gate = asyncio.Event()
    credentials.gate.set()
    assert asyncio.run(credentials.get()) == OLD
    time.now = NOON + HOUR
    assert asyncio.run(credentials.get()) == NEW
    asyncio.run(credentials.stop())


def test_fetch_in_an_event_loop_that_stands_still_is_not_waited_for() -> None:
    """A loop that is run by hand ends nothing, and may never go on."""
    credentials = Scripted(ManualTime(), OLD)
    credentials.gate.clear()
    loop = asyncio.new_event_loop()
    request = loop.create_task(credentials.get())
    loop.run_until_complete(until_waiting(credentials, 1))
    credentials.gate = asyncio.Event()
    credentials.gate.set()
    assert asyncio.run(credentials.get()) == OLD
    asyncio.run(credentials.stop())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(request)
    loop.close()


async def test_after_start_they_are_kept_fresh_without_being_asked() -> None:
    """What requests find is always at hand."""
    time = HeldTime()
    credentials = Scripted(time, OLD, NEW, lasting(3 * HOUR, "newest"))
    await credentials.start()
    assert credentials.current == OLD
    await time.end_sleeps(until=HOUR - 15 * 60)
    await time.end_sleep()
    assert credentials.current == NEW
    await time.end_sleeps(until=2 * HOUR - 15 * 60)
    await time.end_sleep()
    assert credentials.current.access_key_id == "newest"
    assert credentials.fetches == 3
    await credentials.stop()


async def test_background_looks_at_the_clock_each_minute() -> None:
    """A machine that was suspended sleeps longer than it meant to."""
    time = HeldTime()
    credentials = Scripted(time, OLD, lasting(9 * HOUR, "new"))
    async with credentials:
        assert await time.end_sleep() == 60.0
        assert await time.end_sleep(suspended=5 * HOUR) == 60.0
        await time.end_sleep()
        assert credentials.current.access_key_id == "new"


async def test_background_goes_on_after_failures(caplog: pytest.LogCaptureFixture) -> None:
    """After longer and longer waits, and also when the old ones end meanwhile."""
    time = HeldTime()
    credentials = Scripted(time, lasting(60), *[CredentialsError("no luck"), OSError()] * 4, NEW)
    async with credentials:
        sleeps = []
        while credentials.fetches < 10:
            sleeps.append(await time.end_sleep())
        await time.end_sleep()
        assert credentials.current == NEW
    assert sleeps[1:5] == [2.0, 4.0, 8.0, 16.0]
    assert max(sleeps) == 60.0
    assert "there are no valid credentials, and new ones could not be had yet: no luck" in caplog.text


async def test_stop_ends_the_background() -> None:
    """Nothing is left behind; and it can be started again."""
    time = HeldTime()
    credentials = Scripted(time, OLD)
    before = asyncio.all_tasks()
    await credentials.start()
    await credentials.start()
    assert len(asyncio.all_tasks() - before) == 1
    await credentials.stop()
    assert asyncio.all_tasks() == before
    async with credentials as entered:
        assert entered is credentials
        assert len(asyncio.all_tasks() - before) == 1
    assert asyncio.all_tasks() == before


async def test_failed_start_leaves_nothing_behind() -> None:
    """A program that begins without credentials hears it at once."""
    before = asyncio.all_tasks()
    with pytest.raises(CredentialsError, match="no luck"):
        await Scripted(HeldTime(), CredentialsError("no luck")).start()
    assert asyncio.all_tasks() == before


async def test_credentials_without_an_end_can_be_started_too() -> None:
    """The background then has nothing to do, for ever."""
    time = HeldTime()
    endless = lasting(0)
    object.__setattr__(endless, "expiration", None)
    async with Scripted(time, endless) as credentials:
        assert [await time.end_sleep() for _ in range(3)] == [60.0] * 3
        assert credentials.fetches == 1


def test_started_provider_survives_its_event_loop() -> None:
    """The background belongs to one loop, and begins anew in the next."""
    time = HeldTime()
    credentials = Scripted(time, OLD)
    asyncio.run(credentials.start())
    first = credentials._keeping

    async def again() -> None:
        await credentials.start()
        assert credentials._keeping is not first
        await credentials.stop()

    asyncio.run(again())
    assert credentials.fetches == 1


async def test_no_secret_is_printed_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The access key ID is what tells identities apart."""
    caplog.set_level(logging.DEBUG)
    time = ManualTime()
    credentials = Scripted(time, OLD, CredentialsError("no luck"))
    assert repr(credentials) == "<Scripted access_key_id=None>"
    await credentials.get()
    time.now = NOON + HOUR - 600
    await credentials.get()
    await credentials.settled()
    assert repr(credentials) == "<Scripted access_key_id='old'>"
    assert caplog.records
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text


async def test_asking_for_fresh_credentials_costs_less_than_a_microsecond() -> None:
    """The fast path runs for every attempt of every request: no lock, no task."""
    credentials = Scripted(ManualTime(), OLD)
    await credentials.get()

    def ask() -> None:
        try:
            credentials.get().send(None)
        except StopIteration:
            return

    assert min(timeit.repeat(ask, number=10_000, repeat=20)) / 10_000 < 1e-6
