"""The tests themselves: they run on the event loop that was asked for."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session")
async def loop_of_fixtures() -> asyncio.AbstractEventLoop:
    """Give the loop that session-scoped fixtures run on."""
    return asyncio.get_running_loop()


async def test_tests_run_on_the_chosen_event_loop(pytestconfig: pytest.Config) -> None:
    """The running loop comes from the library that ``--event-loop`` names."""
    library = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    assert library == pytestconfig.getoption("--event-loop")


async def test_fixtures_and_tests_share_one_event_loop(loop_of_fixtures: asyncio.AbstractEventLoop) -> None:
    """A connection made by a session's fixture can be used by every test."""
    assert asyncio.get_running_loop() is loop_of_fixtures
