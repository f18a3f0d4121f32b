"""This project's client, with a session of its own."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.credentials import CallableCredentials, ChainCredentials
from aiohttp_s3_client.models import Credentials
from aiohttp_s3_client.sigv4 import sign_headers
from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY
from contenders.verbs import VerbsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from aiohttp_s3_client.models import Transferred
    from contenders.base import Pair, Signer
    from shared.job import Job, Target


class OurClient(VerbsClient):
    """The methods for files, with their defaults."""

    def credentials(self) -> Callable[[], Awaitable[Credentials | None]]:
        """A chain that found temporary credentials, which are good for another hour."""
        end = datetime.now(UTC) + timedelta(hours=1)
        found = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up", "made-up", end)
        return ChainCredentials([CallableCredentials(lambda: found)]).get

    async def download(self, name: str, path: Path) -> None:
        """``download``."""
        await self._client.download(name, path)

    async def upload(self, path: Path, name: str) -> None:
        """``upload``."""
        await self._client.upload(path, name)

    async def upload_stream(self, chunks: AsyncIterator[bytes], name: str) -> None:
        """``upload``."""
        await self._client.upload(chunks, name)

    async def download_many(self, pairs: list[Pair]) -> None:
        """``download_many``."""
        async for transferred in self._client.download_many(pairs):
            _judge(transferred)

    async def upload_many(self, pairs: list[Pair]) -> None:
        """``upload_many``."""
        async for transferred in self._client.upload_many(pairs):
            _judge(transferred)


def _judge(transferred: Transferred[Any]) -> None:
    if transferred.error is not None:
        raise transferred.error


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[OurClient]:
    """Make a client with its defaults: its own session opens as many connections as there are requests.

    A certificate to trust is said by the environment: the harness sets ``SSL_CERT_FILE``.
    """
    async with S3Client(
        url=job.target.bucket_url,
        access_key_id=job.target.access_key_id,
        secret_access_key=job.target.secret_access_key,
        region=job.target.region,
    ) as client:
        yield OurClient(client)


def signer(target: Target) -> Signer:
    """Sign as the client does, with the time of each call."""
    credentials = Credentials(target.access_key_id, target.secret_access_key)
    path = f"/{target.bucket}/{SIGNED_KEY}"

    def sign() -> dict[str, str]:
        headers = (("Host", target.host),)
        return sign_headers(
            "GET", path, "", headers, EMPTY_PAYLOAD_HASH, credentials, region=target.region, now=time.time()
        )

    return sign
