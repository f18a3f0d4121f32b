"""dd: a copy of the file on the same disk, which is as fast as a download can be."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contenders.base import BlockingClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.job import Job


class Copier(BlockingClient):
    """Copies the file that the object is the same as."""

    def __init__(self, folder: str) -> None:
        """Say where the files are."""
        self._folder = folder

    def get(self, name: str) -> bytes:
        """Give nothing: there is no connection to warm up."""
        return name.encode()

    def download(self, name: str, path: Path) -> None:
        """Copy, in pieces of 1 MiB."""
        source = Path(self._folder, Path(name).name)
        subprocess.run(["/bin/dd", f"if={source}", f"of={path}", "bs=1M", "status=none"], check=True)


@contextmanager
def connect(job: Job) -> Iterator[Copier]:
    """There is nothing to connect to."""
    yield Copier(job.folder)
