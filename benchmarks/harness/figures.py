"""What can be said of one run, as numbers with a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.workers import Sample

_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is computed of one run; ``unit`` is what its column is called."""

    unit: str
    of: Callable[[Sample], float]
    more_is_better: bool
    decimals: int

    def shown(self, value: float) -> str:
        """Write a value of this figure."""
        return f"{value:,.{self.decimals}f}"


def _each(seconds: float, count: int) -> float:
    return 1e6 * seconds / count


PER_SECOND: Final = Figure(
    "requests/s", lambda run: run.measurement.count / run.measurement.wall_seconds, more_is_better=True, decimals=0
)
SECONDS: Final = Figure("seconds", lambda run: run.measurement.wall_seconds, more_is_better=False, decimals=2)
MICROSECONDS: Final = Figure(
    "us each",
    lambda run: _each(run.measurement.wall_seconds, run.measurement.count),
    more_is_better=False,
    decimals=1,
)
CPU_SECONDS: Final = Figure("CPU seconds", lambda run: run.measurement.cpu_seconds, more_is_better=False, decimals=2)
CPU_MICROSECONDS: Final = Figure(
    "CPU us/op",
    lambda run: _each(run.measurement.cpu_seconds, run.measurement.count),
    more_is_better=False,
    decimals=1,
)
PEAK: Final = Figure("peak MiB", lambda run: run.measurement.peak_bytes / _MIB, more_is_better=False, decimals=0)
PRIVATE_PEAK: Final = Figure("private MiB", lambda run: run.private_peak_bytes / _MIB, more_is_better=False, decimals=0)
GROWTH: Final = Figure(
    "private MiB more than before",
    lambda run: (run.private_peak_bytes - run.measurement.private_bytes_before) / _MIB,
    more_is_better=False,
    decimals=1,
)
HELD_LONGEST: Final = Figure(
    "ms held, longest", lambda run: 1e3 * run.measurement.holds[0], more_is_better=False, decimals=1
)
HELD_USUALLY: Final = Figure(
    "ms held, 99.9 %", lambda run: 1e3 * run.measurement.holds[1], more_is_better=False, decimals=1
)
