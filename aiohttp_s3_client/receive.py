"""The way of a response's body to whoever writes it: from the socket into a buffer that is used again and again.

aiohttp makes a new bytes object of everything that a socket gives, copies it while it parses, and queues it. Once the
headers have said how many bytes follow, nothing is left to parse: here a protocol of our own takes the connection over
for just these bytes, and gives it back. Where that cannot be, the body comes as aiohttp streams it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import aiohttp

from aiohttp_s3_client.errors import InvalidResponseError, S3ConnectionError, S3TimeoutError
from aiohttp_s3_client.idle import WatchedResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from aiohttp.client_proto import ResponseHandler

    from aiohttp_s3_client.buffers import Buffers

__all__ = ("receive",)

# Less than this is not worth taking the connection over. In bytes.
_WORTHWHILE: Final = 256 * 1024


async def receive(
    response: aiohttp.ClientResponse, write: Callable[[memoryview], Awaitable[None]], length: int, buffers: Buffers
) -> None:
    """Write the whole body, which has ``length`` bytes; the memory that ``write`` gets is its only during the call.

    What came before a connection broke was written. When ``write`` raises, or on cancellation, the connection is torn
    down.

    Raises:
        S3ConnectionError: The body broke off.
        InvalidResponseError: The body goes on after ``length`` bytes.

    """
    written = 0
    try:
        async with aclosing(_chunks(response, length, buffers)) as chunks:
            async for chunk in chunks:
                if written + len(chunk) > length:
                    raise InvalidResponseError(f"{_name(response)}: the body goes on after its {length} bytes")
                await write(chunk)
                written += len(chunk)
        if written < length:
            raise _broken(response, written, length, aiohttp.ClientPayloadError("it ended there"))
    except BaseException:
        _abort(response)
        raise


async def _chunks(response: aiohttp.ClientResponse, length: int, buffers: Buffers) -> AsyncGenerator[memoryview, None]:
    """Give the body as it comes; a chunk holds until the next one is asked for."""
    content, given = response.content, 0
    try:
        while content.total_bytes > given and (parsed := content.read_nowait()):
            given += len(parsed)
            yield memoryview(parsed)
        sink = _take_over(response, length - given, buffers)
        if sink is None:
            async for streamed in content.iter_any():
                given += len(streamed)
                yield memoryview(streamed)
            return
        while (filled := await sink.filled()) is not None:
            given += len(filled)
            yield filled
            sink.recycle()
    except (aiohttp.ClientError, TimeoutError) as error:
        # aiohttp does not give any more what came before a connection broke.
        if rest := content._read_nowait(-1):  # noqa: SLF001
            given += len(rest)
            yield memoryview(rest)
        # What breaks after the last byte breaks nothing: aiohttp's timer can run on while that waits to be written.
        if given != length:
            raise _broken(response, given, length, error) from error


def _take_over(response: aiohttp.ClientResponse, missing: int, buffers: Buffers) -> _Sink | None:
    """Put a sink in the place of aiohttp's protocol; None where aiohttp has something left to do, or to say.

    Only our own sessions' responses are watched for silence from outside. In a caller's session aiohttp does that
    itself, by timers that only its own protocol stops.
    """
    content, connection = response.content, response.connection
    if (
        missing < _WORTHWHILE
        or not isinstance(response, WatchedResponse)
        or "Transfer-Encoding" in response.headers
        or connection is None
        or content.exception() is not None
        or content.is_eof()
    ):
        return None
    protocol, transport = connection.protocol, connection.transport
    # While reading is paused, the parser may hold bytes that nobody else can get at.
    if protocol is None or transport is None or protocol.read_timeout or not transport.is_reading():
        return None
    sink = _Sink(content, protocol, transport, missing, buffers)
    # uvloop chooses when reading begins how it will ask for a buffer.
    transport.pause_reading()
    transport.set_protocol(sink)
    transport.resume_reading()
    return sink


def _abort(response: aiohttp.ClientResponse) -> None:
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _name(response: aiohttp.ClientResponse) -> str:
    return f"{response.method} {response.url}"


def _broken(response: aiohttp.ClientResponse, written: int, length: int, cause: BaseException) -> S3ConnectionError:
    """Give our own error for a body that ends too soon."""
    error_class = S3TimeoutError if isinstance(cause, TimeoutError) else S3ConnectionError
    reason = str(cause) or type(cause).__name__
    return error_class(f"{_name(response)}: the body broke off after {written} of {length} bytes: {reason}")


class _Sink(asyncio.BufferedProtocol):
    """Fills a buffer with the rest of a body while another is written, then gives the connection back to aiohttp."""

    def __init__(
        self,
        content: aiohttp.StreamReader,
        protocol: ResponseHandler,
        transport: asyncio.Transport,
        missing: int,
        buffers: Buffers,
    ) -> None:
        self._content = content
        self._protocol = protocol
        self._transport = transport
        self._missing = missing
        self._buffers = buffers
        self._filling: bytearray | None = None
        self._count = 0
        self._ready: deque[tuple[bytearray, int]] = deque()
        self._writing: bytearray | None = None
        self._view = memoryview(b"")
        self._is_paused = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def filled(self) -> memoryview | None:
        """Wait for a full buffer, or for the last, and give what is in it; None after the last.

        What came before the connection broke is given, too; then

        Raises:
            aiohttp.ClientError: the connection broke.
            TimeoutError: nothing came for too long.

        """
        while not self._ready:
            if self._failure is not None and self._count:
                self._hand_over()
            elif self._failure is not None:
                raise self._failure
            elif not self._missing:
                return None
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
        self._writing, count = self._ready.popleft()
        self._view = memoryview(self._writing)[:count]
        return self._view

    def recycle(self) -> None:
        """Take the buffer back that ``filled`` gave."""
        if self._writing is not None:
            self._view.release()
            self._buffers.give_back(self._writing)
            self._writing = None
        if self._is_paused and self._missing and self._failure is None:
            self._is_paused = False
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Give what is free of the buffer that fills, and never more than what is missing.

        There is always one, even if both are full and reading is paused: aiohttp may resume it, too.
        """
        del sizehint
        if self._filling is None:
            self._filling = self._buffers.take()
        return memoryview(self._filling)[self._count : self._count + self._missing]

    def buffer_updated(self, nbytes: int) -> None:
        """Count what came."""
        self._count += nbytes
        self._missing -= nbytes
        self._content.total_bytes += nbytes
        if not self._missing:
            self._give_back()
        elif self._count < len(self._filling or b""):
            return
        self._hand_over()
        if self._missing and len(self._ready) + (self._writing is not None) > 1:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Tell aiohttp; the transport then closes."""
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell aiohttp, whose error this then is, and whoever waits; a watch that gave up has said why before."""
        said = self._content.exception()
        self._protocol.connection_lost(exc)
        self._failure = said or self._content.exception() or aiohttp.ServerDisconnectedError()
        self._wake()

    def pause_writing(self) -> None:
        """Tell aiohttp."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Tell aiohttp."""
        self._protocol.resume_writing()

    def _hand_over(self) -> None:
        """Let what has come be written, and fill another buffer."""
        if self._filling is not None:
            self._ready.append((self._filling, self._count))
        self._filling, self._count = None, 0
        self._wake()

    def _give_back(self) -> None:
        # uvloop asks for a buffer once more, when there is none any more, unless it is stopped first.
        self._transport.pause_reading()
        self._transport.set_protocol(self._protocol)
        self._transport.resume_reading()
        # aiohttp then puts the connection back into its pool.
        self._content.feed_eof()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
