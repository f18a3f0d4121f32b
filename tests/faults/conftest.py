"""What the tests of faults share: each way to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

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
