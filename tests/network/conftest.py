"""What the tests of the network share: each way to send, since a session of the caller's takes another than our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.network.links import Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=["own", "given"])
async def session(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession | None]:
    """Give no session, so that the client makes one, or a plain one of the caller's."""
    if request.param == "own":
        yield None
        return
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture(params=["plain", "tls"])
def link(request: pytest.FixtureRequest) -> Link:
    """Give plain TCP, and TLS with a certificate of this test's own."""
    return Link() if request.param == "plain" else Link.over_tls()
