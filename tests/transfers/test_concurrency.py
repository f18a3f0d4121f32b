"""How many requests a transfer has under way."""

from __future__ import annotations

import pytest

from aiohttp_s3_client.concurrency import concurrency_for


@pytest.mark.parametrize(
    ("latency", "fewest", "expected"),
    [(0.0, 2, 2), (0.0005, 2, 2), (0.0005, 4, 4), (0.003, 2, 4), (0.005, 4, 6), (0.030, 2, 8), (60.0, 4, 8)],
)
def test_the_farther_the_store_the_more_requests_are_under_way(latency: float, fewest: int, expected: int) -> None:
    """From a machine beside this one to another continent."""
    assert concurrency_for(latency, fewest) == expected
