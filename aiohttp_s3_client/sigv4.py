"""AWS Signature Version 4 for S3, by hand: who asks is proven by a header, or by the query of a presigned URL.

Everything here is a pure function; the time comes in as a parameter. The steps have the names of the specification,
and every one is a function of its own::

    method, path, query, headers, payload hash  ->  canonical_request  ->  string_to_sign --+
                                                                                            +--> signature
    secret, date, region, service  ->  signing_key -----------------------------------------+

What is signed is what must be sent: the path and the query go on the wire as they come out of :func:`uri_encode` and
:func:`canonical_query`, byte for byte. S3 encodes a key once and never normalises it, unlike all other services.

See https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html.
"""

from __future__ import annotations

import hmac
import time
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from aiohttp_s3_client.models import Credentials

__all__ = (
    "ALGORITHM",
    "EMPTY_PAYLOAD_HASH",
    "MAX_EXPIRES",
    "UNSIGNED_HEADERS",
    "UNSIGNED_PAYLOAD",
    "SigningKey",
    "amz_date",
    "canonical_headers",
    "canonical_query",
    "canonical_request",
    "check_expires",
    "credential_scope",
    "presign",
    "sign_headers",
    "signed_headers",
    "signing_key",
    "string_to_sign",
    "uri_encode",
)

ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY_PAYLOAD_HASH: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
MAX_EXPIRES: Final = 7 * 24 * 60 * 60
"""The longest life of a presigned URL, in seconds."""

UNSIGNED_HEADERS: Final = frozenset(
    {
        # Of one connection only: every proxy may drop or replace them.
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        # Written again on the way by tracing, by HTTP libraries and by stores (Google's replaces Accept-Encoding).
        "accept",
        "accept-encoding",
        "baggage",
        "content-length",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-amzn-trace-id",
        # Where the signature itself goes.
        "authorization",
    }
)
"""Names, in lower case, that a header signature leaves out, so that a change on the way does not break it."""

_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_UNRESERVED_OR_SLASH: Final = _UNRESERVED + b"/"
_PERCENT_ENCODED: Final = {byte: chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)}
_PERCENT_ENCODED_BUT_SLASH: Final = {**_PERCENT_ENCODED, ord("/"): "/"}

_SIGNATURE_PARAMETERS: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)


