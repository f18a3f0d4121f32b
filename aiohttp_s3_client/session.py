"""aiohttp sessions: one tuned for S3, and what makes any of them safe to send through."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from aiohttp.connector import Connection

    from aiohttp_s3_client.config import Timeouts

__all__ = ("Disconnected", "client_timeout", "open_session", "send_once")

# S3 closes a connection that was idle for about 20 s: ours are given up well before, so that none breaks while sending.
_KEEPALIVE: Final = 12.0
# How often in a timeout's time a request is looked at.
_LOOKS: Final = 4


class Disconnected(aiohttp.ClientError):
    """A connection broke while a request was under way; ``__cause__`` is aiohttp's own error.

    It stands in for an error that aiohttp would answer, on a kept connection, by sending the request a second time
    without a word: the store could see two writes where the caller asked for one.
    """


# Those errors. (What comes up while connecting is among them too, but aiohttp does not send again after it.)
_SENT_AGAIN: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
_NEVER_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself, as a middleware, in a session that the caller made."""
    try:
        return await handler(request)
    except _NEVER_SENT:
        raise
    except _SENT_AGAIN as error:
        raise Disconnected from error


def client_timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    """Give the timeouts in aiohttp's words; waiting for a free connection is none of them."""
    return aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect, sock_read=timeouts.read)


def open_session(timeouts: Timeouts) -> aiohttp.ClientSession:
    """Make a session tuned for S3; the caller closes it.

    In place of aiohttp's two timers for every request it has one for all of them, and in place of ``send_once`` it
    has the same in its class of responses: together a twelfth of the time that a small request takes.
    """

    class Response(_Response):
        watch = _IdleWatch(timeouts.read)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=_KEEPALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=Response,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect),
    )


class _Response(aiohttp.ClientResponse):
    """A response that is watched from the moment when its request is sent."""

    watch: _IdleWatch
    moved = 0
    silent_looks = 0

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the headers, while the body of the request may still be under way."""
        self.watch.add(connection.protocol, self)
        try:
            return await super().start(connection)
        except _SENT_AGAIN as error:
            raise Disconnected from error

    def look(self) -> None:
        """Count the bytes that moved since the last look, and give up after too many looks without any."""
        connection = self.connection
        if connection is None or connection.transport is None or connection.protocol is None:
            return
        moved = 0 if self._stream_writer is None else self._stream_writer.output_size
        moved -= connection.transport.get_write_buffer_size()
        moved += 0 if self.content is None else self.content.total_bytes
        # Whoever reads slowly, so that reading pauses, is not the server.
        if moved != self.moved or not connection.transport.is_reading():
            self.moved, self.silent_looks = moved, 0
            return
        self.silent_looks += 1
        if self.silent_looks > _LOOKS:
            error = aiohttp.SocketTimeoutError("neither side of the connection has sent anything for too long")
            connection.protocol.set_exception(error)
            if self.content is not None:
                self.content.set_exception(error)


class _IdleWatch:
    """Looks at all requests under way several times in ``limit`` seconds, and ends those that stand still."""

    def __init__(self, limit: float | None) -> None:
        """Take the seconds of silence that are too many; None allows any."""
        self._interval = None if limit is None else limit / _LOOKS
        # By connection, each of which has one request at a time; a response that nobody holds any more is gone.
        self._responses: dict[object, weakref.ref[_Response]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: object, response: _Response) -> None:
        """Watch a response until it is closed."""
        if self._interval is None:
            return
        self._responses[connection] = weakref.ref(response)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)

    def _look(self) -> None:
        for connection, reference in list(self._responses.items()):
            response = reference()
            if response is None or response.closed:
                del self._responses[connection]
            else:
                response.look()
        self._timer = None
        if self._responses and self._interval is not None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._look)
