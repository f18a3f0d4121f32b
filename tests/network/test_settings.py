"""The settings of a client are values: checked, compared, hashed, and with one default each."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import ClientConfig, RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("value", [RetryPolicy(), Timeouts(), ClientConfig()], ids=repr)
def test_a_setting_is_a_value(value: RetryPolicy | Timeouts | ClientConfig) -> None:
    """Two alike are equal, and none changes."""
    assert value == replace(value)
    assert hash(value) == hash(replace(value))
    with pytest.raises(FrozenInstanceError):
        setattr(value, type(value).__slots__[0], None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RetryPolicy(max_attempts=0), "max_attempts is 0, .* give at least 1"),
        (lambda: RetryPolicy(max_attempts=-1), "max_attempts is -1, .* give at least 1"),
        (lambda: RetryPolicy(base_delay=-1), r"base_delay \(-1\) .* give 0 or more"),
        (lambda: RetryPolicy(max_delay=-0.1), r"max_delay \(-0.1\) .* give 0 or more"),
        (lambda: Timeouts(connect=0), "connect is 0 seconds, .* give more, or None"),
        (lambda: Timeouts(connect=-1), "connect is -1 seconds, .* give more, or None"),
        (lambda: Timeouts(read=0.0), "read is 0.0 seconds, .* give more, or None"),
        (lambda: Timeouts(read=-0.5), "read is -0.5 seconds, .* give more, or None"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_refused(make: Callable[[], object], words: str) -> None:
    """The error names the setting, its value and the cure; a timeout of 0 would mean none at all to aiohttp."""
    with pytest.raises(ValueError, match=words):
        make()


def test_no_limit_is_said_with_none() -> None:
    """It is the one way to wait for ever."""
    assert Timeouts(connect=None, read=None) != Timeouts()


def test_there_is_one_delay_fewer_than_attempts() -> None:
    """A policy of one attempt never waits."""
    assert list(RetryPolicy(max_attempts=1).delays(lambda: 1.0)) == []
    assert list(RetryPolicy(max_attempts=5, base_delay=1, max_delay=5).delays(lambda: 1.0)) == [1, 2, 4, 5]
    assert list(RetryPolicy(max_attempts=3, base_delay=1).delays(lambda: 0.25)) == [0.25, 0.5]


def test_a_policy_may_allow_any_number_of_attempts() -> None:
    """Doubling does not run out of numbers."""
    delays = list(RetryPolicy(max_attempts=3000, base_delay=0.1, max_delay=7).delays(lambda: 1.0))
    assert delays[-1] == 7
    assert set(RetryPolicy(max_attempts=3000, base_delay=0).delays(lambda: 1.0)) == {0}
