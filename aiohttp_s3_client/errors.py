"""The exceptions of this library, as one tree.

::

    S3Error
    +-- CredentialsError                 no usable identity; says where was looked
    |   +-- CredentialsNotFound          a source of identities is not there: the next one may be
    +-- AmbiguousResult                  it cannot be told whether the store did what was asked
    +-- BodyLengthError                  a body is not what it was said to be (also ValueError)
    +-- MissingPartError                 a multipart upload would be completed without one of its parts
    +-- ObjectChanged                    an object was written anew while it was read
    +-- InvalidResponseError             an answer that breaks S3's rules: nothing of it is believed
    +-- S3ConnectionError                no whole answer came (also aiohttp.ClientConnectionError)
    |   +-- S3TimeoutError               ... because a timeout fired (also TimeoutError)
    +-- S3ResponseError                  S3 answered with an error (also aiohttp.ClientResponseError)
        +-- NotFound                     404
        |   +-- NoSuchKey, NoSuchBucket, NoSuchUpload
        +-- AccessDenied                 403
        |   +-- SignatureDoesNotMatch, RequestTimeTooSkewed, ExpiredToken
        +-- PreconditionFailed           412
        +-- Conflict                     409
        |   +-- BucketAlreadyExists, BucketNotEmpty
        +-- InvalidRange                 416
        +-- ServerError                  5xx
            +-- SlowDown                 also 429

Misuse that is seen before anything is sent raises the built-in ``ValueError`` or ``TypeError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "ENDED_CODES",
    "AccessDenied",
    "AmbiguousResult",
    "BodyLengthError",
    "BucketAlreadyExists",
    "BucketNotEmpty",
    "Conflict",
    "CredentialsError",
    "CredentialsNotFound",
    "ExpiredToken",
    "InvalidRange",
    "InvalidResponseError",
    "MissingPartError",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NotFound",
    "ObjectChanged",
    "PreconditionFailed",
    "RequestTimeTooSkewed",
    "S3ConnectionError",
    "S3Error",
    "S3ResponseError",
    "S3TimeoutError",
    "ServerError",
    "SignatureDoesNotMatch",
    "SlowDown",
    "error_class_of",
    "is_telling",
)

# What a person can do about an error, for the codes where that is known.
_CURES = {
    "AuthorizationHeaderMalformed": "the region is wrong: give region= as the store expects it",
    "InvalidAccessKeyId": "this store does not know the access key ID: check the credentials and the URL",
    "NoSuchBucket": "check the bucket's name, and whether it belongs into the URL or in front of the object name",
    "PermanentRedirect": "the bucket is in another region: give its region= or its own address",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "check the secret access key, and that no proxy rewrites the request",
}


def _counted(attempts: int) -> str:
    return "1 attempt" if attempts == 1 else f"{attempts} attempts"


# With these, S3 and STS say that a token has ended: others are worth a try.
ENDED_CODES: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken"})


class S3Error(Exception):
    """Anything that this library raises about a request; the base of the tree."""


class CredentialsError(S3Error):
    """No usable identity: none was found, or one that was asked for cannot be had."""


class CredentialsNotFound(CredentialsError):
    """A source of identities is not there, or has none: in a chain the next one is asked."""


class BodyLengthError(S3Error, ValueError):
    """A body turned out to have more or fewer bytes than declared, or its file was written to meanwhile."""


class AmbiguousResult(S3Error):
    """It cannot be told whether the store did what was asked: the answer was lost, and a look did not settle it."""


class MissingPartError(S3Error):
    """A multipart upload would be completed without a part that was promised; it was aborted instead."""


class ObjectChanged(S3Error):
    """An object was written anew while it was downloaded: what came is of no one object, and was thrown away."""


class InvalidResponseError(S3Error):
    """An answer breaks S3's rules (broken XML, a listing that cannot go on): nothing of it is believed."""


class S3ConnectionError(S3Error, aiohttp.ClientConnectionError):
    """No whole answer came, after all attempts; the last attempt's error is ``__cause__``.

    Attributes:
        sent: Whether the store may have received the last attempt, and so may have done what it asks.
        attempts: How often it was tried, counting the first.

    """

    sent = True
    attempts = 1

    def __str__(self) -> str:
        """Say what happened, and after how many attempts."""
        return f"{super().__str__()} ({_counted(self.attempts)})"


class S3TimeoutError(S3ConnectionError, TimeoutError):
    """No answer came in time, after all attempts."""


