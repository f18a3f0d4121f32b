"""Where a download is written: a file that appears whole or not at all, or a stream of the caller's."""

from __future__ import annotations

import errno
import hashlib
import inspect
import io
import os
import secrets
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp_s3_client.files import refuse_unless_file
from aiohttp_s3_client.journal import Journal, JournalEntry
from aiohttp_s3_client.threads import BlockingCalls, in_thread

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ("BinaryWriter", "MemoryTarget", "StreamTarget", "Target", "TargetFile")

# More is not written at once on the event loop. In bytes.
_LARGE: Final = 4 * 1024 * 1024
# What a file system without room for reservations says.
_CANNOT_ALLOCATE: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class BinaryWriter(Protocol):
    """What a download asks of a file object: bytes go in one after the other, by a function or a coroutine function."""

    def write(self, data: bytes, /) -> Any:  # noqa: ANN401 - an int, None, or something that can be awaited
        """Write all of it, or say how much was written."""
        ...


class Target(Protocol):
    """What a download writes to."""

    async def write_at(self, position: int, data: memoryview) -> None:
        """Write the object's bytes from ``position`` on; ``data`` is the caller's again afterwards."""
        ...


class StreamTarget:
    """A file object of the caller's, written from its beginning to its end."""

    def __init__(self, file: BinaryWriter) -> None:
        """Take the file object, which stays open."""
        self._file = file

    async def write_at(self, position: int, data: memoryview) -> None:
        """Write on; ``position`` is where the last call ended."""
        del position
        # A copy, since a file object may keep what it gets.
        rest = bytes(data)
        while rest:
            rest = rest[await self._write(rest) :]

    async def _write(self, data: bytes) -> int:
        if inspect.iscoroutinefunction(self._file.write):
            written = await self._file.write(data)
        else:
            written = await in_thread(self._file.write, data)
            if inspect.isawaitable(written):
                written = await written
        if written is None and isinstance(self._file, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, "the file object takes no more for now: make it a blocking one")
        if written == 0:
            raise OSError(errno.EIO, "the file object takes nothing")
        return written if isinstance(written, int) else len(data)


