"""The order of the runs: contenders in turn, round after round, so that a machine's drift meets all of them."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING

from harness.environments import python_of
from harness.plan import CONCURRENCY
from harness.servers import SERVERS
from harness.workers import WorkerError, run_worker
from shared.job import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.comparison import Comparison
    from harness.plan import Contender
    from shared.job import Target


async def run_rounds(comparisons: Iterable[Comparison], rounds: int, seconds: float | None) -> None:
    """Fill the comparisons with samples; each server runs only while it is needed.

    ``seconds`` replaces what the cases say of the length of their runs.
    """
    by_server = sorted(comparisons, key=lambda comparison: comparison.server)
    for server, group in itertools.groupby(by_server, key=lambda comparison: comparison.server):
        async with SERVERS[server]() as target:
            for comparison in group:
                for number in range(rounds):
                    for contender in comparison.contenders:
                        _show(f"{comparison.case.name} ({server}), round {number + 1} of {rounds}: {contender.name}")
                        await _run(comparison, contender, target, seconds)
    _show("")


async def _run(comparison: Comparison, contender: Contender, target: Target, seconds: float | None) -> None:
    if contender.name in comparison.failures:
        return
    job = Job(
        workload=comparison.case.name,
        contender=contender.module,
        distribution=contender.distribution,
        event_loop=contender.event_loop,
        target=target,
        seconds=seconds or comparison.case.seconds,
        concurrency=CONCURRENCY,
    )
    try:
        sample = await run_worker(python_of(contender.requirements), job)
    except WorkerError as error:
        comparison.fail(contender.name, str(error))
    else:
        comparison.samples.setdefault(contender.name, []).append(sample)


def _show(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)