def sign_headers(
    method: str,
    path: str,
    query: str,
    headers: Iterable[tuple[str, str]],
    payload_hash: str,
    credentials: Credentials,
    *,
    region: str,
    now: float,
    service: str = "s3",
) -> dict[str, str]:
    """Give the headers that a request needs so that S3 knows who sends it; their names are in lower case.

    ``headers`` are all that go on the wire, ``Host`` among them; those of :data:`UNSIGNED_HEADERS` are left out of the
    signature. The result is to replace what ``headers`` has under the same names: such a value is not signed either.

    Args:
        method: the HTTP method.
        path: from the leading ``/``, encoded by :func:`uri_encode`.
        query: from :func:`canonical_query`.
        headers: names and values; a name may come several times.
        payload_hash: SHA-256 of the body in hexadecimal, :data:`EMPTY_PAYLOAD_HASH`, :data:`UNSIGNED_PAYLOAD`, or the
            name of a streaming scheme.
        credentials: who signs; the session token goes into a header of its own.
        region: where the bucket is, for example ``us-east-1``.
        now: seconds since the epoch; S3 accepts 15 minutes on either side of its own clock.
        service: as AWS calls it in a credential scope.

    Raises:
        ValueError: ``headers`` has no ``Host``, or something has a lone surrogate and so no UTF-8.

    """
    timestamp = amz_date(int(now))
    date = timestamp[:8]
    added = {"x-amz-content-sha256": payload_hash, "x-amz-date": timestamp}
    if credentials.session_token:
        added["x-amz-security-token"] = credentials.session_token
    covered = canonical_headers(headers) | added
    names = signed_headers(covered)
    scope = credential_scope(date, region, service)
    key = signing_key(credentials.secret_access_key, date, region, service)
    request = canonical_request(method, path, query, covered, names, payload_hash)
    signature = key.sign(string_to_sign(request, timestamp, scope))
    added["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return added


def presign(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]],
    credentials: Credentials,
    *,
    region: str,
    now: float,
    expires: int,
    payload_hash: str = UNSIGNED_PAYLOAD,
    service: str = "s3",
) -> str:
    """Give the query that lets whoever holds the URL send this one request; the signature comes last.

    Every one of ``headers`` is signed, ``Host`` among them, and has to be sent with the same value.

    Args:
        method: the HTTP method.
        path: from the leading ``/``, encoded by :func:`uri_encode`.
        query: the request's own names and values, not yet encoded.
        headers: names and values; a name may come several times.
        credentials: who signs; the session token becomes a part of the URL.
        region: where the bucket is, for example ``us-east-1``.
        now: seconds since the epoch, from which the life of the URL counts.
        expires: how long the URL is good, in seconds: from 1 to 604800 (7 days). It dies with temporary credentials.
        payload_hash: SHA-256 of the only body that may be sent, in hexadecimal. It becomes a part of the URL, because
            S3 takes the body of a presigned request for unsigned if nothing says otherwise. An
            ``x-amz-content-sha256`` among ``headers`` has the last word.
        service: as AWS calls it in a credential scope.

    Raises:
        TypeError: ``expires`` is no whole number.
        ValueError: ``expires`` is out of bounds, ``headers`` has no ``Host``, ``query`` holds a parameter that only a
            signature may set, or something has a lone surrogate and so no UTF-8.

    """
    check_expires(expires)
    timestamp = amz_date(int(now))
    date = timestamp[:8]
    scope = credential_scope(date, region, service)
    covered = canonical_headers(headers, leave_out=())
    names = signed_headers(covered)
    payload_hash = covered.get("x-amz-content-sha256", payload_hash)
    parameters = _own_parameters(query)
    parameters += [
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key_id}/{scope}"),
        ("X-Amz-Date", timestamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", names),
    ]
    if payload_hash != UNSIGNED_PAYLOAD:
        parameters.append(("X-Amz-Content-Sha256", payload_hash))
    if credentials.session_token:
        _utf8(credentials.session_token, "the session token")
        parameters.append(("X-Amz-Security-Token", credentials.session_token))
    signed_query = canonical_query(parameters)
    key = signing_key(credentials.secret_access_key, date, region, service)
    request = canonical_request(method, path, signed_query, covered, names, payload_hash)
    signature = key.sign(string_to_sign(request, timestamp, scope))
    return f"{signed_query}&X-Amz-Signature={signature}"


def canonical_request(
    method: str, path: str, query: str, covered: Mapping[str, str], names: str, payload_hash: str
) -> str:
    """Write a request in the one form that client and server agree on.

    ``path`` and ``query`` are encoded already, ``covered`` comes from :func:`canonical_headers`, and ``names`` from
    :func:`signed_headers`.
    """
    header_lines = "".join([f"{name}:{covered[name]}\n" for name in names.split(";")])
    return f"{method.upper()}\n{path}\n{query}\n{header_lines}\n{names}\n{payload_hash}"


def string_to_sign(canonical_request: str, timestamp: str, scope: str) -> str:
    """Condense a canonical request; ``timestamp`` comes from :func:`amz_date`, ``scope`` from :func:`credential_scope`.

    Raises:
        ValueError: a header has a lone surrogate and so no UTF-8.

    """
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(_utf8(canonical_request, 'a header')).hexdigest()}"


def credential_scope(date: str, region: str, service: str) -> str:
    """Say on which day (``20130524``) and where a signature is good."""
    return f"{date}/{region}/{service}/aws4_request"


