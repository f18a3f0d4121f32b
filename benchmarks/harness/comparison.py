"""What the runs of one case on one server say when they are put side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from harness.plan import BARS, BEST_PEER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.figures import Figure
    from harness.plan import Bar, Case, Contender, Load
    from harness.workers import Sample


@dataclass(slots=True)
class Comparison:
    """The samples of a case on a server, one for each contender and round; a contender that failed has none."""

    case: Case
    server: str
    load: Load
    contenders: tuple[Contender, ...]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def fail(self, name: str, reason: str) -> None:
        """Take a contender out: what it measured in other rounds does not count."""
        self.samples.pop(name, None)
        self.failures[name] = reason

    def measured(self) -> list[Contender]:
        """Give the contenders that have figures."""
        return [contender for contender in self.contenders if self.samples.get(contender.name)]

    def values(self, name: str, figure: Figure | None = None) -> list[float]:
        """Give a figure, by default that of the case, of each of a contender's rounds."""
        return list(map((figure or self.case.figure).of, self.samples[name]))

    def median_of(self, name: str, figure: Figure | None = None) -> float:
        """Give the median of a figure over a contender's rounds."""
        return median(self.values(name, figure))

    def ratio(self, name: str, reference: str, figure: Figure | None = None) -> float:
        """Divide a contender's median figure by another's."""
        return self.median_of(name, figure) / self.median_of(reference, figure)

    def best_peer(self, figure: Figure | None = None) -> str | None:
        """Give the peer with the best median; None without peers."""
        peers = [contender.name for contender in self.measured() if contender.role == "peer"]
        best = max if (figure or self.case.figure).more_is_better else min
        return best(peers, key=lambda name: self.median_of(name, figure), default=None)

    def limit(self) -> str | None:
        """Give the first contender that is a limit and no peer; None when there is none in this case."""
        return next((contender.name for contender in self.measured() if contender.role == "limit"), None)

    def is_hopeless(self, contender: Contender) -> bool:
        """Tell whether a peer is so far behind the best one that more of its runs would say nothing new."""
        best = self.best_peer()
        if best is None or contender.role != "peer" or not self.samples.get(contender.name):
            return False
        ratio = self.ratio(contender.name, best)
        return (1 / ratio if self.case.figure.more_is_better else ratio) > self.case.patience


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar with what was measured; ``value`` is None when the contender, or its reference, was not."""

    bar: Bar
    reference: str | None
    value: float | None
    unit: str
    more_is_better: bool

    @property
    def passed(self) -> bool:
        """Whether the bar was measured and is held."""
        if self.value is None:
            return False
        return self.value >= self.bar.factor if self.more_is_better else self.value <= self.bar.factor


def verdicts(comparisons: list[Comparison]) -> Iterator[Verdict]:
    """Judge by every bar whose case was run."""
    for comparison in comparisons:
        for bar in BARS:
            if (bar.case, bar.server) == (comparison.case.name, comparison.server):
                yield _verdict(comparison, bar)


def _verdict(comparison: Comparison, bar: Bar) -> Verdict:
    figure = bar.figure or comparison.case.figure
    measured = {contender.name for contender in comparison.measured()}
    reference = comparison.best_peer(figure) if bar.reference == BEST_PEER else bar.reference
    value = None
    if bar.contender in measured and bar.reference is None:
        value = comparison.median_of(bar.contender, figure)
    elif bar.contender in measured and reference in measured:
        value = comparison.ratio(bar.contender, str(reference), figure)
    return Verdict(bar, reference, value, figure.unit, figure.more_is_better)
