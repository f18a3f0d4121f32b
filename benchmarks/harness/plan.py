"""What is compared with what, and how good it has to be: the contenders, the cases and the bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from harness.figures import (
    CPU_MICROSECONDS,
    CPU_SECONDS,
    GROWTH,
    HELD_LONGEST,
    HELD_USUALLY,
    MICROSECONDS,
    PER_SECOND,
    SECONDS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from harness.figures import Figure

Role: TypeAlias = Literal["ours", "limit", "peer", "tuned"]

MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Contender:
    """A client in one setting.

    ``module`` is the one below ``contenders/``; ``requirements`` the file of its environment, None for this project's
    own; ``event_loop`` the module that makes the loop; ``distribution`` tells the version, None where there is none.
    A peer runs as it comes; one in the role ``tuned`` is told not to hash bodies (``hashes_bodies``), and is shown, but
    no bar is for it.
    """

    name: str
    module: str
    role: Role
    distribution: str | None
    workloads: Collection[str]
    requirements: str | None = "peers.txt"
    event_loop: str = "asyncio"
    hashes_bodies: bool = True


@dataclass(frozen=True, slots=True)
class Load:
    """What a server must hold for a case, and how often the case is run at most.

    ``size`` is that of one large object in bytes, ``files`` the number of small ones, ``listing`` that of 100,000 keys.
    """

    size: int = 0
    files: int = 0
    listing: bool = False
    most_rounds: int = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One workload on one or more servers.

    ``seconds`` bounds each run of a workload that has no end of its own. A contender that takes more than ``patience``
    times as long as the best peer is run once. ``more`` is shown beside the figure.
    """

    name: str
    title: str
    figure: Figure
    servers: Mapping[str, Load]
    seconds: float = 0.0
    patience: float = float("inf")
    more: tuple[Figure, ...] = (CPU_MICROSECONDS,)
    quick_servers: Mapping[str, Load] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bar:
    """How a contender's figure must compare with another's, or with the number ``factor`` itself.

    ``reference`` is whom it is compared with: ``best peer``, the name of a contender, or None for nobody. ``figure``
    None is that of the case.
    """

    case: str
    server: str
    contender: str
    reference: str | None
    factor: float
    figure: Figure | None = None


BEST_PEER: Final = "best peer"
CONCURRENCY: Final = 32

_SMALL: Final = ("small-get", "small-put")
_LARGE: Final = ("download", "upload")
_FILES: Final = ("small-files-down", "small-files-up")
_TRANSFERS: Final = (*_LARGE, *_FILES)
_LAGS: Final = ("lag-down", "lag-up")
_MEMORIES: Final = ("memory-down", "memory-up", "memory-stream")
# What sends bodies.
_WRITES: Final = ("small-put", "upload", "small-files-up")
_OURS: Final = (*_SMALL, *_TRANSFERS, *_LAGS, *_MEMORIES)

CONTENDERS: Final = (
    Contender("ours", "ours", "ours", "aiohttp-s3-client", ("signature", "credentials", "list", *_OURS), None),
    Contender("ours-uvloop", "ours", "ours", "aiohttp-s3-client", _OURS, None, "uvloop"),
    Contender("aiohttp", "bare_aiohttp", "limit", "aiohttp", _SMALL, None),
    Contender("aiohttp-uvloop", "bare_aiohttp", "limit", "aiohttp", _SMALL, None, "uvloop"),
    Contender("dd", "dd", "limit", None, ("download",), None),
    Contender("awscrt", "awscrt", "peer", "awscrt", ("signature", *_SMALL, *_TRANSFERS)),
    Contender("obstore", "obstore", "peer", "obstore", (*_SMALL, "list", *_TRANSFERS)),
    Contender("obstore-unsigned", "obstore", "tuned", "obstore", _WRITES, hashes_bodies=False),
    Contender(
        "aiohttp-s3-client",
        "aiohttp_s3_client_pypi",
        "peer",
        "aiohttp-s3-client",
        ("signature", *_SMALL, "list", *_TRANSFERS),
        "peers-aiohttp-s3-client.txt",
    ),
    Contender("miniopy-async", "miniopy_async", "peer", "miniopy-async", _SMALL),
    Contender("minio", "minio", "peer", "minio", ("signature", "list", *_TRANSFERS)),
    Contender("aioboto3", "aioboto3", "peer", "aioboto3", (*_SMALL, "list", *_TRANSFERS), "peers-aioboto3.txt"),
    Contender("boto3", "boto3", "peer", "boto3", (*_SMALL, "list", *_TRANSFERS)),
    Contender("boto3-unsigned", "boto3", "tuned", "boto3", ("upload",), hashes_bodies=False),
    Contender("botocore", "boto3", "peer", "botocore", ("signature",)),
)


def _both(load: Load) -> dict[str, Load]:
    return {"nginx": load, "seaweedfs": load}


def _large(nginx: int, seaweedfs: int, rounds: int) -> dict[str, Load]:
    """Say the sizes in MiB. SeaweedFS takes many times as long, and keeps all that it gets on the disk."""
    return {
        "nginx": Load(nginx * MIB, most_rounds=5),
        "nginx-tls": Load(nginx * MIB, most_rounds=rounds),
        "seaweedfs": Load(seaweedfs * MIB, most_rounds=rounds),
    }


def _files(nginx: int, seaweedfs: int, rounds: int) -> dict[str, Load]:
    return {"nginx": Load(files=nginx, most_rounds=rounds), "seaweedfs": Load(files=seaweedfs, most_rounds=rounds)}


