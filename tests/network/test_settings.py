"""The settings of a client are values: checked, compared, hashed, and with one default each."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from aiohttp_s3_client import ClientConfig, RetryPolicy, Timeouts


@pytest.mark.parametrize("value", [RetryPolicy(), Timeouts(), ClientConfig()], ids=repr)
def test_a_setting_is_a_value(value: RetryPolicy | Timeouts | ClientConfig) -> None:
    """Two alike are equal, and none changes."""
    assert value == replace(value)
    assert hash(value) == hash(replace(value))
    with pytest.raises(FrozenInstanceError):
        setattr(value, type(value).__slots__[0], None)


@pytest.mark.parametrize("settings", [{"max_attempts": 0}, {"max_attempts": -1}, {"base_delay": -1}, {"max_delay": -0.1}])
def test_a_policy_that_cannot_be_followed_is_refused(settings: dict[str, Any]) -> None:
    """The error names the setting, its value and the cure."""
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=rf"{name}.*{value}.*give"):
        RetryPolicy(**settings)


@pytest.mark.parametrize("settings", [{"connect": 0}, {"read": 0}, {"connect": -1}, {"read": -0.5}])
def test_a_timeout_that_leaves_no_time_is_refused(settings: dict[str, Any]) -> None:
    """Zero would silently mean for ever; that is what None says."""
    name, value = next(iter(settings.items()))
    with pytest.raises(ValueError, match=rf"{name}.*{value}.*None"):
        Timeouts(**settings)


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
