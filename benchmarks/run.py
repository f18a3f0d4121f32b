"""Measure this project's client side by side with others, and say whether it is as fast as it has to be.

It makes the peers' environments in ``.bench/``, starts the servers, runs the contenders in turn, round after round,
and prints a table for each case with its bars. See ``README.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness import report
from harness.comparison import Comparison, verdicts
from harness.environments import OUTPUT, python_of
from harness.plan import CASES, CONTENDERS, contenders_of
from harness.rounds import run_rounds
from harness.servers import SERVERS, ServerError, find_nginx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROUNDS = 5
QUICK_ROUNDS = 2
QUICK_SECONDS = 0.5


def main() -> int:
    """Run the benchmark and give the exit status."""
    arguments = _arguments()
    comparisons = list(_chosen(arguments))
    try:
        _set_up(comparisons)
        asyncio.run(run_rounds(comparisons, arguments.rounds, arguments.seconds))
    except ServerError as error:
        print(error, file=sys.stderr)
        return 2
    judged = list(verdicts(comparisons))
    print(report.tables(comparisons), report.bars(judged), sep="\n\n")
    path = OUTPUT / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    report.write_json(path, comparisons, judged)
    print(f"\nAll samples: {path.relative_to(OUTPUT.parent)}")
    missed = arguments.check and not all(verdict.passed for verdict in judged)
    failed = any(comparison.failures for comparison in comparisons)
    return 1 if missed or failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for option, choices in (
        ("--case", [case.name for case in CASES]),
        ("--server", list(SERVERS)),
        ("--contender", [contender.name for contender in CONTENDERS]),
    ):
        parser.add_argument(option, choices=choices, action="append", help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, help=f"how many runs each gets ({ROUNDS}; with --quick {QUICK_ROUNDS})")
    parser.add_argument("--seconds", type=float, help="how long each run is, where the case does not end by itself")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, for a first impression")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a bar is missed or was not measured")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds = arguments.seconds or QUICK_SECONDS
    arguments.rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    return arguments


def _chosen(arguments: argparse.Namespace) -> Iterator[Comparison]:
    for case in CASES:
        if arguments.case and case.name not in arguments.case:
            continue
        servers = case.quick_servers if arguments.quick else case.servers
        for server, load in servers.items():
            if arguments.server and server not in arguments.server:
                continue
            names = arguments.contender
            contenders = [one for one in contenders_of(case, server) if not names or one.name in names]
            yield Comparison(case, server, load, tuple(contenders))


def _set_up(comparisons: Iterable[Comparison]) -> None:
    if any(comparison.server.startswith("nginx") for comparison in comparisons):
        find_nginx()
    for comparison in comparisons:
        for contender in comparison.contenders:
            python_of(contender.requirements)


if __name__ == "__main__":
    sys.exit(main())
