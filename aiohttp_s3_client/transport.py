"""The retry loop: every attempt is addressed, signed, sent through aiohttp, and judged; here and nowhere else."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import random
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from aiohttp_s3_client import errors
from aiohttp_s3_client.body import EMPTY_BODY, Body, StreamPayload
from aiohttp_s3_client.endpoint import DEFAULT_REGION
from aiohttp_s3_client.models import ErrorDocument
from aiohttp_s3_client.session import NOT_SENT, Disconnected, open_session, sender_through
from aiohttp_s3_client.sigv4 import sign_headers
from aiohttp_s3_client.xml import parse_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping
    from types import TracebackType

    from aiohttp_s3_client.config import ClientConfig, RetryPolicy
    from aiohttp_s3_client.credentials import AbstractCredentials
    from aiohttp_s3_client.endpoint import Endpoint
    from aiohttp_s3_client.models import Credentials
    from aiohttp_s3_client.session import Sender

__all__ = ("Answer", "ResponseContext", "S3Request", "Transport")

_log = logging.getLogger(__name__)

# A longer document is not read: S3's longest, a page of 1000 keys, is far below. In bytes.
_DOCUMENT_LIMIT: Final = 16 * 1024 * 1024
_NO_HEADERS: Final = CIMultiDictProxy(CIMultiDict[str]())
# Never signed, since intermediaries rewrite them. A store, or a proxy, must not pack what is read as it was stored.
_DEFAULT_HEADERS: Final = {"User-Agent": "aiohttp-s3-client", "Accept-Encoding": "identity"}
_NETWORK_ERRORS: Final = (aiohttp.ClientError, TimeoutError)

_SUCCESS: Final = range(200, 300)
_ERRORS: Final = range(400, 600)
_NO_SUCCESS: Final = range(300, 600)
_NOTHING: Final = range(0)
_BAD_REQUEST: Final = 400
_RETRIED_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
# After these, as after a lost answer, the store can have done what was asked.
_MAY_HAVE_ACTED: Final = frozenset({500, 502, 504})
# What S3 says with other statuses, and means "try again". Source: the AWS SDKs' retry behaviour reference guide.
_RETRIED_CODES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "IncompleteBody",
        "InternalError",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# With these it is said that the credentials have ended.
_ENDED_STATUSES: Final = frozenset({_BAD_REQUEST, 403})
# The methods that may be sent twice: the second time changes nothing.
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
# ... unless a condition would then be held against the first time's own effect.
_WRITE_CONDITIONS: Final = ("If-Match", "If-None-Match")


class S3Request(NamedTuple):
    """What is asked, in S3's words; everything about how to ask it is the transport's.

    ``query`` is encoded and sorted, ``headers`` are the caller's, and ``payload_hash`` replaces the body's own.
    ``may_fail_late`` marks an operation that answers 200 before it is done, and may then say ``<Error>`` in its body;
    ``retry`` replaces the client's policy, and ``is_repeatable`` marks a POST that does no harm when it is done twice.
    """

    method: str
    object_name: str
    query: str = ""
    headers: CIMultiDict[str] | CIMultiDictProxy[str] = _NO_HEADERS
    body: Body = EMPTY_BODY
    payload_hash: str | None = None
    may_fail_late: bool = False
    retry: RetryPolicy | None = None
    is_repeatable: bool = False


class Answer(NamedTuple):
    """A whole answer: its headers and its body."""

    headers: CIMultiDictProxy[str]
    body: bytes


class ResponseContext(Coroutine[Any, Any, aiohttp.ClientResponse]):
    """A request under way: await it for its response, or enter it so that the response is released at the end.

    It is a coroutine, and so can be made a task.
    """

    __slots__ = ("_response", "_sending")

    def __init__(self, sending: Coroutine[Any, Any, aiohttp.ClientResponse]) -> None:
        """Take the coroutine that gives the response."""
        self._sending = sending

    def __await__(self) -> Generator[Any, Any, aiohttp.ClientResponse]:
        """Send, and give the response, which the caller then releases."""
        return self._sending.__await__()

    def send(self, value: Any) -> Any:  # noqa: ANN401 - as every coroutine
        """Go on, as a coroutine."""
        return self._sending.send(value)

    def throw(self, *exc: Any) -> Any:  # noqa: ANN401 - as every coroutine
        """Go on with an exception, as a coroutine."""
        return self._sending.throw(*exc)

    def close(self) -> None:
        """End, as a coroutine."""
        self._sending.close()

    async def __aenter__(self) -> aiohttp.ClientResponse:
        """Send, and give the response."""
        self._response = await self._sending
        return self._response

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the response; one that was not read to its end gives up its connection."""
        self._response.release()
        await self._response.wait_for_close()


