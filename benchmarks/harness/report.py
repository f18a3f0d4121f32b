"""The results for people, as tables of text, and for programs, as JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.comparison import Comparison, Verdict

MIB: Final = 2**20


def tables(comparisons: Iterable[Comparison]) -> str:
    """Draw one table for each case and server."""
    return "\n\n".join("\n".join(_table(comparison)) for comparison in comparisons)


def bars(judged: Iterable[Verdict]) -> str:
    """Write one line for each bar."""
    return "\n".join(["Bars", *map(_bar, judged)])


def write_json(path: Path, comparisons: Iterable[Comparison], judged: Iterable[Verdict]) -> None:
    """Keep every sample, with what it was measured on."""
    document = {
        "time": datetime.now(UTC).isoformat(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "comparisons": [
            {
                "case": comparison.case.name,
                "server": comparison.server,
                "unit": comparison.case.figure.unit,
                "figures": {one.name: comparison.figures(one.name) for one in comparison.measured()},
                "samples": {name: list(map(asdict, samples)) for name, samples in comparison.samples.items()},
                "failures": comparison.failures,
            }
            for comparison in comparisons
        ],
        "bars": [{**asdict(verdict), "passed": verdict.passed} for verdict in judged],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))


def _table(comparison: Comparison) -> Iterator[str]:
    case = comparison.case
    best_peer, limit = comparison.best_peer(), comparison.limit()
    head = ["", "version", case.figure.unit, "min - max", "CPU us/op", "peak MiB", "private MiB"]
    head += [f"x {reference}" for reference in (best_peer, limit) if reference]
    rows = [head, *(_row(comparison, one.name, (best_peer, limit)) for one in comparison.measured())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"{case.name}: {case.title} ({comparison.server})"
    for row in rows:
        first, version, *numbers = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first, version, *(number.strip().rjust(len(number)) for number in numbers)])
    for name, reason in comparison.failures.items():
        yield f"FAILED: {name}: {reason}"


def _row(comparison: Comparison, name: str, references: Sequence[str | None]) -> list[str]:
    figures = comparison.figures(name)
    decimals = comparison.case.figure.decimals
    return [
        name,
        comparison.samples[name][0].measurement.version,
        f"{median(figures):,.{decimals}f}",
        f"{min(figures):,.{decimals}f} - {max(figures):,.{decimals}f}",
        f"{comparison.median_of(name, lambda one: 1e6 * one.measurement.cpu_seconds / one.measurement.count):,.1f}",
        f"{comparison.median_of(name, lambda one: one.measurement.peak_bytes / MIB):,.0f}",
        f"{comparison.median_of(name, lambda one: one.private_peak_bytes / MIB):,.0f}",
        *(f"{comparison.ratio(name, reference):.2f}" for reference in references if reference),
    ]


def _bar(verdict: Verdict) -> str:
    bar = verdict.bar
    wanted = f"{'at least' if verdict.more_is_better else 'at most'} {bar.factor:.2f}"
    whom = f"{verdict.reference}" if bar.reference else f"the best peer, {verdict.reference}"
    case = f"{bar.case} ({bar.server}): {bar.contender}"
    if verdict.ratio is None:
        return f"  not measured  {case} must be {wanted} x {whom}"
    return f"  {'pass' if verdict.passed else 'MISSED':12}  {case} is {verdict.ratio:.2f} x {whom}; {wanted}"
