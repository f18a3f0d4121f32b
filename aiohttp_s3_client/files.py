"""Files that are sent: which are opened, and how several bodies read one at the same time."""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ("BinaryFile", "SeekableFile", "SharedFile", "open_file", "refuse_unless_file")


class BinaryFile(Protocol):
    """A synchronous file object, opened in binary mode."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most ``size`` bytes; fewer are no sign of the end, none are."""
        ...


class SeekableFile(BinaryFile, Protocol):
    """A file that can tell its length, and be read again."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position, and give it."""
        ...

    def tell(self) -> int:
        """Give the position."""
        ...


class SharedFile:
    """A file object that several bodies read in threads, each at a position of its own.

    Once none of them reads any more, it stands again where it stood.
    """

    def __init__(self, file: SeekableFile) -> None:
        """Take the file; ``of`` gives the one that all share."""
        self._file = file
        self._lock = threading.Lock()
        self._readers = 0
        self._stood = 0

    @classmethod
    def of(cls, file: SeekableFile) -> SharedFile:
        """Give the one of a file, which is the same as long as somebody has it."""
        with _sharing:
            return _shared_files.setdefault(id(file), cls(file))

    def position(self) -> int:
        """Give where the file stands, for all but those who read it here."""
        with self._lock:
            return self._stood if self._readers else self._file.tell()

    def measure(self) -> tuple[int, int]:
        """Give where the file stands, and how many bytes there are from there on."""
        with self._lock:
            now = self._file.tell()
            start = self._stood if self._readers else now
            end = self._file.seek(0, os.SEEK_END)
            self._file.seek(now)
            return start, max(end - start, 0)

    def begin(self) -> None:
        """Say that somebody reads."""
        with self._lock:
            if not self._readers:
                self._stood = self._file.tell()
            self._readers += 1

    def end(self) -> None:
        """Say that they read no more."""
        with self._lock:
            self._readers -= 1
            if not self._readers:
                # The caller may have closed it by now.
                with suppress(OSError, ValueError):
                    self._file.seek(self._stood)

    def read_at(self, position: int, size: int) -> bytes:
        """Read at most ``size`` bytes at a position."""
        with self._lock:
            self._file.seek(position)
            return self._file.read(size)


# By what is unique as long as the file is there, which its value sees to: not every file object can be a key.
_shared_files: Final[WeakValueDictionary[int, SharedFile]] = WeakValueDictionary()
_sharing: Final = threading.Lock()


def open_file(path: str | os.PathLike[str], stack: ExitStack) -> BufferedReader:
    """Open a file to read, which the stack then closes; of what is none, nobody waits for the other end.

    Raises:
        OSError: It cannot be opened, or is no regular file.

    """
    file = stack.enter_context(open(path, "rb", opener=_open_at_once))  # noqa: SIM115 - the stack closes it
    refuse_unless_file(os.fstat(file.fileno()), path)
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def refuse_unless_file(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    """See that a path is one of a regular file.

    Raises:
        OSError: It is something else.

    """
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(status.st_mode):
        words = "not a regular file: open it, and give the file object"
        raise OSError(errno.EINVAL, words, os.fspath(path))
