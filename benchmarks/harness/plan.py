"""What is compared with what, and how good it has to be: the contenders, the cases and the bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shared.job import Measurement

Role: TypeAlias = Literal["ours", "limit", "peer"]


@dataclass(frozen=True, slots=True)
class Contender:
    """A client in one setting.

    ``module`` is the one below ``contenders/``; ``requirements`` the file of its environment, None for this project's
    own; ``event_loop`` the module that makes the loop.
    """

    name: str
    module: str
    role: Role
    distribution: str
    workloads: Collection[str]
    requirements: str | None = "peers.txt"
    event_loop: str = "asyncio"


@dataclass(frozen=True, slots=True)
class Figure:
    """What a case is about, computed of one measurement."""

    unit: str
    of: Callable[[Measurement], float]
    more_is_better: bool
    decimals: int


@dataclass(frozen=True, slots=True)
class Case:
    """One workload on one or more servers; ``seconds`` bounds each run of a workload that has no end of its own."""

    name: str
    title: str
    figure: Figure
    servers: Collection[str]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Bar:
    """How a contender's figure must compare with another's; ``reference`` None is the best peer of the case."""

    case: str
    server: str
    contender: str
    reference: str | None
    factor: float


CONCURRENCY: Final = 32

_SMALL: Final = ("small-get", "small-put")

CONTENDERS: Final = (
    Contender("ours", "ours", "ours", "aiohttp-s3-client", ("signature", *_SMALL, "list"), None),
    Contender("ours-uvloop", "ours", "ours", "aiohttp-s3-client", _SMALL, None, "uvloop"),
    Contender("aiohttp", "bare_aiohttp", "limit", "aiohttp", _SMALL, None),
    Contender("aiohttp-uvloop", "bare_aiohttp", "limit", "aiohttp", _SMALL, None, "uvloop"),
    Contender("awscrt", "awscrt", "peer", "awscrt", ("signature", *_SMALL)),
    Contender("obstore", "obstore", "peer", "obstore", (*_SMALL, "list")),
    Contender(
        "aiohttp-s3-client",
        "aiohttp_s3_client_pypi",
        "peer",
        "aiohttp-s3-client",
        ("signature", *_SMALL, "list"),
        "peers-aiohttp-s3-client.txt",
    ),
    Contender("miniopy-async", "miniopy_async", "peer", "miniopy-async", _SMALL),
    Contender("minio", "minio", "peer", "minio", ("signature", "list")),
    Contender("aioboto3", "aioboto3", "peer", "aioboto3", (*_SMALL, "list"), "peers-aioboto3.txt"),
    Contender("boto3", "boto3", "peer", "boto3", (*_SMALL, "list")),
    Contender("botocore", "boto3", "peer", "botocore", ("signature",)),
)

_PER_SECOND: Final = Figure("requests/s", lambda run: run.count / run.wall_seconds, more_is_better=True, decimals=0)
_SECONDS: Final = Figure("seconds", lambda run: run.wall_seconds, more_is_better=False, decimals=2)
_MICROSECONDS: Final = Figure(
    "us each", lambda run: 1e6 * run.wall_seconds / run.count, more_is_better=False, decimals=1
)

CASES: Final = (
    Case("signature", "sign a GET", _MICROSECONDS, ("offline",), seconds=0.5),
    Case("small-get", f"GET of 1 KiB, {CONCURRENCY} at a time", _PER_SECOND, ("nginx", "seaweedfs"), seconds=1.2),
    Case("small-put", f"PUT of 1 KiB, {CONCURRENCY} at a time", _PER_SECOND, ("nginx", "seaweedfs"), seconds=1.2),
    Case("list", "list 100,000 keys in 100 pages", _SECONDS, ("nginx",)),
)

BARS: Final = (
    Bar("signature", "offline", "ours", "awscrt", 0.8),
    *(
        bar
        for case in _SMALL
        for bar in (
            Bar(case, "nginx", "ours", None, 1.0),
            Bar(case, "nginx", "ours", "aiohttp", 0.85),
            Bar(case, "nginx", "ours-uvloop", None, 1.4),
            Bar(case, "seaweedfs", "ours", None, 1.0),
        )
    ),
    Bar("list", "nginx", "ours", None, 1.1),
)


def contenders_of(case: Case, server: str) -> tuple[Contender, ...]:
    """Give those who take part, in their order. A limit is unsigned, and SeaweedFS would refuse it."""
    return tuple(
        contender
        for contender in CONTENDERS
        if case.name in contender.workloads and not (contender.role == "limit" and server == "seaweedfs")
    )
