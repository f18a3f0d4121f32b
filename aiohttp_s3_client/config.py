"""Settings of a client, as values: how often to try again, and how long to wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("ClientConfig", "RetryPolicy", "Timeouts", "check_count", "check_int")


def check_int(name: str, number: object) -> None:
    """Refuse what is no whole number.

    Raises:
        TypeError: It is no int.

    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"{name} is a {type(number).__name__}: give an int")


def check_count(name: str, number: int) -> None:
    """Refuse what is no number of things.

    Raises:
        TypeError: It is no int.
        ValueError: It is below 1.

    """
    check_int(name, number)
    if number < 1:
        raise ValueError(f"{name} is {number}: give at least 1")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a request is tried, and how long to wait in between.

    An *attempt* counts the first one: ``max_attempts=1`` never tries again. The n-th wait is a random part of
    ``base_delay * 2 ** n`` seconds, at most ``max_delay`` seconds ("full jitter"). A ``Retry-After`` of the server is
    followed up to ``max_delay``.

    Raises:
        ValueError: fewer than one attempt, or a negative delay.

    """

    max_attempts: int = 5
    base_delay: float = 0.1
    max_delay: float = 20.0

    def __post_init__(self) -> None:
        """Refuse a policy under which no request could be sent."""
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}, and counts the first attempt: give at least 1")
        if self.base_delay < 0 or self.max_delay < 0:
            raise ValueError(
                f"base_delay ({self.base_delay}) and max_delay ({self.max_delay}) are seconds: give 0 or more"
            )

    def delays(self, random: Callable[[], float]) -> Iterator[float]:
        """Give the seconds to wait before each retry: one value fewer than there are attempts."""
        for retry in range(self.max_attempts - 1):
            yield random() * min(self.max_delay, self.base_delay * 2.0 ** min(retry, 64))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a sign of life, in seconds; None waits for ever.

    ``connect`` bounds one connection's making (TCP and TLS), ``read`` the silence between two pieces of an answer.
    There is no limit on a whole transfer: a slow one that moves may take as long as it needs.

    Raises:
        ValueError: a limit that leaves no time.

    """

    connect: float | None = 10.0
    read: float | None = 60.0

    def __post_init__(self) -> None:
        """Refuse what aiohttp would take for "no limit" without a word."""
        for name, seconds in (("connect", self.connect), ("read", self.read)):
            if seconds is not None and seconds <= 0:
                raise ValueError(f"{name} is {seconds} seconds, which leaves no time: give more, or None for no limit")


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The settings of a client that are rarely changed, in one value."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)
