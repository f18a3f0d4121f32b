"""Clients of a scripted server, in a time that only the tests move."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client import ClientConfig, Credentials, RetryPolicy, S3Client, Timeouts
from aiohttp_s3_client.sigv4 import UNSIGNED_PAYLOAD, sign_headers
from aiohttp_s3_client.transport import S3Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

    from tests.scripted import Received, ScriptedServer

__all__ = ("ACCESS_KEY_ID", "NOON", "SECRET", "TOKEN", "ManualTime", "fetch", "opened", "signature_holds")

ACCESS_KEY_ID: Final = "AKIDEXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN: Final = "a/session+token="
REGION: Final = "eu-west-1"
NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


@dataclass(slots=True)
class ManualTime:
    """A clock that stands still but for ``sleep``, which takes no time and is written down."""

    now: float = NOON
    waits: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Give the seconds since the epoch."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.waits.append(seconds)
        self.now += seconds


@asynccontextmanager
async def opened(
    server: ScriptedServer,
    *,
    time: ManualTime | None = None,
    retry: RetryPolicy | None = None,
    timeouts: Timeouts | None = None,
    session: aiohttp.ClientSession | None = None,
    session_token: str | None = None,
) -> AsyncIterator[S3Client]:
    """Give a client of ``server``, whose object names are keys, and see that it leaves no connection in use."""
    client = S3Client(
        f"{server.url}/bucket",
        session,
        region=REGION,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET,
        session_token=session_token,
        config=ClientConfig(retry=retry or RetryPolicy(), timeouts=timeouts or Timeouts()),
    )
    moment = time or ManualTime()
    transport = client._transport
    transport.clock, transport._sleep = moment.clock, moment.sleep
    async with AsyncExitStack() as running:
        await running.enter_async_context(client)
        yield client
        assert transport._session is not None
        assert transport._session.connector is not None
        # aiohttp frees a connection in a callback of the task that wrote to it.
        await asyncio.sleep(0)
        assert not transport._session.connector._acquired, "a connection is still in use"
    if session is None:
        server.release()
        await server.until(lambda server: server.open_connections == 0)


async def fetch(client: S3Client, method: str = "GET", object_name: str = "key") -> bytes:
    """Send a request as the operations do, which judge the answer."""
    return (await client._transport.fetch(S3Request(method, object_name))).body


def signature_holds(request: Received, session_token: str | None = None) -> bool:
    """Compute a request's signature again, from what came over the wire, as the store does."""
    authorization = request.headers["Authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z").timestamp()
    payload_hash = request.headers["x-amz-content-sha256"]
    expected = sign_headers(
        request.method,
        request.path,
        request.query,
        [(name, request.headers[name]) for name in names],
        payload_hash,
        Credentials(ACCESS_KEY_ID, SECRET, session_token),
        region=REGION,
        now=moment,
    )
    return (
        authorization == expected["authorization"]
        and request.headers.get("x-amz-security-token") == session_token
        and payload_hash in {UNSIGNED_PAYLOAD, hashlib.sha256(request.body).hexdigest()}
    )
