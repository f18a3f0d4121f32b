"""The servers that the contenders talk to: started for the benchmark, stopped after it, on the loopback interface."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trustme

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.testing import LocalS3
from harness.pages import write_pages
from shared.job import Target
from shared.objects import READ_FOLDER, SMALL_BODY, SMALL_COUNT, TRANSFER_FOLDER, small_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from harness.plan import Load
    from harness.stock import Stock

HOST: Final = "127.0.0.1"
BUCKET: Final = "bench"
CONFIGURATION: Final = Path(__file__).parent.parent / "nginx.conf"
# nginx makes a buffer for each body. Memory that glibc would give back to the system each time, and get anew page by
# page, takes longer than what goes into it, and would be measured as the client's.
MEMORY: Final = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "2147483648"}
START_SECONDS: Final = 10.0
NGINX_MISSING: Final = (
    "nginx is not installed. On Debian and Ubuntu: apt-get install --no-install-recommends nginx-light "
    "(any other nginx 1.19.5 or newer will do). Its own service need not run."
)


class ServerError(Exception):
    """A server cannot be started; the message says what to do."""


@asynccontextmanager
async def offline(_stock: Stock, _load: Load) -> AsyncIterator[Target]:
    """Name a server that nobody connects to: a signature needs its name only."""
    yield _target("http://127.0.0.1:9000")


@asynccontextmanager
async def nginx(stock: Stock, load: Load) -> AsyncIterator[Target]:
    """Run nginx by ``nginx.conf``, which checks no signature and keeps nothing, over plain HTTP."""
    async with _running_nginx(stock, load) as (folder, port, _):
        yield replace(_target(f"http://{HOST}:{port}"), upload_log=str(folder / "stored.log"))


@asynccontextmanager
async def nginx_tls(stock: Stock, load: Load) -> AsyncIterator[Target]:
    """Run it over TLS, with a certificate of an authority that is made for it."""
    async with _running_nginx(stock, load) as (folder, _, port):
        target = _target(f"https://{HOST}:{port}")
        yield replace(target, upload_log=str(folder / "stored.log"), ca_file=str(folder / "authority.pem"))


@asynccontextmanager
async def _running_nginx(stock: Stock, load: Load) -> AsyncIterator[tuple[Path, int, int]]:
    """Give nginx's folder, and its ports for plain HTTP and for TLS."""
    program = find_nginx()
    with tempfile.TemporaryDirectory(prefix="aiohttp-s3-client-bench-") as name:
        folder = Path(name)
        ports = await asyncio.to_thread(_prepare, folder, stock, load)
        command = (program, "-e", "stderr", "-p", f"{folder}/", "-c", f"{folder}/nginx.conf")
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **MEMORY})
        try:
            await _answers(process, ports[0])
            yield folder, *ports
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@asynccontextmanager
async def seaweedfs(stock: Stock, load: Load) -> AsyncIterator[Target]:
    """Run SeaweedFS, a real S3 server, and put the objects there that will be read."""
    async with LocalS3(buckets=[BUCKET]) as server:
        target = Target(
            endpoint=server.url,
            bucket=BUCKET,
            region=server.region,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            keeps_objects=True,
        )
        async with S3Client(
            target.bucket_url,
            access_key_id=target.access_key_id,
            secret_access_key=target.secret_access_key,
            region=target.region,
        ) as client:
            for number in range(SMALL_COUNT):
                await client.write(small_name(READ_FOLDER, number), SMALL_BODY)
            for path in await asyncio.to_thread(_files, stock, load):
                await client.upload(path, f"{TRANSFER_FOLDER}/{path.relative_to(stock.folder)}")
        yield target


SERVERS: Final[Mapping[str, Callable[[Stock, Load], AbstractAsyncContextManager[Target]]]] = {
    "offline": offline,
    "nginx": nginx,
    "nginx-tls": nginx_tls,
    "seaweedfs": seaweedfs,
}


def find_nginx() -> str:
    """Give nginx's path.

    Raises:
        ServerError: it is not installed.

    """
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise ServerError(NGINX_MISSING)
    return program


def _target(endpoint: str) -> Target:
    return Target(
        endpoint=endpoint,
        bucket=BUCKET,
        region="us-east-1",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",  # noqa: S106 - the example of AWS's own manual
        keeps_objects=False,
    )


def _prepare(folder: Path, stock: Stock, load: Load) -> tuple[int, int]:
    with socket.create_server((HOST, 0)) as plain, socket.create_server((HOST, 0)) as tls:
        ports: tuple[int, int] = plain.getsockname()[1], tls.getsockname()[1]
    shutil.copy(CONFIGURATION, folder)
    _certify(folder)
    (folder / "listen.conf").write_text(
        f"listen {HOST}:{ports[0]};\nlisten {HOST}:{ports[1]} ssl;\n"
        "ssl_certificate server.pem;\nssl_certificate_key server.pem;\n"
    )
    data = folder / "data"
    (data / BUCKET).mkdir(parents=True)
    (data / BUCKET / TRANSFER_FOLDER).symlink_to(stock.folder)
    _files(stock, load)
    if load.listing:
        write_pages(data / "pages", BUCKET)
    (data / "small.bin").write_bytes(SMALL_BODY)
    return ports


def _certify(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))


def _files(stock: Stock, load: Load) -> list[Path]:
    large = [stock.large(load.size)] if load.size else []
    return large + (stock.files(load.files) if load.files else [])


async def _answers(process: asyncio.subprocess.Process, port: int) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
    message = f"nginx ended at its start with code {process.returncode}; what it wrote is above"
    raise ServerError(message)
