"""``LocalS3`` on its own: it serves, it checks, it says what is wrong, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.testing import LocalS3, LocalS3Error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WAIT_SECONDS = 20.0

WAITING_SCRIPT = """
import asyncio
from aiohttp_s3_client.testing import LocalS3

async def main():
    async with LocalS3() as server:
        print(server.url, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""

FORKING_SCRIPT = """
import asyncio, os, signal
from aiohttp_s3_client.testing import LocalS3

async def main():
    async with LocalS3():
        child = os.fork()
        if child == 0:
            signal.pause()
        print(child, flush=True)
    print("the block has ended", flush=True)

asyncio.run(main())
"""

needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc")


def client_of(server: LocalS3, *, secret_access_key: str | None = None) -> S3Client:
    """Make a client of a server, perhaps with a secret that is not the right one."""
    return S3Client(
        url=server.url,
        access_key_id=server.access_key_id,
        secret_access_key=secret_access_key or server.secret_access_key,
        region=server.region,
    )


def processes_below(folder: Path) -> list[str]:
    """Give the command lines of the processes whose temporary folder is ``folder``."""
    found = []
    wanted = b"TMPDIR=" + os.fsencode(folder)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is true, and fail when it does not get true."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - nothing tells of the end of somebody else's processes
            await asyncio.sleep(0.01)


def is_empty(folder: Path) -> bool:
    """Whether no file is left."""
    return not list(folder.iterdir())


def is_gone(folder: Path) -> bool:
    """Whether nothing of a server is left: no process, no file."""
    return not processes_below(folder) and is_empty(folder)


def has_started(folder: Path) -> bool:
    """Whether the server's own process runs."""
    return any("-s3.port=" in command for command in processes_below(folder))


def sockets_of(url: str) -> list[Path]:
    """Give the files that SeaweedFS keeps outside of the temporary folder for the server at an address."""
    port = URL(url).port or 0
    return [path for number in (port, port + 10_000) for path in Path("/tmp").glob(f"seaweedfs-*-{number}.sock")]  # noqa: S108


def is_listening(url: str) -> bool:
    """Whether somebody takes connections at an address."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", URL(url).port or 0)) == 0


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[LocalS3]:
    """Give one server with a bucket, for the tests that only talk to it."""
    async with LocalS3(buckets=["demo"]) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that all temporary files of this test go to."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


async def run(script: str, folder: Path) -> asyncio.subprocess.Process:
    """Run a program whose temporary files go to a folder."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(folder)},
    )


async def line_printed_by(script: asyncio.subprocess.Process) -> str:
    """Wait for a line that the program prints."""
    assert script.stdout is not None
    async with asyncio.timeout(WAIT_SECONDS):
        return (await script.stdout.readline()).decode().strip()


@pytest.fixture
async def waiting_script(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program that starts a server, prints its address and waits."""
    process = await run(WAITING_SCRIPT, folder)
    yield process
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_server_stores_objects(server: LocalS3) -> None:
    """What is put into the server comes back."""
    async with client_of(server) as client:
        async with client.put("demo/key", b"value") as response:
            assert response.status == 200
        async with client.get("demo/key") as response:
            assert await response.read() == b"value"


async def test_server_refuses_a_wrong_secret(server: LocalS3) -> None:
    """Signatures are checked, so that a test of them means something."""
    async with client_of(server, secret_access_key="wrong") as client, client.get("demo/key") as response:
        assert response.status == 403


async def test_server_refuses_an_unsigned_request(server: LocalS3) -> None:
    """Nobody gets in without credentials."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/demo/key") as response:
        assert response.status == 403


async def test_server_does_not_make_unknown_buckets(server: LocalS3) -> None:
    """An object goes into a bucket that exists, as with AWS."""
    async with client_of(server) as client, client.put("unknown/key", b"value") as response:
        assert response.status == 404


async def test_bucket_can_be_made_later(server: LocalS3) -> None:
    """``create_bucket`` makes a bucket that objects can go into."""
    await server.create_bucket("later")
    async with client_of(server) as client, client.put("later/key", b"value") as response:
        assert response.status == 200


async def test_refused_bucket_is_an_error(server: LocalS3) -> None:
    """A name that S3 does not allow is told with the server's reason."""
    with pytest.raises(LocalS3Error, match="InvalidBucketName"):
        await server.create_bucket("A")


async def test_running_server_cannot_be_started_again(server: LocalS3) -> None:
    """One object is one server."""
    with pytest.raises(LocalS3Error, match="running already"):
        await server.__aenter__()


async def test_repr_has_the_address_and_no_secret(server: LocalS3) -> None:
    """A server in a traceback or a log gives nothing away."""
    assert server.url in repr(server)
    assert server.secret_access_key not in repr(server)


async def test_address_is_known_only_while_running() -> None:
    """Asking too early is answered with what to do."""
    with pytest.raises(LocalS3Error, match="async with"):
        _ = LocalS3().url


