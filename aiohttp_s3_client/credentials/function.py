"""The identity that a function of the user's gives."""

from __future__ import annotations

import asyncio
import inspect
import time
from datetime import datetime
from typing import TYPE_CHECKING

from aiohttp_s3_client.credentials.partial import PartialCredentials
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.errors import CredentialsError
from aiohttp_s3_client.models import Credentials
from aiohttp_s3_client.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ("CallableCredentials",)


class CallableCredentials(RefreshingCredentials):
    """What a function gives, asked again before its ``expiration``; without one, it is asked once.

    The function takes nothing, and gives ``Credentials``. It may be a coroutine function; a plain one runs in a thread,
    so it may read files or ask a service of its own. However many requests wait, it runs once at a time.

    ``get`` raises ``CredentialsError`` for what it raises, which is the cause, and where it gives something else.
    """

    def __init__(
        self,
        function: Callable[[], Credentials] | Callable[[], Awaitable[Credentials]],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the function.

        Raises:
            TypeError: It cannot be called.

        """
        if not callable(function):
            raise TypeError(f"function is a {type(function).__name__}, and cannot be called")
        super().__init__(clock=clock, sleep=sleep)
        self._function = function
        self._name = getattr(function, "__qualname__", type(function).__name__)

    async def _fetch(self) -> Credentials:
        """Call the function, and check what it gives."""
        if inspect.iscoroutinefunction(self._function):
            given = self._called()
        else:
            given = await in_thread(self._called)
        if inspect.isawaitable(given):
            try:
                given = await given
            except CredentialsError:
                raise
            except Exception as error:
                raise self._failure(error) from error
        return self._checked(given)

    def _called(self) -> object:
        """Call the function."""
        # Its own errors stay in the thread: a StopIteration cannot come out of it, and would be waited for for ever.
        try:
            return self._function()
        except CredentialsError:
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> CredentialsError:
        # What it says may hold a secret; it is in the cause.
        return CredentialsError(f"the function {self._name} gives no credentials: {type(error).__name__}")

    def _checked(self, given: object) -> Credentials:
        """See that requests can be signed with it."""
        if not isinstance(given, Credentials):
            raise CredentialsError(f"the function {self._name} gives a {type(given).__name__}, not Credentials")
        trouble = ""
        try:
            PartialCredentials(
                f"the function {self._name}", given.access_key_id, given.secret_access_key, given.session_token
            )
        except (TypeError, ValueError) as error:
            trouble = str(error)
        if trouble:
            raise CredentialsError(trouble)
        end: object = given.expiration
        if end is not None and (not isinstance(end, datetime) or end.tzinfo is None):
            raise CredentialsError(
                f"the function {self._name} gives an expiration that is no datetime with a time zone"
            )
        return given
