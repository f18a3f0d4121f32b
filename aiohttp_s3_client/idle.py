"""Silence on connections: one look now and then at all requests under way, in place of a timer for each."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import Connection

__all__ = ("Disconnected", "IdleWatch", "WatchedResponse", "past_the_buffer")

# How often in a timeout's time a request is looked at.
_LOOKS: Final = 4
# Those who write to a socket themselves: that the transport's buffer is empty does not say that they have nothing.
_past_the_buffer: Final[weakref.WeakSet[AbstractStreamWriter]] = weakref.WeakSet()


@contextmanager
def past_the_buffer(writer: AbstractStreamWriter) -> Iterator[None]:
    """Say that a body goes straight into the socket: when nothing moves inside of the block, it is the server's doing.

    What has moved, ``writer.output_size`` tells.
    """
    _past_the_buffer.add(writer)
    try:
        yield
    finally:
        _past_the_buffer.discard(writer)


class Disconnected(aiohttp.ClientError):
    """A connection broke while a request was under way; ``__cause__`` is aiohttp's own error.

    It stands in for an error that aiohttp would answer, on a kept connection, by sending the request a second time
    without a word: the store could see two writes where the caller asked for one.
    """


class WatchedResponse(aiohttp.ClientResponse):
    """A response that is watched from the moment when its request is being sent; a subclass says by which watch."""

    watch: IdleWatch
    moved = 0
    silent_looks = 0

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the headers, while the body of the request may still be under way."""
        self.watch.add(connection.protocol, self)
        try:
            return await super().start(connection)
        except (OSError, aiohttp.ServerDisconnectedError) as error:
            raise Disconnected from error

    def look(self) -> None:
        """Count the bytes that moved since the last look, and give up after too many looks without any."""
        connection = self.connection
        if connection is None or connection.transport is None or connection.protocol is None:
            return
        unsent = connection.transport.get_write_buffer_size()
        moved = 0 if self._stream_writer is None else self._stream_writer.output_size
        moved -= unsent
        moved += 0 if self.content is None else self.content.total_bytes
        # Whoever reads slowly, so that reading pauses, is not the server; nor is a body's source that is waited for.
        is_fed = unsent or self._stream_writer in _past_the_buffer
        ours = not connection.transport.is_reading() or (self._writer is not None and not is_fed)
        if moved != self.moved or ours:
            self.moved, self.silent_looks = moved, 0
            return
        self.silent_looks += 1
        if self.silent_looks > _LOOKS:
            error = aiohttp.SocketTimeoutError("neither side of the connection has sent anything for too long")
            connection.protocol.set_exception(error)
            if self.content is not None:
                self.content.set_exception(error)
            if connection.transport.get_protocol() is not connection.protocol:
                # Whoever reads in aiohttp's place learns it so.
                connection.transport.abort()


class IdleWatch:
    """Looks at all requests under way several times in ``limit`` seconds, and ends those that stand still."""

    def __init__(self, limit: float | None) -> None:
        """Take the seconds of silence that are too many; None allows any."""
        self._interval = None if limit is None else limit / _LOOKS
        # By connection, each of which has one request at a time; a response that nobody holds any more is gone.
        self._responses: dict[object, weakref.ref[WatchedResponse]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: object, response: WatchedResponse) -> None:
        """Watch a response until it is closed."""
        if self._interval is None:
            return
        self._responses[connection] = weakref.ref(response)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)

    def _look(self) -> None:
        self._timer = None
        for connection, reference in list(self._responses.items()):
            response = reference()
            if response is None or response.closed:
                del self._responses[connection]
            else:
                response.look()
        if self._responses and self._interval is not None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)
