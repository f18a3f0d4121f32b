"""The results for people, as tables of text, and for programs, as JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.figures import PEAK, PRIVATE_PEAK
from harness.plan import BEST_PEER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.comparison import Comparison, Verdict
    from harness.figures import Figure


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
                "load": asdict(comparison.load),
                "figures": {one.name: comparison.values(one.name) for one in comparison.measured()},
                "samples": {name: list(map(asdict, samples)) for name, samples in comparison.samples.items()},
                "failures": comparison.failures,
            }
            for comparison in comparisons
        ],
        "bars": list(map(_judgement, judged)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))


def _table(comparison: Comparison) -> Iterator[str]:
    case = comparison.case
    references = [one for one in (comparison.best_peer(), comparison.limit()) if one]
    more = (*case.more, PEAK, PRIVATE_PEAK)
    head = ["", "version", case.figure.unit, "min - max", "runs", *(figure.unit for figure in more)]
    head += [f"x {reference}" for reference in references]
    rows = [head, *(_row(comparison, one.name, more, references) for one in comparison.measured())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"{case.name}: {case.title}{_amount(comparison)} ({comparison.server})"
    for row in rows:
        first, version, *numbers = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first, version, *(number.strip().rjust(len(number)) for number in numbers)])
    for name, reason in comparison.failures.items():
        yield f"FAILED: {name}: {reason}"


def _amount(comparison: Comparison) -> str:
    load = comparison.load
    if load.files:
        return f", {load.files:,} of them"
    return f", {load.size // 2**20:,} MiB" if load.size else ""


def _row(comparison: Comparison, name: str, more: Sequence[Figure], references: Sequence[str]) -> list[str]:
    figure = comparison.case.figure
    values = comparison.values(name)
    return [
        name,
        comparison.samples[name][0].measurement.version,
        figure.shown(comparison.median_of(name)),
        f"{figure.shown(min(values))} - {figure.shown(max(values))}",
        str(len(values)),
        *(one.shown(comparison.median_of(name, one)) for one in more),
        *(f"{comparison.ratio(name, reference):.2f}" for reference in references),
    ]


def _bar(verdict: Verdict) -> str:
    bar = verdict.bar
    wanted = f"{'at least' if verdict.more_is_better else 'at most'} {bar.factor:.2f}"
    whom = "" if bar.reference is None else f" x {_whom(verdict)}"
    case = f"{bar.case} ({bar.server}): {bar.contender}, {verdict.unit}"
    if verdict.value is None:
        return f"  not measured  {case} must be {wanted}{whom}"
    return f"  {'pass' if verdict.passed else 'MISSED':12}  {case}: {verdict.value:.2f}{whom}; {wanted}"


def _whom(verdict: Verdict) -> str:
    name = verdict.reference or "nobody"
    return f"the best peer, {name}" if verdict.bar.reference == BEST_PEER else name


def _judgement(verdict: Verdict) -> dict[str, object]:
    bar = verdict.bar
    return {
        "case": bar.case,
        "server": bar.server,
        "contender": bar.contender,
        "unit": verdict.unit,
        "reference": verdict.reference,
        "factor": bar.factor,
        "value": verdict.value,
        "passed": verdict.passed,
    }