class Transport:
    """Sends requests: every attempt is addressed, signed and judged afresh, and repeated where that can help."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: AbstractCredentials,
        *,
        region: str | None,
        config: ClientConfig,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take what every request needs; without ``region``, the credentials may know it once they are fetched.

        ``clock`` gives seconds since the epoch.
        """
        self.endpoint = endpoint
        self.credentials = credentials
        self._region = region
        self._config = config
        self.clock = clock
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._sender: Sender | None = None

    def attach(self, session: aiohttp.ClientSession) -> None:
        """Send through a session of the caller's.

        Raises:
            TypeError: It is something else.

        """
        if not isinstance(session, aiohttp.ClientSession):
            raise TypeError(f"session is a {type(session).__name__}: give an aiohttp.ClientSession")
        self._session, self._sender = session, sender_through(session, self._config.timeouts)

    def open_session(self) -> aiohttp.ClientSession:
        """Make a session tuned for S3 and send through it; the caller closes it."""
        self._session, self._sender = open_session(self._config.timeouts)
        return self._session

    def detach(self) -> None:
        """Send no more: the session is closed."""
        self._session = self._sender = None

    @property
    def region(self) -> str:
        """The region to sign for, as far as it is known now."""
        return self._region or self.credentials.region or DEFAULT_REGION

    @property
    def retry(self) -> RetryPolicy:
        """The policy of all requests that have none of their own."""
        return self._config.retry

    def url_of(self, object_name: str, query: str = "") -> URL:
        """Give the URL of an object name, encoded once, as it is signed and sent; ``query`` is encoded already."""
        endpoint = self.endpoint
        return URL.build(
            scheme=endpoint.scheme,
            authority=endpoint.authority,
            path=endpoint.path(object_name),
            query_string=query,
            encoded=True,
        )

    def send(self, request: S3Request) -> ResponseContext:
        """Send a request and hand over aiohttp's response, whatever its status, once no further attempt can help.

        Raises:
            S3ConnectionError: no answer came.
            S3ResponseError: the session was made with ``raise_for_status``, or an apparent success was an error.

        """
        check = self._session.raise_for_status if self._session else False
        sending = self._try(request, raised=_ERRORS if check is True else _NOTHING)
        return ResponseContext(_checked(sending, check) if callable(check) else sending)

    def open(self, request: S3Request) -> ResponseContext:
        """Send a request and give the response of its success, whose body is yet to be read.

        Raises:
            S3ConnectionError: no answer came.
            S3ResponseError: S3 answered with an error.

        """
        return ResponseContext(self._try(request, raised=_NO_SUCCESS))

    async def fetch(self, request: S3Request) -> Answer:
        """Send a request and read its whole answer, at most 16 MiB; reading is part of an attempt.

        Raises:
            S3ConnectionError: no whole answer came.
            S3ResponseError: S3 answered with an error.
            InvalidResponseError: the answer is too long.

        """
        response = await self._try(request, raised=_NO_SUCCESS, whole=True)
        return Answer(response.headers, await response.read())

    async def _try(self, request: S3Request, *, raised: range, whole: bool = False) -> aiohttp.ClientResponse:
        """Make attempts until one succeeds or no further one can help.

        Answers of the statuses ``raised`` become errors; ``whole`` reads the answer.
        """
        self._opened()
        attempts = _Attempts(request, await request.body.prepare(), self.credentials, request.retry or self.retry)
        while True:
            credentials = await self.credentials.get()
            try:
                response = await self._attempt(request, attempts.body, credentials)
                if whole and response.status in _SUCCESS:
                    await _read_document(response)
                if response.status in _SUCCESS and not request.may_fail_late:
                    return response
                error = await _error_of(response, request, attempts.number, credentials, raised=raised)
                wait = None if error is None else attempts.wait_after(error, credentials)
                if wait is None:
                    if error is not None and (response.status in raised or response.status in _SUCCESS):
                        response.release()
                        # A body that is still being sent is cut off; its source may be closed after this.
                        await response.wait_for_close()
                        raise error
                    return response
                wait = max(wait, self._retry_after(response, attempts.policy.max_delay))
                problem: errors.S3Error | None = error
                response.close()
            except errors.S3ConnectionError as failure:
                problem = failure
                wait = attempts.wait_after_none(failure)
                if wait is None:
                    failure.attempts = attempts.number
                    raise
            _log.debug("attempt %d failed, the next in %.2f s: %s", attempts.number, wait, problem)
            await self._sleep(wait)
            attempts.number += 1

    async def _attempt(self, request: S3Request, body: Body, credentials: Credentials | None) -> aiohttp.ClientResponse:
        """Send a request once."""
        url = self.url_of(request.object_name, request.query)
        headers = self._headers(request, body, url, credentials)
        data = body.open()
        try:
            response = await self._opened().send(request.method, url, headers, data)
            if response.status in _SUCCESS and isinstance(data, StreamPayload) and not data.is_handed_over:
                response.close()
                raise aiohttp.ClientPayloadError("success was answered before the body was sent, and is not believed")
        except _NETWORK_ERRORS as error:
            failure = _failure(f"{request.method} {url}", error, data)
        else:
            return response
        raise failure

    def _headers(self, request: S3Request, body: Body, url: URL, credentials: Credentials | None) -> Mapping[str, str]:
        """Give all headers of one attempt, with a signature of this moment unless the client is anonymous."""
        added = {}
        if credentials is not None:
            added = sign_headers(
                request.method,
                url.raw_path,
                request.query,
                (("host", self.endpoint.authority), *request.headers.items()),
                request.payload_hash or body.payload_hash,
                credentials,
                region=self.region,
                now=self.clock(),
            )
        if not request.headers:
            return _DEFAULT_HEADERS | added
        headers = CIMultiDict(_DEFAULT_HEADERS)
        headers.update(request.headers)
        headers.update(added)
        return headers

    def _retry_after(self, response: aiohttp.ClientResponse, max_delay: float) -> float:
        """Give the seconds that the server wants to be left alone, at most ``max_delay``; 0 where it does not say."""
        said = response.headers.get("Retry-After", "")
        try:
            seconds = float(said) if said.isdecimal() else _moment(said) - self.clock()
        except (OverflowError, ValueError):
            return 0.0
        return min(max(seconds, 0.0), max_delay)

    def _opened(self) -> Sender:
        if self._sender is None:
            raise RuntimeError(
                "this client has no session: enter it (`async with S3Client(...) as client:`) or give session="
            )
        return self._sender


