"""What a run takes, as this process sees it."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STATUS = Path("/proc/self/status")


@dataclass(slots=True)
class Meter:
    """A context manager that knows afterwards what its block took: seconds of the clock, and of CPU in all threads."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __enter__(self) -> Self:
        """Start."""
        self.cpu_seconds = -_cpu_seconds()
        self.wall_seconds = -time.perf_counter()
        return self

    def __exit__(self, *_failure: object) -> None:
        """Stop."""
        self.wall_seconds += time.perf_counter()
        self.cpu_seconds += _cpu_seconds()


def peak_bytes() -> int:
    """Give the largest resident set so far.

    On Linux it is read from /proc: ``getrusage`` starts with the value of the process that started this one.
    """
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cpu_seconds() -> float:
    parties = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, parties))
