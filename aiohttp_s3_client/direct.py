"""Small requests, written straight to a connection of aiohttp's pool.

``ClientSession.request`` does much that S3 has no use for (cookies, redirects, merging headers, a task for the body),
and a third of the time that a small request takes goes there. This way takes aiohttp's connector, parser and response
and does the rest in a few lines. What it needs of them beyond their documentation is named in this module alone; where
an aiohttp does not look as expected, everything goes through the session.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

import aiohttp
from aiohttp.helpers import TimerNoop
from multidict import CIMultiDict, CIMultiDictProxy

from aiohttp_s3_client.body import StreamPayload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_proto import ResponseHandler
    from yarl import URL

    from aiohttp_s3_client.body import Buffer
    from aiohttp_s3_client.idle import WatchedResponse

__all__ = ("IS_POSSIBLE", "NO_HEADERS", "DirectSender", "Sender")

_EXPECTED_OF_RESPONSES: Final = {
    "self",
    "method",
    "url",
    "writer",
    "continue100",
    "timer",
    "request_info",
    "traces",
    "loop",
    "session",
    "stream_writer",
}
IS_POSSIBLE: Final = set(inspect.signature(aiohttp.ClientResponse.__init__).parameters) == _EXPECTED_OF_RESPONSES

_BODILESS: Final = frozenset({"GET", "HEAD"})
# The request's headers hold a signature, and perhaps a session token: errors that aiohttp makes would show them.
NO_HEADERS: Final = CIMultiDictProxy(CIMultiDict[str]())
_NO_TIMER: Final = TimerNoop()
_READ_BUFFER_SIZE: Final = 256 * 1024


class _Sent:
    """What aiohttp asks of the writer of a request that is already on its way."""

    output_size = 0


_SENT: Final = cast("AbstractStreamWriter", _Sent())


class Sender(Protocol):
    """One attempt's way to the store."""

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], data: Buffer | StreamPayload | None
    ) -> aiohttp.ClientResponse:
        """Send exactly this, once, and wait for the headers of the answer.

        Raises:
            aiohttp.ClientError: No answer came.
            TimeoutError: No answer came in time.

        """
        ...


class _Destination(NamedTuple):
    """A place that requests go to: what the connector asks, and the ``Host`` header."""

    request: aiohttp.ClientRequest
    host: str


class DirectSender:
    """Writes a request with its body in one piece, and takes the ordinary way with all others."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timeout: aiohttp.ClientTimeout,
        response_class: type[WatchedResponse],
        otherwise: Sender,
    ) -> None:
        """Take a session without middlewares, traces, proxies and cookies: nobody else sees what is sent here."""
        if session.connector is None:
            raise RuntimeError("the session is closed")
        self._session = session
        self._connector = session.connector
        self._timeout = timeout
        self._response_class = response_class
        self._otherwise = otherwise
        self._loop = asyncio.get_running_loop()
        # The connector asks a request where it goes. To one place goes one request, again and again.
        self._destinations: dict[tuple[str, str | None], _Destination] = {}

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], data: Buffer | StreamPayload | None
    ) -> aiohttp.ClientResponse:
        """See ``Sender``."""
        if isinstance(data, StreamPayload):
            return await self._otherwise.send(method, url, headers, data)
        destination = self._destination(url)
        try:
            connection = await self._connector.connect(destination.request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"connection timeout to {url.origin()}") from error
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            connection.close()
            raise aiohttp.ServerDisconnectedError
        response = self._response(method, url, protocol)
        try:
            length = None if data is None and method in _BODILESS else len(data or b"")
            head = _head(f"{method} {url.raw_path_qs} HTTP/1.1", destination.host, headers, length)
            transport.write(head + (data or b""))
            await response.start(connection)
        except BaseException:
            response.close()
            connection.close()
            raise
        if transport.get_write_buffer_size():
            # Answered before all was sent: the server may close now, so this connection is for no other request.
            (protocol.close if response.connection is None else protocol.force_close)()
        return response

    def _destination(self, url: URL) -> _Destination:
        """Give what the connector asks where a connection goes: to one place always the same."""
        place = (url.scheme, url.raw_authority)
        if place not in self._destinations:
            request = aiohttp.ClientRequest("GET", url.origin(), loop=self._loop, session=self._session)
            self._destinations[place] = _Destination(request, f"Host: {url.host_port_subcomponent}")
        return self._destinations[place]

    def _response(self, method: str, url: URL, protocol: ResponseHandler) -> aiohttp.ClientResponse:
        """Make a connection ready for an answer, and what that becomes."""
        protocol.set_response_params(
            timer=_NO_TIMER,
            skip_payload=method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=None,
            read_bufsize=_READ_BUFFER_SIZE,
        )
        return self._response_class(
            method,
            url,
            writer=None,
            continue100=None,
            timer=_NO_TIMER,
            request_info=aiohttp.RequestInfo(url, method, NO_HEADERS, url),
            traces=[],
            loop=self._loop,
            session=self._session,
            stream_writer=_SENT,
        )


def _head(request_line: str, host: str, headers: Mapping[str, str], length: int | None) -> bytes:
    """Write the request line and the headers.

    Raises:
        ValueError: a line break in one of them would make another header of its rest.

    """
    lines = [request_line, host, *[f"{name}: {value}" for name, value in headers.items()]]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a header holds a line break")
    return f"{head}\r\n\r\n".encode()
