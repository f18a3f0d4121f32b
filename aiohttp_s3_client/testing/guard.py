"""A small process that runs one SeaweedFS server and takes it away together with everything that it made.

It is run as a script, in a session of its own, so that neither Ctrl-C nor the sudden end of its parent reaches it.
The parent holds the other end of standard input, and the operating system closes that end however the parent ends:
this, or anything more to read, is the sign to stop. The parent first writes one line of JSON, the :class:`Settings`.
The guard answers with one line, ``{"port": ..., "log": ...}`` or ``{"error": ...}``, and with another one,
``{"ended": ...}``, when the server has ended.

Only the standard library is imported, so that it starts in a few milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

HOST = "127.0.0.1"

# SeaweedFS expects the gRPC port of a service at this distance from its HTTP port. The range keeps both below the
# ports that Linux hands out for outgoing connections.
GRPC_OFFSET = 10_000
PORT_RANGE = range(10_000, 22_768)
PORT_TRIES = 1_000

SERVICES = ("master", "volume", "filer", "admin", "s3")


class Settings(TypedDict):
    """What the parent says about the server to run."""

    binary: str
    access_key_id: str
    secret_access_key: str
    domain_name: str | None


def free_ports(count: int) -> list[int]:
    """Find loopback ports that are free for HTTP and, at their distance, for gRPC.

    Raises:
        OSError: too few are free.

    """
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(PORT_TRIES):
            port = PORT_RANGE[secrets.randbelow(len(PORT_RANGE))]
            with contextlib.suppress(OSError):
                for number in (port, port + GRPC_OFFSET):
                    held.enter_context(socket.socket()).bind((HOST, number))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError(f"no {count} free ports on {HOST}")


def server_command(settings: Settings, folder: Path, identities: Path, ports: dict[str, int]) -> list[str]:
    """Give the command line of a server that is quick to start, light on disk and closed to the outside."""
    command = [settings["binary"], "-logtostderr=true", "mini", f"-dir={folder}", f"-ip={HOST}", f"-ip.bind={HOST}"]
    for service, port in ports.items():
        command.append(f"-{service}.port={port}")
    command += [
        f"-s3.config={identities}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=1024",
        # A bucket takes volumes of its own, and none takes disk space before it is written to.
        "-volume.max=10000",
    ]
    if settings["domain_name"] is not None:
        command.append(f"-s3.domainName={settings['domain_name']}")
    return command


def write_identities(path: Path, settings: Settings) -> None:
    """Write the credentials that the server accepts, readable by this user alone."""
    credentials = {"accessKey": settings["access_key_id"], "secretKey": settings["secret_access_key"]}
    identity = {"name": "local", "credentials": [credentials], "actions": ["Admin"]}
    path.touch(mode=0o600)
    path.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")


def server_environment(folder: Path) -> dict[str, str]:
    """Give the server what a program needs to run, and nothing that would change its settings."""
    kept = ("PATH", "SYSTEMROOT", "TEMP", "TMPDIR")
    return {"HOME": str(folder), **{name: os.environ[name] for name in kept if name in os.environ}}


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make the one folder that holds everything of the server."""
    with TemporaryDirectory(prefix="local-s3-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def unix_sockets_removed(ports: Iterable[int]) -> Iterator[None]:
    """Remove the sockets that SeaweedFS puts into ``/tmp``, named by port, and leaves there when it is killed."""
    try:
        yield
    finally:
        for port in ports:
            for number in (port, port + GRPC_OFFSET):
                for path in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - SeaweedFS knows no other place
                    path.unlink(missing_ok=True)


@contextlib.contextmanager
def running(command: list[str], folder: Path, log: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server, and kill it at the end: its data is thrown away, so that there is nothing to wait for."""
    process = subprocess.Popen(  # noqa: S603 - the program is the one that the caller has installed or named
        command,
        cwd=folder,
        env=server_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        # From here on, being told to stop once more must not leave half of it behind.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        process.kill()
        process.wait()


@contextlib.contextmanager
def watched(process: subprocess.Popen[bytes], log: BinaryIO) -> Iterator[None]:
    """Let the parent know when the server ends by itself."""
    watcher = threading.Thread(target=tell_the_end, args=(process, log))
    watcher.start()
    try:
        yield
    finally:
        process.kill()
        watcher.join()


def tell_the_end(process: subprocess.Popen[bytes], log: BinaryIO) -> None:
    """Wait until the server ends, and say so in the log and to the parent."""
    code = process.wait()
    log.write(f"The server ended with exit code {code}.\n".encode())
    report({"ended": code})


def report(answer: dict[str, object]) -> None:
    """Tell the parent something, if it is still there."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Turn a signal into an orderly way out."""
    raise SystemExit


def main() -> None:
    """Run one server until standard input ends."""
    signal.signal(signal.SIGTERM, leave)
    line = sys.stdin.buffer.readline()
    if not line:
        return
    settings: Settings = json.loads(line)
    with contextlib.ExitStack() as cleanup:
        try:
            folder = cleanup.enter_context(temporary_folder())
            log, identities = folder / "server.log", folder / "identities.json"
            write_identities(identities, settings)
            ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
            cleanup.enter_context(unix_sockets_removed(ports.values()))
            command = server_command(settings, folder, identities, ports)
            output = cleanup.enter_context(log.open("ab", buffering=0))
            process = cleanup.enter_context(running(command, folder, output))
        except OSError as error:
            report({"error": str(error)})
            return
        report({"port": ports["s3"], "log": str(log)})
        cleanup.enter_context(watched(process, output))
        sys.stdin.buffer.read(1)


if __name__ == "__main__":
    main()
