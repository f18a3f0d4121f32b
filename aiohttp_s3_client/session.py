"""How a request leaves through aiohttp: in a session that the caller made, or in one of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp

from aiohttp_s3_client.direct import IS_POSSIBLE, NO_HEADERS, DirectSender, Sender
from aiohttp_s3_client.idle import Disconnected, IdleWatch, WatchedResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace
    from yarl import URL

    from aiohttp_s3_client.body import Buffer, StreamPayload
    from aiohttp_s3_client.config import Timeouts

__all__ = ("NOT_SENT", "Disconnected", "Sender", "open_session", "sender_through")

# S3 closes a connection that was idle for about 20 s: ours are given up well before, so that none breaks while sending.
_KEEPALIVE: Final = 12.0
# What aiohttp would add to these methods by itself, after the signing.
_NO_CONTENT_TYPE: Final = ("Content-Type",)
_METHODS_WITH_CONTENT_TYPE: Final = frozenset({"PATCH", "POST", "PUT"})


# Of a request that fails so, the store has seen nothing.
NOT_SENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself, as a middleware, in a session that the caller made."""
    try:
        return await handler(request)
    except NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Disconnected from error


class SessionSender:
    """Sends through ``ClientSession.request``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timeout: aiohttp.ClientTimeout,
        middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = (),
    ) -> None:
        """Take the session, and what is not as the session has it."""
        self._session = session
        self._timeout = timeout
        self._middlewares = middlewares

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], data: Buffer | StreamPayload | None
    ) -> aiohttp.ClientResponse:
        """See ``Sender``."""
        untyped = method in _METHODS_WITH_CONTENT_TYPE and "Content-Type" not in headers
        response = await self._session.request(
            method,
            url,
            headers=headers,
            data=data,
            skip_auto_headers=_NO_CONTENT_TYPE if untyped else None,
            timeout=self._timeout,
            allow_redirects=False,
            auto_decompress=False,
            raise_for_status=False,
            middlewares=self._middlewares,
        )
        # Else an error that aiohttp makes of the response would show the signature, and perhaps a session token.
        response._request_info = aiohttp.RequestInfo(url, method, NO_HEADERS, url)  # noqa: SLF001
        return response


def sender_through(session: aiohttp.ClientSession, timeouts: Timeouts) -> Sender:
    """Send through a session of the caller's.

    Its own timeout counts, unless that is aiohttp's default of 300 s for everything, which no large object meets.
    """
    timeout = session.timeout
    if timeout == aiohttp.client.DEFAULT_TIMEOUT:
        # Waiting for a free connection is none of these.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect, sock_read=timeouts.read)
    # A request's middlewares replace the session's, for which there is no public name.
    return SessionSender(session, timeout, (send_once, *session._middlewares))  # noqa: SLF001


class _Connector(aiohttp.TCPConnector):
    """A pool that gives no connection on which something came that nobody asked for."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp calls it
    ) -> Connection:
        """Give a connection; what a server sends on an idle one must not become the answer to the next request."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


def open_session(timeouts: Timeouts) -> tuple[aiohttp.ClientSession, Sender]:
    """Make a session tuned for S3, which the caller closes, and the way to send through it."""

    class Response(WatchedResponse):
        watch = IdleWatch(timeouts.read)

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect)
    session = aiohttp.ClientSession(
        connector=_Connector(keepalive_timeout=_KEEPALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=Response,
        timeout=timeout,
    )
    ordinary = SessionSender(session, timeout)
    return session, DirectSender(session, timeout, Response, ordinary) if IS_POSSIBLE else ordinary