_LARGE_SERVERS: Final = _large(1024, 256, 3)
_LARGE_QUICK: Final = _large(256, 64, 1)
_FILES_SERVERS: Final = _files(10_000, 2_000, 3)
_FILES_QUICK: Final = _files(1_000, 500, 1)
_LAG_SERVERS: Final = {"nginx": Load(1024 * MIB, most_rounds=3), "nginx-tls": Load(1024 * MIB, most_rounds=3)}
_MEMORY_SERVERS: Final = {"nginx": Load(4096 * MIB, most_rounds=1)}
_STREAM_SERVERS: Final = {"nginx": Load(1024 * MIB, most_rounds=1)}
# What is not run with --quick has no quick_servers.
_SMALL_SERVERS: Final = _both(Load())
_OFFLINE: Final = {"offline": Load()}
_LISTING: Final = {"nginx": Load(listing=True)}

_PATIENCE: Final = 3.0
_HELD: Final = (HELD_USUALLY, SECONDS)
_GROWN: Final = (SECONDS, CPU_SECONDS)

CASES: Final = (
    Case("signature", "sign a GET", MICROSECONDS, _OFFLINE, seconds=0.5, quick_servers=_OFFLINE),
    Case("credentials", "ask for credentials at hand", MICROSECONDS, _OFFLINE, seconds=0.5, quick_servers=_OFFLINE),
    *(
        Case(name, title, PER_SECOND, _SMALL_SERVERS, seconds=1.2, quick_servers=_SMALL_SERVERS)
        for name, title in (
            ("small-get", f"GET of 1 KiB, {CONCURRENCY} at a time"),
            ("small-put", f"PUT of 1 KiB, {CONCURRENCY} at a time"),
        )
    ),
    Case("list", "list 100,000 keys in 100 pages", SECONDS, _LISTING, quick_servers=_LISTING),
    *(
        Case(name, title, SECONDS, _LARGE_SERVERS, patience=_PATIENCE, more=(CPU_SECONDS,), quick_servers=_LARGE_QUICK)
        for name, title in (("download", "one large object to a file"), ("upload", "one large file to an object"))
    ),
    *(
        Case(name, title, PER_SECOND, _FILES_SERVERS, patience=_PATIENCE, quick_servers=_FILES_QUICK)
        for name, title in (
            ("small-files-down", "many objects of 64 KiB to files"),
            ("small-files-up", "many files of 64 KiB to objects"),
        )
    ),
    *(
        Case(name, f"the event loop while 1 GiB moves {way}", HELD_LONGEST, _LAG_SERVERS, more=_HELD)
        for name, way in (("lag-down", "down"), ("lag-up", "up"))
    ),
    Case("memory-down", "4 GiB to a file", GROWTH, _MEMORY_SERVERS, more=_GROWN),
    Case("memory-up", "a file of 4 GiB", GROWTH, _MEMORY_SERVERS, more=_GROWN),
    Case("memory-stream", "a stream of 1 GiB and of unknown length", GROWTH, _STREAM_SERVERS, more=_GROWN),
)

_MOST_MICROSECONDS: Final = 1.0
_MOST_HELD_MILLISECONDS: Final = 50.0
_MOST_GROWTH_OF_FILES: Final = 64.0
# Concurrency times part size, both the client's defaults, and 32 MiB.
_MOST_GROWTH_OF_STREAMS: Final = 4 * 8 + 32.0

BARS: Final = (
    Bar("signature", "offline", "ours", "awscrt", 0.8),
    Bar("credentials", "offline", "ours", None, _MOST_MICROSECONDS),
    *(
        bar
        for case in _SMALL
        for bar in (
            Bar(case, "nginx", "ours", BEST_PEER, 1.0),
            Bar(case, "nginx", "ours", "aiohttp", 0.85),
            Bar(case, "nginx", "ours-uvloop", BEST_PEER, 1.4),
            Bar(case, "seaweedfs", "ours", BEST_PEER, 1.0),
        )
    ),
    Bar("list", "nginx", "ours", BEST_PEER, 1.1),
    Bar("download", "nginx", "ours", BEST_PEER, 0.75),
    Bar("download", "nginx", "ours", "dd", 1.5),
    Bar("upload", "nginx", "ours", BEST_PEER, 0.65),
    *(
        bar
        for case in _LARGE
        for bar in (
            Bar(case, "nginx", "ours", BEST_PEER, 0.7, CPU_SECONDS),
            Bar(case, "nginx-tls", "ours", BEST_PEER, 1.0),
            Bar(case, "seaweedfs", "ours", BEST_PEER, 1.0),
        )
    ),
    *(Bar(case, server, "ours", BEST_PEER, 1.0) for case in _FILES for server in _FILES_SERVERS),
    *(
        Bar(case, server, contender, None, _MOST_HELD_MILLISECONDS)
        for case in _LAGS
        for server in _LAG_SERVERS
        for contender in ("ours", "ours-uvloop")
    ),
    *(
        Bar(case, "nginx", contender, None, _MOST_GROWTH_OF_FILES)
        for case in ("memory-down", "memory-up")
        for contender in ("ours", "ours-uvloop")
    ),
    *(Bar("memory-stream", "nginx", contender, None, _MOST_GROWTH_OF_STREAMS) for contender in ("ours", "ours-uvloop")),
)


def contenders_of(case: Case, server: str) -> tuple[Contender, ...]:
    """Give those who take part, in their order. A limit is unsigned, and SeaweedFS would refuse it."""
    return tuple(
        contender
        for contender in CONTENDERS
        if case.name in contender.workloads and not (contender.role == "limit" and server == "seaweedfs")
    )
