"""Credentials from a function of the user's, plain or a coroutine function."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials.function import CallableCredentials
from aiohttp_s3_client.errors import CredentialsNotFound
from tests.network.clients import NOON, ManualTime
from tests.network.credential_services import SECRET, TOKEN, lasting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OLD = lasting(3600, "old")
NEW = lasting(7200, "new")


def vault() -> Credentials:
    """Give credentials as a plain function does."""
    return OLD


async def remote_vault() -> Credentials:
    """Give credentials as a coroutine function does."""
    await asyncio.sleep(0)
    return OLD


def indirect_vault() -> Awaitable[Credentials]:
    """Give what is yet to be awaited."""
    return remote_vault()


class Vault:
    """Gives credentials as an object that is called."""

    async def __call__(self) -> Credentials:
        """Give them."""
        return await remote_vault()

    async def read(self, name: str = "old") -> Credentials:
        """Give them as a method does."""
        return replace(OLD, access_key_id=name)


@pytest.mark.parametrize(
    "function",
    [vault, remote_vault, Vault(), Vault().read, functools.partial(Vault().read, "old"), indirect_vault],
    ids=["plain", "coroutine function", "object", "method", "partial", "function that gives an awaitable"],
)
async def test_whatever_can_be_called_gives_credentials(function: Callable[[], Credentials]) -> None:
    """Whether what it gives has to be awaited is seen, not said."""
    assert await CallableCredentials(function, clock=ManualTime().clock).get() == OLD


async def test_plain_function_runs_in_a_thread_and_a_coroutine_function_in_the_loop() -> None:
    """The first may block; the second may use what belongs to the loop."""
    threads = []

    def plain() -> Credentials:
        threads.append(threading.current_thread())
        return OLD

    async def coroutine() -> Credentials:
        return plain()

    clock = ManualTime().clock
    await CallableCredentials(plain, clock=clock).get()
    await CallableCredentials(coroutine, clock=clock).get()
    assert threads[0] is not threading.current_thread()
    assert threads[1] is threading.current_thread()


async def test_function_is_called_again_before_the_end_and_once_for_all() -> None:
    """It is refreshed like every other source."""
    time = ManualTime()
    given = iter([OLD, NEW])
    credentials = CallableCredentials(lambda: next(given), clock=time.clock)
    assert await credentials.get() == OLD
    time.now = NOON + 3600
    assert await asyncio.gather(*(credentials.get() for _ in range(100))) == [NEW] * 100


async def test_credentials_without_an_end_are_asked_for_once() -> None:
    """And again when the store refuses them."""
    endless = [Credentials("first", "x"), Credentials("second", "x")]
    credentials = CallableCredentials(lambda: endless.pop(0))
    first = await credentials.get()
    assert await credentials.get() is first
    credentials.invalidate(first)
    assert (await credentials.get()).access_key_id == "second"


def failing(error: Exception) -> Callable[[], Credentials]:
    """Make a plain function that raises."""

    def function() -> Credentials:
        raise error

    return function


def failing_later(error: Exception) -> Callable[[], Credentials]:
    """Make a coroutine function that raises."""

    async def function() -> Credentials:
        await asyncio.sleep(0)
        raise error

    return cast("Callable[[], Credentials]", function)


@pytest.mark.parametrize("make", [failing, failing_later])
async def test_what_it_raises_is_the_cause(make: Callable[[Exception], Callable[[], Credentials]]) -> None:
    """The words of the other library are its own, and may say too much."""
    error = OSError(f"cannot log in with {SECRET}")
    with pytest.raises(CredentialsError, match=r"^the function .*function gives no credentials: OSError$") as caught:
        await CallableCredentials(make(error)).get()
    assert caught.value.__cause__ is error
    assert SECRET not in str(caught.value)


async def test_exhausted_iterator_does_not_hang() -> None:
    """A ``StopIteration`` cannot come out of a thread by itself."""
    nothing: list[Credentials] = []
    async with asyncio.timeout(5):
        with pytest.raises(CredentialsError, match="gives no credentials: StopIteration"):
            await CallableCredentials(lambda: next(iter(nothing))).get()


@pytest.mark.parametrize("make", [failing, failing_later])
async def test_its_own_credentials_error_comes_out_as_it_is(
    make: Callable[[Exception], Callable[[], Credentials]],
) -> None:
    """So that a function can say that it has none, and a chain goes on."""
    with pytest.raises(CredentialsNotFound, match=r"^vault: not here$"):
        await CallableCredentials(make(CredentialsNotFound("vault: not here"))).get()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "gives a NoneType, not Credentials"),
        (("id", SECRET), "gives a tuple, not Credentials"),
        ({"access_key_id": "id", "secret_access_key": SECRET}, "gives a dict, not Credentials"),
        (replace(OLD, expiration=datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None)), "gives an expiration that"),
        (replace(OLD, expiration=cast("datetime", 7)), "is no datetime with a time zone"),
        (lasting(-1), "gives credentials that have expired already"),
    ],
)
async def test_what_is_no_credentials_is_refused(given: object, words: str) -> None:
    """Before a request is signed with it; no part of it is shown."""
    function = cast("Callable[[], Credentials]", lambda: given)
    with pytest.raises(CredentialsError, match=words) as caught:
        await CallableCredentials(function, clock=ManualTime().clock).get()
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert TOKEN not in shown


def test_what_cannot_be_called_is_refused_at_once() -> None:
    """Credentials themselves are what many give by mistake."""
    with pytest.raises(TypeError, match=r"^function is a Credentials, and cannot be called"):
        CallableCredentials(cast("Callable[[], Credentials]", OLD))


async def test_nothing_of_it_is_printed_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    """But for the access key ID."""
    caplog.set_level(logging.DEBUG)
    credentials = CallableCredentials(vault, clock=ManualTime().clock)
    await credentials.get()
    assert repr(credentials) == "<CallableCredentials access_key_id='old'>"
    assert SECRET not in caplog.text