class MemoryTarget:
    """Bytes in memory, written from their beginning to their end; ``data`` is what there is."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.data = bytearray()

    async def write_at(self, position: int, data: memoryview) -> None:
        """Write on; ``position`` is where the last call ended."""
        del position
        self.data += data


class TargetFile:
    """A temporary file beside the target, which takes its place once all is there.

    Enter it with ``async with``. Unless ``commit`` was called, leaving it removes the temporary file; the target is as
    it was. With ``resume``, parts that were marked as done stay for the next time, with a journal of them.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, resume: bool = False, calls: BlockingCalls | None = None
    ) -> None:
        """Take the target's path; ``calls`` are those of a transfer that has other targets, too."""
        self._path = os.fspath(path)
        self._resume = resume
        self._calls = calls or BlockingCalls()
        self._descriptor = -1
        self._mode: int | None = None
        self._size = 0
        self._partial: str | None = None
        self._journal: Journal | None = None
        self._is_committed = False
        self._is_worth_keeping = False
        self._seeking = threading.Lock()
        self.entry: JournalEntry | None = None

    async def __aenter__(self) -> Self:
        """Make the temporary file, or open the one that is there; ``entry`` is then what its journal says.

        Raises:
            OSError: The target is no file, its folder cannot be written to, or somebody else is resuming it.

        """
        try:
            await self._calls.run(self._open)
        except BaseException:
            await self._calls.run(self._close)
            raise
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove what is left."""
        if self._partial is not None:
            await in_thread(self._close)

    async def allocate(self, size: int, entry: JournalEntry | None = None) -> None:
        """Take all the room on the disk that ``size`` bytes need; ``entry`` is what the journal is to say.

        Raises:
            OSError: The disk is too full.

        """
        # A file system that has no call for it writes all of it.
        await in_thread(self._allocate, size, entry)

    async def write_at(self, position: int, data: memoryview) -> None:
        """Write bytes at their place."""
        run = self._calls.run if len(data) <= _LARGE else in_thread
        await run(self._write, position, data)

    async def mark_done(self, start: int) -> None:
        """Write down for the next time that the part that begins here is on the disk."""
        if self._journal is not None:
            await in_thread(self._mark_done, self._journal, start)

    async def write_whole(self, data: bytearray) -> None:
        """Write all that the object has, and put the file in the target's place, in one go.

        Raises:
            OSError: That is not possible.

        """
        await self._calls.run(self._write_whole, data)

    def forget(self) -> None:
        """Keep nothing for the next time: the object is another one."""
        self.entry = None
        self._is_worth_keeping = False

    async def commit(self) -> None:
        """Put the file in the target's place.

        Raises:
            OSError: That is not possible.

        """
        # A network's file system sends all of it now.
        await in_thread(self._commit)

    def _open(self) -> None:
        try:
            self._path, self._mode = _file_behind(self._path)
            self._open_partial()
        except OSError as error:
            if error.errno is None:
                raise
            # The path that was asked for says more than that of a temporary file.
            raise OSError(error.errno, error.strerror, self._path) from error
        if self._journal is not None:
            entry = self._journal.load()
            if entry is not None and os.fstat(self._descriptor).st_size == entry.size:
                self.entry = entry
                self._is_worth_keeping = bool(entry.done)

    def _open_partial(self) -> None:
        # What is there may be for nobody else to read.
        mode = 0o666 if self._mode is None else 0o600
        if self._resume:
            name = os.path.basename(self._path)
            partial = _beside(self._path, hashlib.sha256(os.fsencode(name)).hexdigest()[:16])
            while (descriptor := _open_locked(partial, mode)) is None:
                pass
            self._journal = Journal(Path(partial).with_suffix(".json"))
        else:
            partial = _beside(self._path, secrets.token_hex(8))
            descriptor = os.open(partial, _FLAGS | os.O_EXCL, mode)
        # From now on it is ours to remove.
        self._partial, self._descriptor = partial, descriptor

    def _allocate(self, size: int, entry: JournalEntry | None) -> None:
        self._size = size
        if entry is None or entry != self.entry:
            self.entry, self._is_worth_keeping = entry, False
            os.ftruncate(self._descriptor, 0)
        if self._journal is not None:
            # Anew each time, since its last line may not have been written to its end.
            self._journal.remove() if entry is None else self._journal.begin(entry)
        _reserve(self._descriptor, size)

    def _write(self, position: int, data: memoryview) -> None:
        while data:
            written = self._write_some(position, data)
            position += written
            data = data[written:]

    def _write_some(self, position: int, data: memoryview) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._descriptor, data, position)
        with self._seeking:
            os.lseek(self._descriptor, position, os.SEEK_SET)
            return os.write(self._descriptor, data)

    def _write_whole(self, data: bytearray) -> None:
        if self._journal is not None:
            os.ftruncate(self._descriptor, 0)
        self._size = len(data)
        self._write(0, memoryview(data))
        self._commit()
        self._close()

    def _mark_done(self, journal: Journal, start: int) -> None:
        if self.entry is None:
            return
        # The journal must not promise what a power cut could take back.
        os.fsync(self._descriptor)
        journal.add(start)
        self._is_worth_keeping = True

    def _commit(self) -> None:
        partial = self._partial
        if partial is None or os.fstat(self._descriptor).st_size != self._size:
            raise OSError(errno.EIO, "somebody else changed the temporary file of the download", self._path)
        if self._mode is not None:
            os.chmod(partial, self._mode)
        if self._journal is None or sys.platform == "win32":
            # Some file systems write only now, and may fail, while the target is as it was. Windows moves no open file.
            self._close_descriptor()
        os.replace(partial, self._path)
        self._is_committed = True

    def _close(self) -> None:
        if sys.platform == "win32":
            # An open file cannot be removed there.
            self._close_descriptor()
        keeps = self._journal is not None and self._is_worth_keeping and not self._is_committed
        try:
            if self._journal is not None and self._partial is not None and not keeps:
                self._journal.remove()
            if self._partial is not None and not (keeps or self._is_committed):
                Path(self._partial).unlink(missing_ok=True)
        finally:
            self._partial = None
            # Last, since it unlocks.
            self._close_descriptor()

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _beside(path: str, token: str) -> str:
    """Name a hidden file in the same folder; not all of a long name, since the whole is limited."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:40]}.{token}.part")


def _file_behind(path: str) -> tuple[str, int | None]:
    """Give the path that is to be replaced, a link staying one, and its permission bits; None where there is nothing.

    Raises:
        OSError: There is something that is no file.

    """
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            path = os.path.realpath(path)
            status = os.stat(path)
    except FileNotFoundError:
        return path, None
    refuse_unless_file(status, path)
    return path, stat.S_IMODE(status.st_mode)


def _reserve(descriptor: int, size: int) -> None:
    """Give a file its size, with the room for it where the system can do that."""
    if hasattr(os, "posix_fallocate") and size:
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in _CANNOT_ALLOCATE:
                raise
        else:
            return
    os.ftruncate(descriptor, size)


def _open_locked(path: str, mode: int) -> int | None:
    """Open a partial file that nobody else works on; None when it went away meanwhile, and a new one can be made.

    Raises:
        OSError: Somebody else is downloading to it, or it is somebody else's.

    """
    descriptor = os.open(path, _FLAGS | getattr(os, "O_NOFOLLOW", 0), mode)
    try:
        _lock(descriptor)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        return
    if os.fstat(descriptor).st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "the partial file beside it belongs to somebody else")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, "another download to this path is under way") from error
