"""One SeaweedFS server beside this process: starting it, looking at its log, and having it taken away."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from aiohttp_s3_client.testing.guard import Settings

__all__ = ("LocalS3Error", "ServerProcess")

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 10.0
LOG_LINES = 20


class LocalS3Error(RuntimeError):
    """The local S3 server cannot be started, or cannot do what it was asked for. The message says why."""


class ServerProcess:
    """A server that runs, and the guard that takes it away when :meth:`stop` is called or this process ends."""

    def __init__(self, guard: asyncio.subprocess.Process) -> None:
        """Take over a guard whose standard input and output are pipes."""
        self._guard = guard
        self._input = cast("asyncio.StreamWriter", guard.stdin)
        self._output = cast("asyncio.StreamReader", guard.stdout)
        self._last_answer: asyncio.Task[bytes] | None = None
        self._log = Path()
        self.port = 0

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Start a guard and its server, which needs a moment more until it answers.

        Raises:
            LocalS3Error: the server cannot be run at all.

        """
        guard = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            GUARD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        process = cls(guard)
        try:
            await process._introduce(settings)
        except BaseException:
            await process.stop()
            raise
        return process

    @property
    def ended(self) -> bool:
        """Whether the server has ended by itself."""
        return self._last_answer is not None and self._last_answer.done()

    def last_log_lines(self) -> str:
        """Give what the server wrote last."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    async def stop(self) -> None:
        """End the server and remove its files, which goes on when this call is cancelled.

        Raises:
            LocalS3Error: the guard does not come to an end.

        """
        # A byte says it even when a forked child holds the pipe open too.
        self._input.write(b"\n")
        self._input.close()
        try:
            await asyncio.shield(asyncio.wait_for(self._wait_until_gone(), STOP_SECONDS))
        except TimeoutError:
            raise LocalS3Error(
                f"The local S3 server is not gone after {STOP_SECONDS} s: look at process {self._guard.pid}"
            ) from None

    async def _introduce(self, settings: Settings) -> None:
        """Tell the guard what to run, and hear where it runs."""
        self._input.write(json.dumps(settings).encode() + b"\n")
        line = await self._output.readline()
        try:
            answer = json.loads(line)
        except ValueError:
            text = (line + await self._output.read()).decode(errors="replace")
            raise LocalS3Error(f"The process that guards the local S3 server failed:\n{text}") from None
        if "error" in answer:
            raise LocalS3Error(f"The local S3 server cannot be run: {answer['error']}")
        self.port, self._log = answer["port"], Path(answer["log"])
        self._last_answer = asyncio.create_task(self._output.read(1))

    async def _wait_until_gone(self) -> None:
        await self._guard.wait()
        if self._last_answer is not None:
            await self._last_answer
        # Reading to the end lets the event loop close its side of the pipe.
        await self._output.read()
