"""What the tests of providers share: services on loopback that give credentials, a scripted provider, a held clock."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client import Credentials
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from tests.network.clients import NOON, ManualTime
from tests.scripted import Choose, Reply, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.scripted import Received, Step

__all__ = ("HTML", "SECRET", "TOKEN", "HeldTime", "Scripted", "document", "lasting", "service")

SECRET: Final = "hunter2hunter2"
TOKEN: Final = "to7ken/to7ken"
HTML: Final = Reply(200, {"Content-Type": "text/html"}, f"<html><body>{SECRET} {TOKEN}</body></html>".encode())

# Only a failing test waits so long. In seconds.
_PATIENCE: Final = 5.0


def lasting(seconds: float, name: str = "id") -> Credentials:
    """Give credentials that expire so long after noon."""
    return Credentials(name, SECRET, TOKEN, datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=seconds))


def document(name: str = "id", *, seconds: float = 6 * 3600, **changes: object) -> Reply:
    """Answer with credentials as AWS's services on the link do; a change to None leaves a field out."""
    fields: dict[str, object] = {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": name,
        "SecretAccessKey": SECRET,
        "Token": TOKEN,
        "Expiration": (datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    } | changes
    content = json.dumps({name: value for name, value in fields.items() if value is not None})
    return Reply(200, {"Content-Type": "text/plain"}, content.encode())


def service(steps: dict[str, Sequence[Step]]) -> ScriptedServer:
    """Make a server that has a script for each path, of which the last step is played again and again."""
    scripts = {path: list(script) for path, script in steps.items()}

    def choose(request: Received) -> Step:
        script = scripts.get(request.path, [Reply(404)])
        return script.pop(0) if len(script) > 1 else script[0]

    return ScriptedServer(then=Choose(choose))


class Scripted(RefreshingCredentials):
    """A provider that gives one thing after the other, and counts how often it is asked for them.

    A fetch ends only while ``gate`` is open, as it is at first.
    """

    def __init__(self, time: ManualTime | HeldTime, *outcomes: Credentials | Exception) -> None:
        """Take what each fetch gives, or raises."""
        super().__init__(clock=time.clock, sleep=time.sleep)
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._outcomes = iter(outcomes)

    async def _fetch(self) -> Credentials:
        """Give the next one."""
        self.fetches += 1
        await self.gate.wait()
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def settled(self) -> None:
        """Wait until the fetch that goes on in the background has ended."""
        task = self._fetching._task
        assert task is not None
        await asyncio.wait([task], timeout=_PATIENCE)


@dataclass(slots=True)
class HeldTime:
    """A clock that stands still, and sleeps that last until the test lets them end."""

    now: float = NOON
    _sleeps: asyncio.Queue[tuple[float, asyncio.Future[None]]] = field(default_factory=asyncio.Queue)

    def clock(self) -> float:
        """Give the seconds since the epoch."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait for the test."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleeps.put_nowait((seconds, ended))
        await ended

    async def end_sleep(self, *, suspended: float = 0.0) -> float:
        """Wait until somebody sleeps, move the clock, and end the sleep; its seconds come back.

        ``suspended`` is how much longer the clock went on, as it does when the machine was suspended meanwhile.
        """
        async with asyncio.timeout(_PATIENCE):
            seconds, ended = await self._sleeps.get()
        self.now += seconds + suspended
        if not ended.done():
            ended.set_result(None)
        return seconds

    async def end_sleeps(self, until: float) -> list[float]:
        """End sleeps until the clock shows ``until`` seconds after noon."""
        ended = []
        while self.now < NOON + until:
            ended.append(await self.end_sleep())
        return ended
