"""One process for each measurement, in the contender's own environment."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.environments import BENCHMARKS
from shared.job import Measurement

if TYPE_CHECKING:
    from shared.job import Job

LIMIT_SECONDS: Final = 120.0
SAMPLE_SECONDS: Final = 0.02


class WorkerError(Exception):
    """A contender failed; the message ends with what it wrote."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: what the worker measured, and the peak of its private (anonymous) memory, sampled from outside."""

    measurement: Measurement
    private_peak_bytes: int


async def run_worker(python: Path, job: Job) -> Sample:
    """Run a job to its end.

    Raises:
        WorkerError: the contender failed, gave something wrong, or took longer than ``LIMIT_SECONDS``.

    """
    pipe = asyncio.subprocess.PIPE
    command = (python, BENCHMARKS / "worker.py")
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(job)
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            private_peak = asyncio.create_task(_private_peak(process.pid))
            answer, errors = await process.communicate(job.to_json().encode())
            private_peak_bytes = await private_peak
    except TimeoutError as error:
        message = f"no result after {LIMIT_SECONDS:.0f} s"
        raise WorkerError(message) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise WorkerError(errors.decode(errors="replace").strip() or f"ended with code {process.returncode}")
    return Sample(Measurement.from_json(answer.decode()), private_peak_bytes)


def _environment(job: Job) -> dict[str, str]:
    # What is set for AWS, proxies and Python on this machine would reach some clients and not others.
    foreign = ("AWS_", "PYTHON", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    own = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    trusted = {"SSL_CERT_FILE": job.target.ca_file} if job.target.ca_file else {}
    return {**kept, **own, **trusted}


async def _private_peak(pid: int) -> int:
    peak = 0
    while (private := _private_bytes(pid)) is not None:
        peak = max(peak, private)
        await asyncio.sleep(SAMPLE_SECONDS)
    return peak


def _private_bytes(pid: int) -> int | None:
    # The line, and then the file, is gone when the process has ended; systems other than Linux have neither.
    try:
        return int(Path(f"/proc/{pid}/status").read_text().partition("RssAnon:")[2].split()[0]) * 1024
    except (OSError, LookupError):
        return None
