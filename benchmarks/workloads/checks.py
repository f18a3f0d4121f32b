"""Whether what was moved has arrived, byte for byte or at least as often and as long as it should."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.objects import UPLOAD_FOLDER
from workloads.base import WrongResultError

if TYPE_CHECKING:
    from shared.job import Target

CHUNK_SIZE: Final = 1024 * 1024
LOG_SECONDS: Final = 5.0


def check_size(received: Path, size: int) -> None:
    """See that a file has its size, which costs nothing."""
    if received.stat().st_size != size:
        message = f"{received.name} has {received.stat().st_size} bytes, and the object has {size}"
        raise WrongResultError(message)


def check_same(received: Path, source: Path) -> None:
    """Compare two files, in little memory."""
    check_size(received, source.stat().st_size)
    with received.open("rb", buffering=0) as one, source.open("rb", buffering=0) as other:
        while expected := other.read(CHUNK_SIZE):
            if one.read(CHUNK_SIZE) != expected:
                message = f"{received.name} differs from its object below byte {other.tell()}"
                raise WrongResultError(message)


class UploadLog:
    """What a server that keeps nothing has counted since this was made."""

    def __init__(self, target: Target) -> None:
        """Note how far the log is; a server that keeps its objects has none."""
        self._path = Path(target.upload_log) if target.upload_log else None
        self._start = self._path.stat().st_size if self._path else 0
        self._prefix = f"/{target.bucket}/{UPLOAD_FOLDER}/"

    def check(self, expected: int) -> None:
        """See that all bodies together have ``expected`` bytes, each address counted once.

        The server writes its log after its answer, so the last lines may be late.
        """
        if self._path is None:
            return
        deadline = time.perf_counter() + LOG_SECONDS
        while (counted := self._counted(self._path)) != expected:
            if time.perf_counter() > deadline:
                message = f"the server has counted {counted} bytes of {expected}"
                raise WrongResultError(message)
            time.sleep(0.01)

    def _counted(self, path: Path) -> int:
        with path.open() as log:
            log.seek(self._start)
            lines = [line.split() for line in log if line.endswith("\n")]
        bodies = {address: int(length) for length, address in lines if address.startswith(self._prefix)}
        return sum(bodies.values())
