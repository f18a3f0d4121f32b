"""Run one contender through one workload: a job on standard input, its measurement on standard output.

It runs in the contender's own environment, which need not have more than the contender.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AbstractAsyncContextManager
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contenders.base import load
from shared.job import Job, Measurement
from shared.objects import ROOM_NAME
from workloads import signature
from workloads.credentials import Asking
from workloads.listing import Listing
from workloads.loop_lag import LoopLag
from workloads.meter import Meter, peak_bytes
from workloads.small_files import Received, Sent
from workloads.small_objects import SMALL_GET, SMALL_PUT
from workloads.transfers import Download, StreamUpload, Upload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contenders.base import AsyncClient
    from workloads.base import Workload

WORKLOADS: Final[Mapping[str, Workload]] = {
    "credentials": Asking(),
    "small-get": SMALL_GET,
    "small-put": SMALL_PUT,
    "list": Listing(),
    "download": Download(),
    "upload": Upload(),
    "small-files-down": Received(),
    "small-files-up": Sent(),
    "lag-down": LoopLag(Download()),
    "lag-up": LoopLag(Upload()),
    "memory-down": Download(),
    "memory-up": Upload(),
    "memory-stream": StreamUpload(),
}


def run(job: Job, meter: Meter) -> int:
    """Do the job and give the number of operations."""
    contender = load(job.contender)
    if job.workload == "signature":
        return signature.run(contender.signer(job.target), job, meter)
    workload = WORKLOADS[job.workload]
    connection = contender.connect(job)
    if isinstance(connection, AbstractAsyncContextManager):
        loop_factory = import_module(job.event_loop).new_event_loop
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_run_async(connection, workload, job, meter))
    with connection as client:
        return workload.run_blocking(client, job, meter)


async def _run_async(
    connection: AbstractAsyncContextManager[AsyncClient], workload: Workload, job: Job, meter: Meter
) -> int:
    async with connection as client:
        return await workload.run_async(client, job, meter)


def main() -> None:
    """Read the job, do it, and answer."""
    job = Job.from_json(sys.stdin.read())
    meter = Meter(Path(job.folder, ROOM_NAME))
    count = run(job, meter)
    measurement = Measurement(
        count=count,
        wall_seconds=meter.wall_seconds,
        cpu_seconds=meter.cpu_seconds,
        peak_bytes=peak_bytes(),
        private_bytes_before=meter.private_bytes_before,
        holds=meter.holds,
        version=metadata.version(job.distribution) if job.distribution else "",
    )
    print(measurement.to_json(), flush=True)
    # Threads of a client's native runtime may abort the interpreter's shutdown, after all is measured and checked.
    os._exit(0)


if __name__ == "__main__":
    main()
