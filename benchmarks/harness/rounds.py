"""The order of the runs: contenders in turn, round after round, so that a machine's drift meets all of them."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from harness.environments import python_of
from harness.plan import CONCURRENCY
from harness.servers import SERVERS
from harness.stock import open_stock
from harness.workers import WorkerError, run_worker
from shared.job import Job
from shared.objects import FILE_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.comparison import Comparison
    from harness.plan import Contender
    from harness.stock import Stock
    from shared.job import Target


async def run_rounds(comparisons: Iterable[Comparison], rounds: int, seconds: float | None) -> None:
    """Fill the comparisons with samples; each has its server to itself, which is new for it.

    ``seconds`` replaces what the cases say of the length of their runs.
    """
    with open_stock() as stock:
        for comparison in comparisons:
            title = f"{comparison.case.name} ({comparison.server})"
            _show(f"{title}: starting the server")
            async with SERVERS[comparison.server](stock, comparison.load) as target:
                for number in range(min(rounds, comparison.load.most_rounds)):
                    for contender in comparison.contenders:
                        _show(f"{title}, round {number + 1}: {contender.name}")
                        job = _job(comparison, contender, target, stock, number, seconds)
                        await _run(comparison, contender, job, stock)
    _show("")


def _job(
    comparison: Comparison, contender: Contender, target: Target, stock: Stock, number: int, seconds: float | None
) -> Job:
    return Job(
        workload=comparison.case.name,
        contender=contender.module,
        distribution=contender.distribution,
        event_loop=contender.event_loop,
        target=target,
        seconds=seconds or comparison.case.seconds,
        concurrency=CONCURRENCY,
        folder=str(stock.folder),
        size=comparison.load.size,
        files=comparison.load.files,
        verify=number == 0,
        hashes_bodies=contender.hashes_bodies,
    )


async def _run(comparison: Comparison, contender: Contender, job: Job, stock: Stock) -> None:
    if contender.name in comparison.failures or comparison.is_hopeless(contender):
        return
    await asyncio.to_thread(stock.make_room, job.size + job.files * FILE_SIZE)
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
