"""The question that is asked before every request, when the credentials are at hand and do not expire for long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from contenders.base import AsyncClient, BlockingClient
    from shared.job import Job
    from workloads.meter import Meter

BATCH: Final = 1000


class Asking:
    """One question after the other, until the time is over."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Ask in batches, after the first question, which has credentials fetched."""
        ask = client.credentials()
        await ask()
        count = 0
        deadline = time.perf_counter() + job.seconds
        with meter:
            while time.perf_counter() < deadline:
                for _ in range(BATCH):
                    await ask()
                count += BATCH
        return count

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """No contender without an event loop takes part."""
        raise NotImplementedError
