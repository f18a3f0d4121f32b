"""How long a transfer holds the event loop: a task that wants to run every other millisecond, and is late."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contenders.base import AsyncClient, BlockingClient
    from shared.job import Job
    from workloads.base import Workload
    from workloads.meter import Meter

INTERVAL_SECONDS: Final = 0.002


@dataclass(frozen=True, slots=True)
class LoopLag:
    """Another workload, with a watch beside it."""

    workload: Workload

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Run the other workload, whose warm-up and checks are not watched."""
        delays: list[float] = []
        watch = asyncio.create_task(_watch(delays, meter))
        try:
            return await self.workload.run_async(client, job, meter)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            delays.sort()
            meter.holds = (delays[-1], delays[math.ceil(0.999 * len(delays)) - 1]) if delays else (0.0, 0.0)

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """There is no loop to be held."""
        raise NotImplementedError


async def _watch(delays: list[float], meter: Meter) -> None:
    while True:
        # What is done on the loop just before and after the transfer is not the client's.
        was_running = meter.is_running
        before = time.perf_counter()
        await asyncio.sleep(INTERVAL_SECONDS)
        if was_running and meter.is_running:
            delays.append(time.perf_counter() - before - INTERVAL_SECONDS)
