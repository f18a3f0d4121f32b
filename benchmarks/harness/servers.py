"""The servers that the contenders talk to: started for the benchmark, stopped after it, on the loopback interface."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.testing import LocalS3
from harness.pages import write_pages
from shared.job import Target
from shared.objects import READ_FOLDER, SMALL_BODY, SMALL_COUNT, small_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

HOST: Final = "127.0.0.1"
BUCKET: Final = "bench"
CONFIGURATION: Final = Path(__file__).parent.parent / "nginx.conf"
START_SECONDS: Final = 10.0
NGINX_MISSING: Final = (
    "nginx is not installed. On Debian and Ubuntu: apt-get install --no-install-recommends nginx-light "
    "(any other nginx 1.19.5 or newer will do). Its own service need not run."
)


class ServerError(Exception):
    """A server cannot be started; the message says what to do."""


@asynccontextmanager
async def offline() -> AsyncIterator[Target]:
    """Name a server that nobody connects to: a signature needs its name only."""
    yield _target("http://127.0.0.1:9000")


@asynccontextmanager
async def nginx() -> AsyncIterator[Target]:
    """Run nginx by ``nginx.conf``, which checks no signature and keeps nothing."""
    program = find_nginx()
    with tempfile.TemporaryDirectory(prefix="aiohttp-s3-client-bench-") as folder:
        port = await asyncio.to_thread(_prepare, Path(folder))
        command = (program, "-e", "stderr", "-p", f"{folder}/", "-c", f"{folder}/nginx.conf")
        process = await asyncio.create_subprocess_exec(*command)
        try:
            await _answers(process, port)
            yield _target(f"http://{HOST}:{port}")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@asynccontextmanager
async def seaweedfs() -> AsyncIterator[Target]:
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
                async with client.put(small_name(READ_FOLDER, number), SMALL_BODY) as response:
                    response.raise_for_status()
        yield target


SERVERS: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[Target]]]] = {
    "offline": offline,
    "nginx": nginx,
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


def _prepare(folder: Path) -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    shutil.copy(CONFIGURATION, folder)
    (folder / "listen.conf").write_text(f"listen {HOST}:{port};\n")
    data = folder / "data"
    write_pages(data / "pages", BUCKET)
    (data / "small.bin").write_bytes(SMALL_BODY)
    return port


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
