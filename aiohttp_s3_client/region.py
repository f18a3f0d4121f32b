"""A region of an open file as a request's body: from the file to the socket, without being held in between."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections import deque
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from aiohttp_s3_client.body import PIECE_SIZE, StreamPayload, wrong_length
from aiohttp_s3_client.files import SharedFile
from aiohttp_s3_client.idle import past_the_buffer
from aiohttp_s3_client.sigv4 import UNSIGNED_PAYLOAD
from aiohttp_s3_client.threads import in_thread

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator

    from aiohttp.abc import AbstractStreamWriter

    from aiohttp_s3_client.buffers import Buffers

__all__ = ("FileRegion",)

# What the kernel sends at a time: no more is read from the disk while the event loop waits. In bytes.
_SENT_AT_ONCE: Final = 1024 * 1024
# How many turns of the event loop the headers may take to leave; they are few, and the connection was idle.
_TURNS: Final = 3
# What is said of a connection; all else that sending a file says is of the file.
_OF_THE_SOCKET: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOBUFS,
        errno.ENOTCONN,
        errno.EPIPE,
        errno.ESHUTDOWN,
        errno.ETIMEDOUT,
    }
)


class FileRegion(NamedTuple):
    """``length`` bytes of a file from ``offset`` on; the file stays open as long as it is sent.

    ``buffers`` are what it passes through where it has to be read.
    """

    file: IO[bytes]
    offset: int
    length: int
    buffers: Buffers
    payload_hash: str = UNSIGNED_PAYLOAD

    @property
    def replayable(self) -> bool:
        """The file stays, and its own position is of no importance."""
        return True

    async def prepare(self) -> FileRegion:
        """Nothing is to be found out."""
        return self

    def sha256(self) -> str:
        """Hash the region, in hexadecimal; it reads the file, and belongs in a thread."""
        digest = hashlib.sha256()
        position, end = self.offset, self.offset + self.length
        buffer = memoryview(bytearray(PIECE_SIZE))
        while position < end and (size := _read_at(self.file, buffer[: end - position], position)):
            digest.update(buffer[:size])
            position += size
        return digest.hexdigest()

    def open(self) -> StreamPayload:
        """Give a fresh way through the region."""
        return _RegionPayload(self)


class _RegionPayload(StreamPayload):
    """Lets the kernel send the region where it can, and reads it in threads where it cannot."""

    def __init__(self, region: FileRegion) -> None:
        self._lent: deque[bytearray] = deque()
        super().__init__(_read(region, self._lent), region.length)
        self._region = region

    async def _send(self, writer: AbstractStreamWriter) -> None:
        """Send the region; a file that has become shorter breaks the request off."""
        descriptor = await _socket_of(writer)
        if descriptor is not None:
            sending = _Sending(self, self._region, writer, descriptor)
            try:
                with past_the_buffer(writer):
                    is_sent = await sending.run()
            finally:
                os.close(descriptor)
            if is_sent:
                return
        await super()._send(writer)
        while self._lent:
            self._region.buffers.give_back(self._lent.popleft())


async def _socket_of(writer: AbstractStreamWriter) -> int | None:
    """Send the headers, and give a descriptor of the socket; None where bytes cannot go straight there, as under TLS.

    It is one of its own, so that the event loop, which reads through the other one, allows to wait for it: an answer
    that comes early is seen at once.
    """
    transport = writer.transport
    if transport is None or transport.get_extra_info("sslcontext") is not None or not hasattr(os, "sendfile"):
        return None
    writer.send_headers()
    for _ in range(_TURNS):
        if not transport.get_write_buffer_size():
            break
        await asyncio.sleep(0)
    connected: socket.socket | None = transport.get_extra_info("socket")
    if connected is None or transport.is_closing() or transport.get_write_buffer_size():
        return None
    return os.dup(connected.fileno())


class _Sending:
    """A region on its way from one descriptor to another, a piece whenever there is room."""

    def __init__(
        self, payload: StreamPayload, region: FileRegion, writer: AbstractStreamWriter, descriptor: int
    ) -> None:
        self._payload = payload
        self._region = region
        self._writer = writer
        self._socket = descriptor
        self._file = region.file.fileno()
        self._sent = 0
        self._ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def run(self) -> bool:
        """Send all; False where the system cannot, and nothing was sent.

        Raises:
            OSError: The connection broke, or the file cannot be read; then it is the payload's failure.
            BodyLengthError: The file has become shorter.

        """
        loop = asyncio.get_running_loop()
        loop.add_writer(self._socket, self._send)
        try:
            is_sent = await self._ended
        finally:
            loop.remove_writer(self._socket)
        if self._payload.failure is not None:
            raise self._payload.failure
        return is_sent

    def _send(self) -> None:
        """Send a piece; the event loop calls this when there is room."""
        if self._ended.done():
            return
        missing = self._region.length - self._sent
        position = self._region.offset + self._sent
        try:
            sent = os.sendfile(self._socket, self._file, position, min(missing, _SENT_AT_ONCE))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._stop(error)
            return
        if not sent:
            self._fail(wrong_length(self._region.length, missing))
            return
        self._count(sent)

    def _stop(self, error: OSError) -> None:
        """Tell a broken connection from a file that cannot be read, and that from one that cannot be sent this way."""
        if error.errno in _OF_THE_SOCKET:
            self._ended.set_exception(error)
        elif self._sent:
            self._fail(error)
        else:
            self._ended.set_result(False)

    def _fail(self, error: Exception) -> None:
        """End with what is no fault of the connection's."""
        self._payload.failure = error
        # Raised where this is waited for: a future does not take every exception.
        self._ended.set_result(False)

    def _count(self, sent: int) -> None:
        self._sent += sent
        # aiohttp has not seen these bytes; whoever looks for movement goes by its count.
        self._writer.output_size += sent
        self._payload.is_handed_over = self._sent == self._region.length
        try:
            self._payload.tell(self._sent)
        except Exception as error:  # noqa: BLE001 - raised where the payload is waited for
            self._fail(error)
            return
        if self._payload.is_handed_over:
            self._ended.set_result(True)


async def _read(region: FileRegion, lent: deque[bytearray]) -> AsyncGenerator[memoryview, None]:
    """Read the region in threads, into memory that is used again once it is sent; ``lent`` is what is not yet."""
    position, end = region.offset, region.offset + region.length
    while position < end:
        buffer = region.buffers.take()
        size = await in_thread(_read_at, region.file, memoryview(buffer)[: end - position], position)
        if not size:
            return
        position += size
        for start in range(0, size, PIECE_SIZE):
            yield memoryview(buffer)[start : min(start + PIECE_SIZE, size)]
        # The last piece of a buffer is held back until there is another one.
        lent.append(buffer)
        if len(lent) > 1:
            region.buffers.give_back(lent.popleft())


def _read_at(file: IO[bytes], into: memoryview, position: int) -> int:
    """Read at a position, and give the number of bytes; fewer than there is room for are no sign of the end, 0 is."""
    if hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [into], position)
    shared = SharedFile.of(file)
    shared.begin()
    try:
        data = shared.read_at(position, len(into))
    finally:
        shared.end()
    into[: len(data)] = data
    return len(data)
