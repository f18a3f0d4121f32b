"""How many requests a transfer has under way at once, when nobody says."""

from __future__ import annotations

from typing import Final

__all__ = ("concurrency_for",)

# What a transfer aims at, in bytes per second: a link of 10 Gbit/s.
_THROUGHPUT: Final = 10 * 10**9 // 8
# What one connection has on its way in the time of a round trip, in bytes.
_WINDOW: Final = 1024 * 1024
_MOST: Final = 8


def concurrency_for(latency: float, fewest: int) -> int:
    """Give the number of connections that fill a link when an answer takes ``latency`` seconds to begin.

    One carries a window per round trip: the farther the store, the more it takes. There are never fewer than
    ``fewest``: one is idle between two requests, and others use the link meanwhile.
    """
    return min(max(fewest, round(_THROUGHPUT * latency / _WINDOW)), _MOST)
