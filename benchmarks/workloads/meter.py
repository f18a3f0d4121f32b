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
    """A context manager that knows afterwards what its block took: seconds of the clock, and of CPU in all threads.

    It removes the file ``room`` first. ``private_bytes_before`` is the anonymous memory when it began. ``holds`` is for
    a workload that measures them.
    """

    room: Path
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    private_bytes_before: int = 0
    holds: tuple[float, float] = (0.0, 0.0)
    is_running: bool = False

    def __enter__(self) -> Self:
        """Start."""
        self.room.unlink(missing_ok=True)
        self.private_bytes_before = _status_bytes("RssAnon")
        self.cpu_seconds = -_cpu_seconds()
        self.is_running = True
        self.wall_seconds = -time.perf_counter()
        return self

    def __exit__(self, *_failure: object) -> None:
        """Stop."""
        self.wall_seconds += time.perf_counter()
        self.is_running = False
        self.cpu_seconds += _cpu_seconds()


def peak_bytes() -> int:
    """Give the largest resident set so far.

    On Linux it is read from /proc: ``getrusage`` starts with the value of the process that started this one.
    """
    return _status_bytes("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _status_bytes(field: str) -> int:
    """Give a field of what Linux says of this process; 0 on other systems."""
    if STATUS.exists():
        for line in STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return 0


def _cpu_seconds() -> float:
    parties = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, parties))