async def test_two_servers_do_not_disturb_each_other(server: LocalS3) -> None:
    """A second server has its own address, credentials and buckets."""
    async with LocalS3(buckets=["other"]) as second:
        assert second.url != server.url
        assert second.secret_access_key != server.secret_access_key
        async with client_of(second) as client, client.get("demo") as response:
            assert response.status == 404
    async with client_of(server) as client, client.get("demo") as response:
        assert response.status == 200


class LoopbackResolver(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Answer 127.0.0.1."""
        del family
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


async def test_domain_name_makes_buckets_subdomains() -> None:
    """With ``domain_name`` the first label of the host is the bucket."""
    async with (
        LocalS3(buckets=["demo"], domain_name="s3.test") as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=LoopbackResolver())) as session,
    ):
        client = S3Client(
            url=f"http://demo.s3.test:{URL(server.url).port}",
            session=session,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            region=server.region,
        )
        async with client.put("key", b"value") as response:
            assert response.status == 200
        async with client_of(server) as path_style, path_style.get("demo/key") as response:
            assert await response.read() == b"value"


@needs_proc
async def test_nothing_is_left_after_the_block(folder: Path) -> None:
    """The end of the block is the end of processes, files and sockets."""
    async with LocalS3(buckets=["demo"]) as server:
        url = server.url
        assert has_started(folder)
        assert sockets_of(url)
    assert is_gone(folder)
    assert not sockets_of(url)
    assert not is_listening(url)


@needs_proc
async def test_nothing_is_left_after_an_exception(folder: Path) -> None:
    """An exception in the block comes out as itself, and the server goes."""

    async def fail_inside() -> None:
        async with LocalS3():
            raise LookupError

    with pytest.raises(LookupError):
        await fail_inside()
    assert is_gone(folder)


@needs_proc
async def test_nothing_is_left_after_a_cancelled_start(folder: Path) -> None:
    """A start that is cancelled in the middle takes the half-started server away."""
    start = asyncio.create_task(LocalS3().__aenter__())
    await eventually(lambda: has_started(folder))
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert is_gone(folder)


@needs_proc
async def test_nothing_is_left_after_a_cancelled_block(folder: Path) -> None:
    """Cancelling the task that uses a server takes the server away."""
    entered = asyncio.Event()

    async def use() -> None:
        async with LocalS3():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_gone(folder)


@needs_proc
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_after_the_program_is_ended(
    sent: signal.Signals, waiting_script: asyncio.subprocess.Process, folder: Path
) -> None:
    """However a program ends, by Ctrl-C or by force, its server ends too."""
    url = await line_printed_by(waiting_script)
    assert has_started(folder)
    waiting_script.send_signal(sent)
    await eventually(lambda: is_gone(folder))
    assert not sockets_of(url)
    assert not is_listening(url)


@needs_proc
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
async def test_nothing_is_left_after_the_program_is_ended_during_the_start(
    sent: signal.Signals, waiting_script: asyncio.subprocess.Process, folder: Path
) -> None:
    """A server that is only just starting goes too."""
    await eventually(lambda: has_started(folder))
    waiting_script.send_signal(sent)
    await eventually(lambda: is_gone(folder))


@needs_proc
async def test_server_ends_with_its_block_while_a_forked_child_lives_on(folder: Path) -> None:
    """A child that inherited everything of its parent does not keep the parent's server alive."""
    script = await run(FORKING_SCRIPT, folder)
    child = int(await line_printed_by(script))
    try:
        assert await line_printed_by(script) == "the block has ended"
        assert not has_started(folder)
        assert is_empty(folder)
    finally:
        os.kill(child, signal.SIGKILL)
        await script.communicate()


def program(folder: Path, text: str) -> Path:
    """Write a program that stands in for the server."""
    path = folder / "weed"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return path


async def test_server_that_ends_early_is_told_with_its_last_log_lines(tmp_path: Path) -> None:
    """The reason is in the log, so the log is in the error."""
    weed = program(tmp_path, "echo line-1; echo cannot open the disk >&2; exit 3")
    with pytest.raises(LocalS3Error, match=r"ended(?s:.*)line-1\ncannot open the disk\n.*exit code 3"):
        await LocalS3(binary=weed).__aenter__()


async def test_server_that_stays_silent_is_told_with_its_last_log_lines(tmp_path: Path, folder: Path) -> None:
    """Waiting has an end, and the server goes."""
    weed = program(tmp_path, "echo still thinking; exec sleep 3600")
    with pytest.raises(LocalS3Error, match=r"after 0\.3 s: it does not listen(?s:.*)still thinking"):
        await LocalS3(binary=weed, startup_timeout=0.3).__aenter__()
    weed.unlink()
    assert is_empty(folder)


async def test_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    """The operating system's reason and the path are in the error."""
    missing = tmp_path / "missing"
    with pytest.raises(LocalS3Error, match=f"No such file or directory: '{missing}'"):
        await LocalS3(binary=missing).__aenter__()


async def test_missing_server_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the server reads how to."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(LocalS3Error, match=r'pip install "aiohttp-s3-client\[testing\]"'):
        await LocalS3().__aenter__()
