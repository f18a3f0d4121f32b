"""A workload in its two forms, for clients of an event loop and for clients of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contenders.base import AsyncClient, BlockingClient
    from shared.job import Job
    from workloads.meter import Meter


class WrongResultError(Exception):
    """A contender gave something else than what the server holds: its speed means nothing."""


class Workload(Protocol):
    """What to do with a client: warm up, run under the meter, check, and give the number of operations."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Run on the event loop."""

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """Run in threads, or in this one."""
