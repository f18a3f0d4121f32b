"""Questions to a service on the link, asked again where that may help; and the words for what it then says."""

from __future__ import annotations

import logging
import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from yarl import URL

from aiohttp_s3_client.config import RetryPolicy
from aiohttp_s3_client.credentials.service import Answer, Unreachable, ask, json_object
from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

__all__ = ("ask_patiently", "is_page", "is_passing", "json_answer", "page_error", "unexpected")

_log = logging.getLogger(__name__)

# The waits between attempts: a service on the link is back soon, or not at all. In seconds.
_FIRST_WAIT: Final = 0.2
_LONGEST_WAIT: Final = 1.0


async def ask_patiently(
    method: str,
    url: str,
    *,
    seconds: float,
    attempts: int,
    sleep: Callable[[float], Awaitable[None]],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask until there is an answer other than 429 and 5xx, ``attempts`` times at most, each within ``seconds``.

    The last answer comes back, whatever it is.

    Raises:
        Unreachable: Nobody answered the last attempt.
        CredentialsError: An answer is too long, or no text, or no HTTP.

    """
    host = URL(url, encoded=True).authority
    for wait in RetryPolicy(attempts, _FIRST_WAIT, _LONGEST_WAIT).delays(random.random):
        try:
            answer = await ask(method, url, seconds=seconds, headers=headers)
        except Unreachable as error:
            _log.debug("%s does not answer (%s), asked again in %.2f s", host, type(error.__cause__).__name__, wait)
        else:
            if not is_passing(answer.status):
                return answer
            _log.debug("%s answers with status %d, asked again in %.2f s", host, answer.status, wait)
        await sleep(wait)
    return await ask(method, url, seconds=seconds, headers=headers)


def is_passing(status: int) -> bool:
    """Say whether the same question may have another answer a moment later."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def unexpected(answer: Answer, source: str) -> CredentialsError:
    """Give the error for an answer that is no success, in words that fit every service."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return CredentialsError(f"{source} is asked too often (status 429), also after waiting: try again later")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return CredentialsError(f"{source} fails (status {answer.status}), in all attempts")
    if answer.status == HTTPStatus.BAD_REQUEST:
        return CredentialsError(f"{source} does not understand the request (status 400)")
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return CredentialsError(f"{source} sends elsewhere (status {answer.status}), and is not followed")
    return CredentialsError(f"{source} answers with status {answer.status}")


def json_answer(answer: Answer, source: str) -> Mapping[str, Any]:
    """Read the JSON object in an answer.

    Raises:
        CredentialsError: It is a page of HTML, or something else; not a word of it is in the message.

    """
    if is_page(answer):
        raise page_error(source)
    return json_object(answer.text, source)


def is_page(answer: Answer) -> bool:
    """Say whether it is a page for a browser, as proxies and login pages of networks send."""
    return answer.text.lstrip("\ufeff \t\r\n").startswith("<")


def page_error(source: str) -> CredentialsError:
    """Give the error for such a page."""
    return CredentialsError(f"{source} answers with a page of HTML: a proxy or a login page is in its place")