@lru_cache(maxsize=16)
def amz_date(now: int) -> str:
    """Write a time, in seconds since the epoch, as ``20130524T000000Z``; the first eight characters are the date."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


class SigningKey:
    """HMAC-SHA256 (RFC 2104) under one key, which is hashed once instead of for every message.

    A signature takes less than half the time of ``hmac.digest`` in this way, and the key itself is not kept.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """Hash the key's two blocks; ``key`` has at most 64 bytes, the size of a block of SHA-256."""
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes([byte ^ 0x36 for byte in block]))
        self._outer = sha256(bytes([byte ^ 0x5C for byte in block]))

    def sign(self, text: str) -> str:
        """Sign a string to sign, or the policy of a presigned POST; the signature is in lower-case hexadecimal."""
        inner = self._inner.copy()
        inner.update(text.encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


# The cache holds secrets as its keys. They stay in this process's memory, where the credentials keep them anyway, at
# most 128 of them, and neither the repr of the function nor that of a key shows one.
@lru_cache(maxsize=128)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> SigningKey:
    """Derive the key of one day (``20130524``), region and service.

    Raises:
        ValueError: the secret has a lone surrogate and so no UTF-8; the error does not quote it.

    """
    key = b"AWS4" + _utf8(secret_access_key, "the secret access key")
    for step in (date, region, service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return SigningKey(key)


def canonical_headers(
    headers: Iterable[tuple[str, str]], *, leave_out: Container[str] = UNSIGNED_HEADERS
) -> dict[str, str]:
    """Give the headers that a signature covers, each name once and in lower case.

    White space around a value goes, a run of it inside becomes one space, and the values of a repeated name are joined
    by commas, in their order.

    Raises:
        ValueError: there is no ``Host``.

    """
    covered: dict[str, str] = {}
    for name, value in headers:
        lowered = name.lower()
        if lowered in leave_out:
            continue
        trimmed = " ".join(value.split())
        covered[lowered] = f"{covered[lowered]},{trimmed}" if lowered in covered else trimmed
    if "host" not in covered:
        message = f"a signature must cover the Host header, and the headers have only {list(covered)}: add it"
        raise ValueError(message)
    return covered


def signed_headers(covered: Iterable[str]) -> str:
    """List the names of the headers that a signature covers, in order."""
    return ";".join(sorted(covered))


def canonical_query(query: Iterable[tuple[str, str]]) -> str:
    """Encode a query and sort it by encoded name, then by encoded value; a name without a value becomes ``name=``.

    Raises:
        ValueError: a name or a value has a lone surrogate and so no UTF-8.

    """
    pairs = sorted([(uri_encode(name), uri_encode(value)) for name, value in query])
    return "&".join([f"{name}={value}" for name, value in pairs])


def uri_encode(text: str, *, keep_slash: bool = False) -> str:
    """Percent-encode all but ``A-Z a-z 0-9 - . _ ~``, and but ``/`` where the text is the path of an object.

    Raises:
        ValueError: the text has a lone surrogate and so no UTF-8; the error quotes it.

    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        message = f"{text!r} has a lone surrogate, which UTF-8 cannot carry: give it as valid Unicode"
        raise ValueError(message) from error
    if not encoded.translate(None, _UNRESERVED_OR_SLASH if keep_slash else _UNRESERVED):
        return text  # Nothing is left of it without the characters that stay as they are.
    return encoded.decode("latin-1").translate(_PERCENT_ENCODED_BUT_SLASH if keep_slash else _PERCENT_ENCODED)


def check_expires(expires: int) -> int:
    """Give a life of a URL in seconds back, or refuse one that S3 would refuse, with the reason."""
    if not isinstance(expires, int) or isinstance(expires, bool):
        message = f"expires is {expires!r}, and counts whole seconds: give an int"
        raise TypeError(message)
    if not 1 <= expires <= MAX_EXPIRES:
        message = f"expires is {expires} seconds, and S3 allows 1 to {MAX_EXPIRES} (7 days): give one of these"
        raise ValueError(message)
    return expires


def _own_parameters(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Copy a request's own query, and refuse one that has been presigned before."""
    parameters = list(query)
    taken = [name for name, _ in parameters if name.lower() in _SIGNATURE_PARAMETERS]
    if taken:
        message = f"only the signature sets {', '.join(taken)}: presign the query without it"
        raise ValueError(message)
    return parameters


def _utf8(text: str, subject: str) -> bytes:
    """Encode what may hold a secret: unlike the codec's own error, the one raised here does not carry the text."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass  # Raised from here, the new error would carry the codec's as its context.
    message = f"{subject} has a lone surrogate, which UTF-8 cannot carry: give it as valid Unicode"
    raise ValueError(message)
