"""What the runs of one case on one server say when they are put side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from harness.plan import BARS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.plan import Bar, Case, Contender
    from harness.workers import Sample


@dataclass(slots=True)
class Comparison:
    """The samples of a case on a server, one for each contender and round; a contender that failed has none."""

    case: Case
    server: str
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

    def median_of(self, name: str, value: Callable[[Sample], float]) -> float:
        """Give the median of a value over a contender's rounds."""
        return median(map(value, self.samples[name]))

    def figures(self, name: str) -> list[float]:
        """Give a contender's figure of each round."""
        return [self.case.figure.of(sample.measurement) for sample in self.samples[name]]

    def ratio(self, name: str, reference: str) -> float:
        """Divide a contender's median figure by another's."""
        return median(self.figures(name)) / median(self.figures(reference))

    def best_peer(self) -> str | None:
        """Give the peer with the best median; None without peers."""
        peers = [contender.name for contender in self.measured() if contender.role == "peer"]
        best = max if self.case.figure.more_is_better else min
        return best(peers, key=lambda name: median(self.figures(name)), default=None)

    def limit(self) -> str | None:
        """Give the first contender that is a limit and no peer; None when there is none in this case."""
        return next((contender.name for contender in self.measured() if contender.role == "limit"), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar with what was measured; ``ratio`` is None when one of the two was not."""

    bar: Bar
    reference: str | None
    ratio: float | None
    more_is_better: bool

    @property
    def passed(self) -> bool:
        """Whether the bar was measured and is held."""
        if self.ratio is None:
            return False
        return self.ratio >= self.bar.factor if self.more_is_better else self.ratio <= self.bar.factor


def verdicts(comparisons: list[Comparison]) -> Iterator[Verdict]:
    """Judge by every bar whose case was run."""
    for comparison in comparisons:
        more_is_better = comparison.case.figure.more_is_better
        measured = {contender.name for contender in comparison.measured()}
        for bar in BARS:
            if (bar.case, bar.server) != (comparison.case.name, comparison.server):
                continue
            reference = bar.reference or comparison.best_peer()
            both = bar.contender in measured and reference in measured
            ratio = comparison.ratio(bar.contender, reference) if both and reference else None
            yield Verdict(bar, reference, ratio, more_is_better)
