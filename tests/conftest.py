"""What all tests share: the event loop to run on, an environment without credentials, and a real S3 server."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import nullcontext
from typing import TYPE_CHECKING

import aiohttp
import hypothesis
import pytest

from aiohttp_s3_client import S3Client
from tests.network.links import Link
from tests.servers import S3Server, local_server, server_from_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path


# How long an example takes is the machine's business.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose the event loop that all tests run on."""
    parser.addoption("--event-loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop to run on")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tell pytest-asyncio how the chosen event loop is made."""
    del item
    if config.getoption("--event-loop") == "asyncio":
        return {"asyncio": asyncio.new_event_loop}
    uvloop = pytest.importorskip("uvloop")
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def outer_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Hide the developer's own AWS settings from all tests, and give the environment as it was."""
    outer = dict(os.environ)
    nowhere: Path = tmp_path_factory.mktemp("no-aws")
    with pytest.MonkeyPatch.context() as patch:
        for name in outer:
            if name.startswith("AWS_"):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield outer


@pytest.fixture(scope="session")
async def s3_server(outer_environment: Mapping[str, str]) -> AsyncIterator[S3Server]:
    """Give the server of ``S3_URL``, or else start the embedded one for the whole run."""
    named = server_from_environment(outer_environment)
    async with local_server() if named is None else nullcontext(named) as server:
        yield server


@pytest.fixture(scope="session")
def s3_url(s3_server: S3Server) -> str:
    """Give the server's address, without credentials and without a bucket."""
    return s3_server.url


@pytest.fixture(scope="session")
async def client(s3_server: S3Server) -> AsyncIterator[S3Client]:
    """Give a client of the whole server: its object names begin with a bucket."""
    async with S3Client(
        url=s3_server.url,
        access_key_id=s3_server.access_key_id,
        secret_access_key=s3_server.secret_access_key,
        region=s3_server.region,
    ) as client:
        yield client


@pytest.fixture(scope="module")
async def bucket(client: S3Client, s3_server: S3Server) -> AsyncIterator[str]:
    """Give an empty bucket of this module's own, and remove it from a server that stays."""
    name = f"test-{secrets.token_hex(8)}"
    async with client.request("PUT", name) as response:
        response.raise_for_status()
    yield name
    if not s3_server.is_local:
        await remove_bucket(client, name)


async def remove_bucket(client: S3Client, name: str) -> None:
    """Delete a bucket with everything in it."""
    async for objects, _ in client.list_objects_v2(name):
        for item in objects:
            async with client.delete(f"{name}/{item.key}") as response:
                response.raise_for_status()
    async with client.request("DELETE", name) as response:
        response.raise_for_status()


@pytest.fixture(params=["own", "given"])
async def session(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession | None]:
    """Give no session, so that the client makes one, or a plain one of the caller's."""
    if request.param == "own":
        yield None
        return
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture(scope="session")
def tls() -> Link:
    """Give TLS, with a certificate of the tests' own."""
    return Link.over_tls()


@pytest.fixture(params=["plain", "tls"])
def link(request: pytest.FixtureRequest, tls: Link) -> Link:
    """Give plain TCP, and TLS."""
    return Link() if request.param == "plain" else tls