class S3ResponseError(S3Error, aiohttp.ClientResponseError):
    """S3 answered with an error.

    Attributes:
        status: The HTTP status.
        code: S3's error code, such as ``NoSuchKey``; empty where the answer has none (every answer to HEAD).
        message: S3's own words, or HTTP's reason where S3 sent none.
        resource: What it is about, as S3 names it; empty where it does not.
        request_id: S3's number of the request, for its support; empty where unknown.
        host_id: S3's second number (``x-amz-id-2``); empty where unknown.
        method: The request's HTTP method.
        url: The request's URL.
        headers: The answer's headers.
        attempts: How often it was tried, counting the first.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html

    """

    # aiohttp has a deprecated `code` here, which is the status; S3's code is what everybody means.
    code: str = ""  # type: ignore[assignment]
    headers: CIMultiDict[str]

    def __init__(
        self,
        *,
        status: int,
        code: str = "",
        message: str = "",
        resource: str = "",
        request_id: str = "",
        host_id: str = "",
        method: str = "",
        url: URL | str = "",
        headers: Mapping[str, str] | None = None,
        attempts: int = 1,
    ) -> None:
        """Take the parts of the answer; see the class."""
        self.code = code
        self.resource = resource
        self.request_id = request_id
        self.host_id = host_id
        self.method = method
        self.url = URL(url, encoded=True)
        self.attempts = attempts
        # The request's headers hold a signature and perhaps a session token: they stay out.
        nothing: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
        request_info = aiohttp.RequestInfo(self.url, method, nothing, self.url)
        super().__init__(request_info, (), status=status, message=message, headers=CIMultiDict(headers or {}))

    def __str__(self) -> str:
        """Say what was asked, what came back, and what can be done."""
        answer = " ".join(part for part in (str(self.status), self.code) if part)
        words = f"{self.method} {self.url}: {answer}: {self.message or 'no reason given'}"
        cure = f"; {_CURES[self.code]}" if self.code in _CURES else ""
        request_id = f"request id {self.request_id}, " if self.request_id else ""
        return f"{words} ({request_id}{_counted(self.attempts)}){cure}"

    def __repr__(self) -> str:
        """Show the class and the same words as ``str``."""
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the constructor's arguments: aiohttp's own views of headers cannot be pickled."""
        fields = ("status", "code", "message", "resource", "request_id", "host_id", "method", "attempts")
        arguments = {name: getattr(self, name) for name in fields}
        return _unpickle, (type(self), arguments | {"url": str(self.url), "headers": CIMultiDict(self.headers)})


def _unpickle(error_class: type[S3ResponseError], arguments: dict[str, Any]) -> S3ResponseError:
    return error_class(**arguments)


class NotFound(S3ResponseError):
    """404: the object, bucket, version or upload does not exist."""


class NoSuchKey(NotFound):
    """The object does not exist."""


class NoSuchBucket(NotFound):
    """The bucket does not exist."""


class NoSuchUpload(NotFound):
    """The multipart upload does not exist: it was completed, aborted, or never begun."""


class AccessDenied(S3ResponseError):
    """403: this identity may not do that, or the store does not accept the identity."""


class SignatureDoesNotMatch(AccessDenied):
    """The store computed another signature: most often a wrong secret access key."""


class RequestTimeTooSkewed(AccessDenied):
    """This machine's clock and the store's are more than 15 minutes apart."""


class ExpiredToken(AccessDenied):
    """The session token is past its time."""


class PreconditionFailed(S3ResponseError):
    """412: a condition of the request (``If-Match``, ``If-None-Match``, ...) does not hold."""


class Conflict(S3ResponseError):
    """409: something stands in the way, or another request is changing the same thing."""


class BucketAlreadyExists(Conflict):
    """The bucket exists already, perhaps with another owner."""


class BucketNotEmpty(Conflict):
    """A bucket that still holds objects cannot be deleted."""


class InvalidRange(S3ResponseError):
    """416: the range lies outside the object."""


class ServerError(S3ResponseError):
    """5xx: the store failed, in all attempts."""


class SlowDown(ServerError):
    """The store throttles: fewer requests a second are wanted."""


_BY_CODE: Final[dict[str, type[S3ResponseError]]] = {
    "AccessDenied": AccessDenied,
    "BucketAlreadyExists": BucketAlreadyExists,
    "BucketAlreadyOwnedByYou": BucketAlreadyExists,
    "BucketNotEmpty": BucketNotEmpty,
    "ExpiredToken": ExpiredToken,
    "InvalidAccessKeyId": AccessDenied,
    "InvalidRange": InvalidRange,
    "NoSuchBucket": NoSuchBucket,
    "NoSuchKey": NoSuchKey,
    "NoSuchUpload": NoSuchUpload,
    "PreconditionFailed": PreconditionFailed,
    "RequestTimeTooSkewed": RequestTimeTooSkewed,
    "SignatureDoesNotMatch": SignatureDoesNotMatch,
    "SlowDown": SlowDown,
}
_BY_STATUS: Final[dict[int, type[S3ResponseError]]] = {
    403: AccessDenied,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    416: InvalidRange,
    429: SlowDown,
}
_SERVER_ERRORS: Final = range(500, 600)


def error_class_of(status: int, code: str) -> type[S3ResponseError]:
    """Give the class of an error that S3 answered, by its code, or else by the status."""
    of_any = ServerError if status in _SERVER_ERRORS else S3ResponseError
    return _BY_CODE.get(code) or _BY_STATUS.get(status, of_any)


def is_telling(status: int) -> bool:
    """Tell whether a status says what is wrong without a document."""
    return status in _BY_STATUS
