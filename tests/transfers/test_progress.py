"""What is told of a transfer, and how often."""

from __future__ import annotations

from itertools import pairwise

from aiohttp_s3_client import Progress
from aiohttp_s3_client.progress import ProgressReporter
from tests.network.clients import ManualTime


def test_a_byte_that_is_sent_again_is_counted_once() -> None:
    """A part that begins anew is nothing new until it is further than before."""
    calls: list[Progress] = []
    time = ManualTime()
    reporter = ProgressReporter(calls.append, bytes_total=150, parts_total=2, clock=time.clock)
    for position in (60, 10, 60, 70):
        time.now += 1
        reporter.reach("first", position)
    reporter.complete("first", 100)
    reporter.complete("second", 50)
    reporter.finish()
    assert [call.bytes_done for call in calls] == [60, 70, 150]
    assert calls[-1] == Progress(150, 150, 2, 2, 0)


def test_calls_are_a_tenth_of_a_second_apart() -> None:
    """But for the last one."""
    calls: list[float] = []
    time = ManualTime()
    reporter = ProgressReporter(lambda _: calls.append(time.now), clock=time.clock)
    for step in range(1, 1001):
        time.now += 0.001
        reporter.reach("part", step)
    reporter.finish()
    assert len(calls) == 11
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(calls[:-1]))


def test_attempts_are_counted_and_totals_come_when_they_are_known() -> None:
    """None stands for what nobody knows."""
    calls: list[Progress] = []
    reporter = ProgressReporter(calls.append)
    reporter.expect(None, None)
    reporter.attempt()
    reporter.attempt()
    reporter.complete("part", 10)
    reporter.finish()
    assert calls == [Progress(10, None, 1, None, 2), Progress(10, 10, 1, 1, 2)]


def test_the_last_part_is_told_of_once() -> None:
    """At the end."""
    calls: list[Progress] = []
    now = iter(range(100))
    reporter = ProgressReporter(calls.append, clock=lambda: float(next(now)))
    reporter.expect(10, 2)
    reporter.complete("first", 5)
    reporter.complete("second", 5)
    reporter.finish()
    assert calls == [Progress(5, 10, 1, 2, 0), Progress(10, 10, 2, 2, 0)]


def test_what_was_done_before_is_there_from_the_first_call_on() -> None:
    """A bar does not begin anew."""
    calls: list[Progress] = []
    now = iter(range(100))
    reporter = ProgressReporter(calls.append, clock=lambda: float(next(now)))
    reporter.expect(15, 3)
    reporter.skip(5)
    reporter.skip(5)
    assert calls == []
    reporter.reach("third", 1)
    assert calls == [Progress(11, 15, 2, 3, 0)]


def test_nobody_needs_to_ask() -> None:
    """Without a function there are no calls."""
    reporter = ProgressReporter(None)
    reporter.reach("part", 1)
    reporter.finish()
