"""The S3 server that the tests talk to: the embedded one, or the one that ``S3_URL`` names."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from aiohttp_s3_client.testing import LocalS3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@dataclass(frozen=True, slots=True)
class S3Server:
    """Where a server is, and who may use it."""

    url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    is_local: bool


def server_from_environment(environment: Mapping[str, str]) -> S3Server | None:
    """Read ``S3_URL``, with the credentials in it or in the usual ``AWS_*`` variables."""
    if not environment.get("S3_URL"):
        return None
    url = URL(environment["S3_URL"])
    return S3Server(
        url=str(url.with_user(None)).rstrip("/"),
        access_key_id=url.user or environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=url.password or environment["AWS_SECRET_ACCESS_KEY"],
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
        is_local=False,
    )


@asynccontextmanager
async def local_server() -> AsyncIterator[S3Server]:
    """Run the embedded server."""
    async with LocalS3() as server:
        yield S3Server(
            url=server.url,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            region=server.region,
            is_local=True,
        )
