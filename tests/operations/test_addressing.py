"""Where the bucket is said: in the object name, in the URL, by keyword, or in the host name; it is all the same."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.testing import LocalS3
from tests.servers import S3Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEYS = ["key", "a/b c+d/é%2F", "e\u0301🦊"]


class LoopbackResolver(AbstractResolver):
    """Finds every host on this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the loopback address."""
        del family
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def server_with_subdomains(bucket: str) -> AsyncIterator[S3Server]:
    """Run an embedded server that takes ``{bucket}.s3.localhost`` for a bucket's address, and give that address."""
    async with LocalS3(buckets=[bucket], domain_name="s3.localhost") as server:
        url = URL(server.url).with_host(f"{bucket}.s3.localhost")
        yield S3Server(
            str(url).rstrip("/"), server.access_key_id, server.secret_access_key, server.region, is_local=True
        )


@asynccontextmanager
async def resolving_session() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a session that needs no name server."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=LoopbackResolver())) as session:
        yield session


@pytest.fixture(
    scope="module",
    params=["in the object name", "in the URL", "in the URL with a slash", "by keyword", "in the host name"],
)
async def addressed(
    request: pytest.FixtureRequest, s3_server: S3Server, bucket: str
) -> AsyncIterator[tuple[S3Client, str]]:
    """Give a client, and what its object names begin with."""
    form: str = request.param
    async with AsyncExitStack() as running:
        server, session = s3_server, None
        if form == "in the host name":
            server = await running.enter_async_context(server_with_subdomains(bucket))
            session = await running.enter_async_context(resolving_session())
        url = server.url + {"in the URL": f"/{bucket}", "in the URL with a slash": f"/{bucket}/"}.get(form, "")
        client = S3Client(
            url,
            session,
            bucket=bucket if form == "by keyword" else None,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            region=server.region,
        )
        yield await running.enter_async_context(client), f"{bucket}/" if form == "in the object name" else ""


@pytest.mark.parametrize("slash", ["", "/"], ids=["without slash", "with slash"])
@pytest.mark.parametrize("key", KEYS, ids=ascii)
async def test_an_object_is_found_however_it_is_addressed(
    addressed: tuple[S3Client, str], key: str, slash: str
) -> None:
    """Put, read, copied, renamed, listed, presigned and deleted; a slash in front of its name says nothing."""
    client, start = addressed
    name = f"{slash}{start}{key}"
    async with client.put(name, b"data") as response:
        assert response.status == 200, await response.text()
    async with client.get(f"{start}{key}") as response:
        assert await response.read() == b"data"
    async with client.copy(name, f"{slash}{start}copy") as response:
        assert response.status == 200, await response.text()
    await client.rename(f"{slash}{start}copy", f"{slash}{start}renamed")
    listed = [
        item.key async for objects, _ in client.list_objects_v2(start.rstrip("/"), max_keys=1) for item in objects
    ]
    assert listed == sorted([key, "renamed"])
    async with client.get(f"{start}renamed") as response:
        assert await response.read() == b"data"
    async with resolving_session() as stranger, stranger.get(client.presign_url("GET", name)) as response:
        assert (response.status, await response.read()) == (200, b"data")
    for used in (name, f"{start}renamed"):
        async with client.delete(used) as response:
            assert response.status == 204


async def test_the_bucket_itself_is_the_empty_name_below_it(addressed: tuple[S3Client, str]) -> None:
    """Where the client is in a bucket."""
    client, start = addressed
    async with client.request("GET", start.rstrip("/"), params={"location": ""}) as response:
        assert response.status == 200
        assert "LocationConstraint" in await response.text()
