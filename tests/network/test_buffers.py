"""Memory that is used again, and never while somebody reads it."""

from __future__ import annotations

from aiohttp_s3_client.buffers import Buffers


def test_what_comes_back_is_given_again_the_last_one_first() -> None:
    """Whole, whatever was in it."""
    buffers = Buffers(10)
    first, second = buffers.take(), buffers.take()
    assert first is not second
    second[:] = b"0123456789"
    buffers.give_back(first)
    buffers.give_back(second)
    assert [buffers.take() is second, buffers.take() is first] == [True, True]
    assert second == b"0123456789"
    assert len(buffers.take()) == 10


def test_what_is_still_viewed_is_not_given_again() -> None:
    """A view of any part of it counts, and what it shows stays."""
    buffers = Buffers(10)
    buffer = buffers.take()
    view = memoryview(buffer)[3:5]
    buffers.give_back(buffer)
    assert buffers.take() is not buffer
    view.release()
    buffers.give_back(buffer)
    assert buffers.take() is buffer
