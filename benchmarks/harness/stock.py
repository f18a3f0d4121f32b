"""The files that are moved: made when they are first needed, gone when the benchmark ends."""

from __future__ import annotations

import itertools
import os
import random
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.objects import FILE_SIZE, RECEIVED_FOLDER, ROOM_NAME, file_name, large_name

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_SIZE: Final = 1024 * 1024
ZEROS: Final = bytes(CHUNK_SIZE)
MOST_ROOM: Final = 1536 * CHUNK_SIZE


class Stock:
    """A folder of files. No two pieces of them are the same, so that no mix-up goes unseen."""

    def __init__(self, folder: Path) -> None:
        """Use an empty folder."""
        self.folder = folder
        self._numbers = itertools.count()
        self._random = random.Random(20250717)  # noqa: S311 - nothing is kept secret by it

    def large(self, size: int) -> Path:
        """Give the file of ``size`` bytes."""
        path = self.folder / large_name(size)
        if not path.exists():
            with path.open("wb") as file:
                for start in range(0, size, CHUNK_SIZE):
                    file.write(self._random.randbytes(min(CHUNK_SIZE, size - start)))
        return path

    def files(self, count: int) -> list[Path]:
        """Give ``count`` small files."""
        paths = [self.folder / file_name(number) for number in range(count)]
        paths[0].parent.mkdir(exist_ok=True)
        for path in paths:
            if not path.exists():
                path.write_bytes(self._random.randbytes(FILE_SIZE))
        return paths

    def make_room(self, size: int) -> None:
        """Empty what was downloaded, and make a file of half as much again as ``size``, which the worker removes.

        The empty files stay until the end: a file system may look long for a new file's place where others were removed
        just before.
        A virtual machine may give free memory back to its host at once, and gets it again many times slower than a disk
        cache is written. What the worker frees just before it begins is there to be used, for every contender alike.
        """
        received = self.folder / RECEIVED_FOLDER
        if received.exists():
            for path in received.rglob("*"):
                if path.is_file():
                    os.truncate(path, 0)
            received.rename(self.folder / f"emptied-{next(self._numbers)}")
        (received / Path(file_name(0)).parent).mkdir(parents=True)
        with (self.folder / ROOM_NAME).open("wb", buffering=0) as file:
            for _ in range(min(size * 3 // 2, MOST_ROOM) // CHUNK_SIZE):
                file.write(ZEROS)


@contextmanager
def open_stock() -> Iterator[Stock]:
    """Make a stock in the system's folder for temporary files, and remove it."""
    with tempfile.TemporaryDirectory(prefix="aiohttp-s3-client-bench-") as folder:
        yield Stock(Path(folder))
