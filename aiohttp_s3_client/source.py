"""What is uploaded, cut into parts: a file, bytes in memory, or a stream of unknown length."""

from __future__ import annotations

import io
import os
import stat
from contextlib import ExitStack, aclosing, asynccontextmanager
from typing import IO, TYPE_CHECKING, Final, Protocol, TypeAlias, TypeGuard, cast

from aiohttp_s3_client.body import BytesBody, body_of, wrong_length
from aiohttp_s3_client.buffers import Buffers
from aiohttp_s3_client.errors import BodyLengthError
from aiohttp_s3_client.files import SharedFile, open_file
from aiohttp_s3_client.region import FileRegion
from aiohttp_s3_client.threads import BlockingCalls

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from aiohttp_s3_client.body import Body, Data, StreamBody

__all__ = ("Source", "SourceData", "opened")

SourceData: TypeAlias = "Data | os.PathLike[str]"

# A file up to this is read in one go: to go to a thread once more for each piece takes longer. In bytes.
_SMALL: Final = 256 * 1024
_MEMORY: Final = (bytes, bytearray, memoryview)


class Source(Protocol):
    """Something that can be cut into parts."""

    @property
    def size(self) -> int | None:
        """How many bytes there are; None where only the end will tell."""
        ...

    def whole(self) -> Body:
        """Give all of it as one body, which fails when it turns out to have another size; only with a known one."""
        ...

    def parts(self, part_size: int) -> AsyncGenerator[Body, None]:
        """Give bodies of ``part_size`` bytes each, but for the last."""
        ...

    async def check(self, *, is_stored: bool) -> None:
        """See that nothing has changed since the beginning; ``is_stored`` says whether the object is there by now.

        Raises:
            BodyLengthError: the source was written to meanwhile: what was sent is neither the old nor the new.

        """
        ...


@asynccontextmanager
async def opened(
    data: SourceData, length: int | None = None, calls: BlockingCalls | None = None
) -> AsyncIterator[Source]:
    """Make a source of what a caller gave, a str being a path; a file that is opened for it is closed at the end.

    ``calls`` are those of a transfer that has other sources, too.

    Raises:
        OSError: the file cannot be opened, or is no regular one.
        TypeError: it is nothing that has bytes.
        BodyLengthError: it has another length than ``length``.

    """
    if isinstance(data, str | os.PathLike):
        with ExitStack() as stack:
            content = await (calls or BlockingCalls()).run(_content, data, stack)
            yield _expected(_Memory(content) if isinstance(content, bytes) else _File(content, 0), length)
    elif isinstance(data, _MEMORY):
        yield _expected(_Memory(data), length)
    elif _is_system_file(data):
        # What was written through it, and did not reach the system, is a part of it, too.
        data.flush()
        yield _expected(_File(data, SharedFile.of(data).position()), length)
    else:
        yield _Stream(cast("StreamBody", body_of(data, length)))


def _expected(source: _File | _Memory, length: int | None) -> _File | _Memory:
    """See that a source has the length that the caller says."""
    if length is not None and length != source.size:
        raise wrong_length(length, length - source.size)
    return source


def _is_system_file(data: object) -> TypeGuard[IO[bytes]]:
    """Tell whether reading by descriptor gives what reading the object does: of an unpacking reader it does not."""
    raw = data.raw if isinstance(data, io.BufferedReader | io.BufferedRandom) else data
    return isinstance(raw, io.FileIO) and raw.readable() and stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _content(path: str | os.PathLike[str], stack: ExitStack) -> bytes | IO[bytes]:
    """Read a small file as a whole; open a larger one, which the stack then closes, also when nobody waits any more."""
    file = open_file(path, stack)
    content = file.read(_SMALL + 1)
    if len(content) <= _SMALL:
        stack.close()
        return content
    file.seek(0)
    return file


class _File:
    """A file of the system's, from a position on; regions of it are sent without being held."""

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._file = file
        self._start = start
        self._began = os.fstat(file.fileno())
        self._buffers = Buffers()

    @property
    def size(self) -> int:
        return max(self._began.st_size - self._start, 0)

    def whole(self) -> Body:
        if not self.size:
            # The system makes up some files when they are read, and says that they have none: see whether it is true.
            return body_of(self._file)
        return FileRegion(self._file, self._start, self.size, self._buffers)

    async def parts(self, part_size: int) -> AsyncGenerator[Body, None]:
        for offset in range(self._start, self._began.st_size, part_size):
            length = min(part_size, self._began.st_size - offset)
            yield FileRegion(self._file, offset, length, self._buffers)

    async def check(self, *, is_stored: bool) -> None:
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._began.st_size, self._began.st_mtime_ns):
            outcome = "what was stored may be neither the old nor the new" if is_stored else "nothing was stored"
            raise BodyLengthError(
                f"the file was written to while it was uploaded: it had {self._began.st_size} bytes, and has "
                f"{now.st_size} now; {outcome}"
            )


class _Memory:
    """Bytes in memory; parts are views of them."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        self._view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())

    @property
    def size(self) -> int:
        return len(self._view)

    def whole(self) -> Body:
        return body_of(self._view)

    async def parts(self, part_size: int) -> AsyncGenerator[Body, None]:
        for start in range(0, len(self._view), part_size):
            yield BytesBody.of(self._view[start : start + part_size])

    async def check(self, *, is_stored: bool) -> None:
        """Bytes that a caller changes meanwhile are the caller's business."""


class _Stream:
    """Chunks of any sizes, gathered into parts of one size."""

    def __init__(self, body: StreamBody) -> None:
        self._body = body

    @property
    def size(self) -> int | None:
        return self._body.length

    def whole(self) -> Body:
        return self._body

    async def parts(self, part_size: int) -> AsyncGenerator[Body, None]:
        taken = 0
        gathered = bytearray()
        async with aclosing(self._body.chunks()) as chunks:
            async for chunk in chunks:
                taken += len(chunk)
                if self.size is not None and taken > self.size:
                    break
                rest = memoryview(chunk)
                while len(gathered) + len(rest) >= part_size:
                    room = part_size - len(gathered)
                    gathered += rest[:room]
                    rest = rest[room:]
                    full, gathered = gathered, bytearray()
                    yield BytesBody.of(full)
                    del full
                gathered += rest
        if self.size not in {None, taken}:
            raise wrong_length(self.size or 0, (self.size or 0) - taken)
        if gathered:
            yield BytesBody.of(gathered)

    async def check(self, *, is_stored: bool) -> None:
        """A stream is read once."""
