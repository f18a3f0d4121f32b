"""The journal of a download that can be resumed: which object it is of, and which parts are on disk."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("Journal", "JournalEntry")

_VERSION = 1


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is known of a partial file.

    ``etag`` says which object it is of, ``size`` and ``part_size`` are in bytes, ``done`` are the starts of the parts
    that are whole.
    """

    object_name: str
    etag: str
    size: int
    part_size: int
    done: frozenset[int] = frozenset()

    def parts(self) -> Iterator[int]:
        """Give the starts of all parts."""
        return iter(range(0, self.size, self.part_size))


class Journal:
    """A file of JSON lines: the first says what is downloaded, each further one is the start of a part that is done.

    A line is only ever added: whenever a process is killed, what was written before holds.
    """

    def __init__(self, path: Path) -> None:
        """Take the journal's place; nothing is read or written yet."""
        self._path = path

    def load(self) -> JournalEntry | None:
        """Read it; None where there is none, or none that makes sense."""
        try:
            with open(self._path, encoding="utf-8", opener=_opener) as file:
                head, *lines = file.read().split("\n")
            # What follows the last line break was not written to its end.
            return _entry(json.loads(head), [json.loads(line) for line in lines[:-1]])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def begin(self, entry: JournalEntry) -> None:
        """Write a new one in the place of any other."""
        head = {
            "version": _VERSION,
            "object_name": entry.object_name,
            "etag": entry.etag,
            "size": entry.size,
            "part_size": entry.part_size,
        }
        lines = [json.dumps(head), *map(str, sorted(entry.done)), ""]
        with open(self._path, "w", encoding="utf-8", opener=_opener) as file:
            file.write("\n".join(lines))

    def add(self, start: int) -> None:
        """Write down that a part is done."""
        # In one system call, at the end: parts that end at the same time do not get into each other's line.
        line = f"{start}\n".encode()
        with open(self._path, "ab", buffering=0, opener=_opener) as file:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def remove(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)


def _opener(path: str, flags: int) -> int:
    """Open no link: in a folder that all can write to, somebody else may have made it."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _entry(head: dict[str, Any], done: list[object]) -> JournalEntry:
    """Check what was read.

    Raises:
        ValueError: It is no journal of ours.
        TypeError: Nor is this.
        KeyError: Nor is this.

    """
    entry = JournalEntry(head["object_name"], head["etag"], head["size"], head["part_size"])
    texts, numbers = (entry.object_name, entry.etag), (entry.size, entry.part_size, *done)
    if head["version"] != _VERSION or not all(isinstance(text, str) for text in texts):
        raise ValueError("no journal of this version")
    starts = frozenset(number for number in numbers[2:] if type(number) is int)
    if any(type(number) is not int or number < 0 for number in numbers) or min(entry.size, entry.part_size) < 1:
        raise ValueError("no journal: a number is none")
    if any(start >= entry.size or start % entry.part_size for start in starts):
        raise ValueError("no journal: a part begins where none begins")
    return JournalEntry(entry.object_name, entry.etag, entry.size, entry.part_size, starts)
