"""One question to a service that gives credentials: a metadata service on the link, or one of AWS's over TLS."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from yarl import URL

from aiohttp_s3_client.credentials.partial import PartialCredentials
from aiohttp_s3_client.errors import CredentialsError
from aiohttp_s3_client.models import Credentials

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

__all__ = ("Answer", "Unreachable", "ask", "credentials_of", "json_object", "moment")

# No such answer is nearly as long. In bytes.
_LIMIT: Final = 64 * 1024


class Unreachable(CredentialsError):
    """Nobody answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: its status and its text, which may hold secrets."""

    status: int
    text: str = field(repr=False)


async def ask(
    method: str,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
    tls: ssl.SSLContext | None = None,
    through_proxy: bool = False,
) -> Answer:
    """Send one request, and read its answer within ``seconds``; no redirect is followed.

    ``tls`` says whom to trust, by default whom the system does. A proxy of the environment is asked only
    ``through_proxy``: services on the link are not behind one.

    Raises:
        Unreachable: Nobody answered in time.
        CredentialsError: The answer is too long, or no text, or no HTTP.

    """
    address = URL(url, encoded=True)
    proxy = _proxy_to(address) if through_proxy else None
    # Errors are raised outside of the handlers: aiohttp's hold the request's headers, and with them tokens.
    trouble, is_unreachable = "", True
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=seconds),
                connector=aiohttp.TCPConnector(ssl=True if tls is None else tls),
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.request(
                method, address, headers=headers, data=data, allow_redirects=False, proxy=proxy
            ) as response,
        ):
            content = await response.content.read(_LIMIT + 1)
            while len(content) <= _LIMIT and (more := await response.content.read(_LIMIT + 1)):
                content += more
    except aiohttp.ClientHttpProxyError as error:
        trouble = f"{address.authority} does not answer: the proxy says {error.status}"
    except aiohttp.ClientResponseError:
        # Its words show what came.
        trouble, is_unreachable = f"{address.authority} gives an answer that is no HTTP", False
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{address.authority} does not answer: {str(error) or type(error).__name__}") from error
    if trouble:
        raise (Unreachable if is_unreachable else CredentialsError)(trouble)
    text = content.decode("utf-8", "replace")
    if len(content) > _LIMIT or "\ufffd" in text:
        raise CredentialsError(f"{address.authority} answers with something that is no credentials")
    return Answer(response.status, text)


def _proxy_to(address: URL) -> URL | None:
    """Give the proxy that the environment names for an address, whose credentials are in its URL, if anywhere.

    aiohttp's own look at the environment would send the logins of ``~/.netrc``, too.

    Raises:
        CredentialsError: It is no URL.

    """
    if urllib.request.proxy_bypass(address.host or ""):
        return None
    try:
        proxy = urllib.request.getproxies().get(address.scheme)
        return None if proxy is None else URL(proxy)
    except ValueError:
        pass
    raise CredentialsError(f"the environment's proxy for {address.scheme} is no URL")


def json_object(text: str, source: str) -> Mapping[str, Any]:
    """Read a JSON object.

    Raises:
        CredentialsError: It is none; not a word of it is in the message.

    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise CredentialsError(f"{source} gives no JSON object")
    return document


def credentials_of(document: Mapping[str, Any], source: str, *, token: str = "Token") -> Credentials:  # noqa: S107 - the field's name
    """Take an identity from the fields that AWS's services use; ``token`` is what they call the session token.

    Raises:
        CredentialsError: A field is missing, or is no text that a key can be; no value is in the message.

    """
    values = []
    for name in ("AccessKeyId", "SecretAccessKey"):
        value = document.get(name)
        if not isinstance(value, str) or not value.strip():
            raise CredentialsError(f"{source} gives no {name}")
        values.append(value)
    session_token, expiration = document.get(token), document.get("Expiration")
    if session_token is not None and not isinstance(session_token, str):
        raise CredentialsError(f"{source} gives a {token} that is no text")
    trouble = ""
    try:
        PartialCredentials(source, values[0], values[1], session_token)
    except ValueError as error:
        trouble = str(error)
    if trouble:
        raise CredentialsError(trouble)
    end = None if expiration is None else moment(expiration, source)
    return Credentials(values[0], values[1], session_token or None, end)


def moment(value: object, source: str) -> datetime:
    """Read a time as RFC 3339 has it.

    Raises:
        CredentialsError: It is none, or names no time zone.

    """
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise CredentialsError(f"{source} gives an expiration that is no time in RFC 3339's form")
    return parsed
