"""An identity that a program prints: the ``credential_process`` of a profile."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
from asyncio import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.service import credentials_of, json_object
from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp_s3_client.models import Credentials

__all__ = ("ProcessCredentials",)

# No program prints so much JSON about one identity. In bytes.
_LIMIT: Final = 64 * 1024
# So much of the end of what it complains about is shown: there a traceback has its reason. In bytes.
_SHOWN: Final = 1000
# How long a program that was killed may take to end; one of another user's (sudo) cannot be killed. In seconds.
_GRACE: Final = 2.0
_STDOUT: Final = 1


class ProcessCredentials(RefreshingCredentials):
    """Credentials that a program prints as JSON, run again before they expire; without an expiration it runs once.

    The program is run without a shell, with nothing to read on its stdin, and in a session of its own, so that it can
    be killed together with what it starts.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """

    def __init__(
        self, command: str | Sequence[str], *, timeout: float = 60.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Take the program and its arguments, as a profile writes them or one by one.

        Args:
            command: One line, which is split as a shell would (on Windows a backslash is nothing special, and only
                double quotes quote), or the program and each of its arguments.
            timeout: After so many seconds the program is killed.
            clock: Gives seconds since the epoch.

        Raises:
            ValueError: The command is empty, or a quote in it does not close. Its text is not in the message.

        """
        super().__init__(clock=clock)
        self._arguments = _split(command) if isinstance(command, str) else tuple(command)
        if not self._arguments:
            raise ValueError("the command of a credential_process is empty")
        self._timeout = timeout

    def __repr__(self) -> str:
        """Show the program, but not its arguments: these may be secrets."""
        return f"<{type(self).__name__} program={self._arguments[0]!r}>"

    async def _fetch(self) -> Credentials:
        """Run the program and read what it prints.

        Raises:
            CredentialsError: It cannot be started, takes too long, fails, or prints something else; nothing of what it
                prints on its stdout is in the message.

        """
        name = f"credential_process {self._arguments[0]!r}"
        try:
            output = await _run(self._arguments, self._timeout)
        except TimeoutError:
            raise CredentialsError(f"{name} did not end within {self._timeout:g} seconds, and was killed") from None
        except NotImplementedError as error:
            raise CredentialsError(f"{name} cannot be started: this event loop runs no programs") from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "a NUL character in its command"
            raise CredentialsError(f"{name} cannot be started: {reason}") from error
        if output.is_too_long:
            raise CredentialsError(f"{name} prints more than {_LIMIT // 1024} KiB, and was killed")
        if output.status != 0:
            raise CredentialsError(f"{name} {_ending(output.status)}: {output.complaint or 'nothing on its stderr'}")
        # Windows programs like to begin with a byte order mark.
        document = json_object(output.stdout.decode("utf-8-sig", "replace"), name)
        if document.get("Version") != 1:
            raise CredentialsError(f"{name} gives JSON of another Version than 1, the only one that is known")
        return credentials_of(document, name, token="SessionToken")  # noqa: S106 - the field's name


class _Output(asyncio.SubprocessProtocol):
    """What a program prints; no more of it is kept than is of use."""

    def __init__(self) -> None:
        self.stdout = bytearray()
        self.status: int | None = None
        self.is_over = False
        # Nothing more is worth waiting for: it is over, or too long.
        self.done = asyncio.Event()
        self.exited = asyncio.Event()
        self._stderr = bytearray()

    @property
    def is_too_long(self) -> bool:
        """Whether it printed more than any identity needs."""
        return len(self.stdout) > _LIMIT

    @property
    def complaint(self) -> str:
        """The end of what is on its stderr, in one line and without control characters."""
        text = self._stderr.decode("utf-8", "replace")
        line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
        return f"...{line}" if len(self._stderr) >= _SHOWN else line

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep the beginning of its stdout, and the end of its stderr."""
        if fd != _STDOUT:
            self._stderr += data
            del self._stderr[:-_SHOWN]
        elif not self.is_too_long:
            self.stdout += data
            if self.is_too_long:
                self.done.set()

    def process_exited(self) -> None:
        """It has ended; what it started may still write."""
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, and nobody writes any more."""
        del exc
        self.is_over = True
        self.done.set()


_Starting: TypeAlias = "asyncio.Task[tuple[asyncio.SubprocessTransport, _Output]]"


async def _run(arguments: Sequence[str], seconds: float) -> _Output:
    """Run a program until it ends or prints too much; however this is left, the program does not go on.

    Raises:
        TimeoutError: It did not end in time.
        NotImplementedError: The event loop cannot do it.
        OSError, ValueError: It cannot be started.

    """
    loop = asyncio.get_running_loop()
    starting = loop.create_task(
        loop.subprocess_exec(
            _Output,
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    )
    try:
        async with asyncio.timeout(seconds):
            # A start that is broken off leaves a program that nobody knows.
            transport, output = await asyncio.shield(starting)
            await output.done.wait()
            output.status = transport.get_returncode()
    finally:
        await _end(starting)
    return output


async def _end(starting: _Starting) -> None:
    """Kill a program that is not over, with all that it started, and wait until the system has let go of it."""
    while not starting.done():
        # A second cancellation does not make it less needed.
        with suppress(asyncio.CancelledError):
            await asyncio.wait([starting])
    if starting.cancelled() or starting.exception() is not None:
        return
    transport, output = starting.result()
    try:
        if not output.is_over:
            _kill(transport)
            async with asyncio.timeout(_GRACE):
                await output.exited.wait()
    except TimeoutError:
        pass
    finally:
        with suppress(PermissionError):
            transport.close()


def _kill(transport: asyncio.SubprocessTransport) -> None:
    """Kill a program, and where the system can, the group of all that it started."""
    # It may have ended by itself, or have become another user's.
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            transport.kill()
        else:
            os.killpg(transport.get_pid(), signal.SIGKILL)


def _ending(status: int | None) -> str:
    """Say how a program ended that did not end well."""
    if status is not None and status < 0:
        return f"was ended by signal {-status}"
    return f"ended with status {status}"


def _split(command: str) -> tuple[str, ...]:
    """Split a line into the program and its arguments.

    Raises:
        ValueError: A quote does not close.

    """
    try:
        if sys.platform != "win32":
            return tuple(shlex.split(command))
        return tuple(word.strip('"') for word in shlex.split(command, posix=False))
    except ValueError:
        pass
    raise ValueError("a quote in the command of a credential_process does not close")