class _Attempts:
    """The attempts of one request: how many there were, and whether another one can help."""

    def __init__(self, request: S3Request, body: Body, credentials: AbstractCredentials, policy: RetryPolicy) -> None:
        self.number = 1
        self.body = body
        self.policy = policy
        self._request = request
        self._credentials = credentials
        self._waits = policy.delays(random.random)
        self._may_renew = True

    def wait_after(self, error: errors.S3ResponseError, used: Credentials | None) -> float | None:
        """Give the seconds to wait after an error, for credentials that had ended none, before another attempt."""
        if self._has_renewed(error, used):
            self._may_renew = False
            return 0.0
        return next(self._waits, None) if _may_retry(self._request, self.body, error) else None

    def wait_after_none(self, failure: errors.S3ConnectionError) -> float | None:
        """Give the seconds to wait when no answer came, before another attempt."""
        return next(self._waits, None) if _may_repeat(self._request, self.body, failure) else None

    def _has_renewed(self, error: errors.S3ResponseError, used: Credentials | None) -> bool:
        """Tell whether an error says that the credentials have ended, and others will be given instead; but once."""
        if used is None or not self._may_renew or error.code not in errors.ENDED_CODES:
            return False
        return self._credentials.invalidate(used) and self.body.replayable


async def _checked(
    sending: Coroutine[Any, Any, aiohttp.ClientResponse], check: Callable[[aiohttp.ClientResponse], Awaitable[None]]
) -> aiohttp.ClientResponse:
    """Let a session's own ``raise_for_status`` function look at the response before it is handed over."""
    response = await sending
    try:
        await check(response)
    except BaseException:
        response.close()
        raise
    return response


def _moment(http_date: str) -> float:
    """Read an HTTP date as seconds since the epoch; what is none raises ``ValueError`` or ``OverflowError``."""
    parsed = email.utils.parsedate_tz(http_date)
    if parsed is None:
        raise ValueError("no date")
    return email.utils.mktime_tz(parsed)


def _failure(what: str, error: Exception, data: object) -> Exception:
    """Give what broke an attempt: the body's own source, which the caller wants to see as it is, or the network."""
    if isinstance(data, StreamPayload) and data.failure is not None:
        return data.failure
    cause = error.__cause__ if isinstance(error, Disconnected) else error
    failure = _connection_error(what, cause)
    failure.__cause__ = cause
    return failure


def _connection_error(what: str, cause: BaseException | None) -> errors.S3ConnectionError:
    """Give our own error for one of aiohttp's: here they cross the border."""
    error_class = errors.S3TimeoutError if isinstance(cause, TimeoutError) else errors.S3ConnectionError
    failure = error_class(f"{what}: {str(cause) or type(cause).__name__}")
    failure.sent = not isinstance(cause, NOT_SENT)
    return failure


def _may_repeat(request: S3Request, body: Body, failure: errors.S3ConnectionError) -> bool:
    """Tell whether to send again after no answer came: surely when nothing was sent, else when twice is harmless."""
    if isinstance(failure.__cause__, aiohttp.ClientConnectorCertificateError):
        return False
    if not failure.sent:
        return True
    repeatable = request.method in _IDEMPOTENT or request.is_repeatable
    return body.replayable and repeatable and not _is_conditional_write(request)


def _may_retry(request: S3Request, body: Body, error: errors.S3ResponseError) -> bool:
    """Tell whether to send again after an error: when it is temporary, and the store surely did not act on it.

    A write with a condition that was done after all would fail on its own condition.
    """
    if error.status in _MAY_HAVE_ACTED and _is_conditional_write(request):
        return False
    return body.replayable and (error.status in _RETRIED_STATUSES or error.code in _RETRIED_CODES)


def _is_conditional_write(request: S3Request) -> bool:
    return request.method not in {"GET", "HEAD"} and any(name in request.headers for name in _WRITE_CONDITIONS)


async def _error_of(
    response: aiohttp.ClientResponse,
    request: S3Request,
    attempt: int,
    credentials: Credentials | None,
    *,
    raised: range,
) -> errors.S3ResponseError | None:
    """Give what an answer says is wrong; None when nothing is, after all.

    The document is left unread where nobody asks for it, so that the caller can stream it.
    """
    is_temporary = credentials is not None and credentials.session_token is not None
    asked = (
        response.status in raised
        or request.may_fail_late
        or response.status == _BAD_REQUEST
        or (is_temporary and response.status in _ENDED_STATUSES)
    )
    document = await _read_error(response) if asked and request.method != "HEAD" else b""
    said = parse_error(document)
    if said is None:
        if response.status in _SUCCESS:
            return None
        said = ErrorDocument(code="", message=response.reason or "")
    return errors.error_class_of(response.status, said.code)(
        status=response.status,
        code=said.code,
        message=said.message,
        resource=said.resource,
        request_id=said.request_id or response.headers.get("x-amz-request-id", ""),
        host_id=said.host_id or response.headers.get("x-amz-id-2", ""),
        method=response.method,
        url=response.url,
        headers=response.headers,
        attempts=attempt,
    )


async def _read_error(response: aiohttp.ClientResponse) -> bytes:
    """Read an error's document; one that cannot be read hides no status that says enough by itself."""
    try:
        return await _read_document(response)
    except (errors.S3ConnectionError, errors.InvalidResponseError):
        if errors.is_telling(response.status):
            return b""
        raise


async def _read_document(response: aiohttp.ClientResponse) -> bytes:
    """Read an answer's whole body, within bounds; it stays readable for whoever gets the response."""
    if response._body is not None:  # noqa: SLF001 - see below
        return response._body  # noqa: SLF001
    document = bytearray()
    try:
        async for chunk in response.content.iter_any():
            document += chunk
            if len(document) > _DOCUMENT_LIMIT:
                raise errors.InvalidResponseError(
                    f"{response.method} {response.url}: the answer is longer than {_DOCUMENT_LIMIT} bytes"
                )
    except _NETWORK_ERRORS as error:
        response.close()
        raise _connection_error(f"{response.method} {response.url}", error) from error
    except BaseException:
        response.close()
        raise
    # Kept where `ClientResponse.read`, which has no bound, keeps it too.
    response._body = bytes(document)  # noqa: SLF001
    return response._body  # noqa: SLF001
