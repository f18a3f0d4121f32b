"""One large file, from the store to the disk or the other way; the first request of the connection goes before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.objects import READ_FOLDER, RECEIVED_FOLDER, TRANSFER_FOLDER, UPLOAD_FOLDER, large_name, small_name
from workloads.checks import UploadLog, check_same, check_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from contenders.base import AsyncClient, BlockingClient
    from shared.job import Job
    from workloads.meter import Meter

STREAM_CHUNK_SIZE: Final = 64 * 1024
WARM_UP_NAME: Final = small_name(READ_FOLDER, 0)


class Download:
    """An object becomes a file."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Download by the client's coroutine."""
        await client.get(WARM_UP_NAME)
        target = received_path(job)
        with meter:
            await client.download(_object_name(job), target)
        _check_received(job, target)
        return 1

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """Download by the client's function."""
        client.get(WARM_UP_NAME)
        target = received_path(job)
        with meter:
            client.download(_object_name(job), target)
        _check_received(job, target)
        return 1


class Upload:
    """A file becomes an object."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Upload by the client's coroutine, and read back what was stored."""
        await client.get(WARM_UP_NAME)
        log = UploadLog(job.target)
        with meter:
            await client.upload(source_path(job), upload_name(job))
        log.check(job.size)
        if job.verify and job.target.keeps_objects:
            await client.download(upload_name(job), received_path(job))
            check_same(received_path(job), source_path(job))
        return 1

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """Upload by the client's function, and read back what was stored."""
        client.get(WARM_UP_NAME)
        log = UploadLog(job.target)
        with meter:
            client.upload(source_path(job), upload_name(job))
        log.check(job.size)
        if job.verify and job.target.keeps_objects:
            client.download(upload_name(job), received_path(job))
            check_same(received_path(job), source_path(job))
        return 1


class StreamUpload:
    """Chunks of which nobody knows how many come become an object."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Upload from an asynchronous generator."""
        await client.get(WARM_UP_NAME)
        log = UploadLog(job.target)
        with meter:
            await client.upload_stream(_chunks(job.size), upload_name(job))
        log.check(job.size)
        return 1

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """No contender without an event loop takes part."""
        raise NotImplementedError


def source_path(job: Job) -> Path:
    """Give the large file."""
    return Path(job.folder, large_name(job.size))


def received_path(job: Job) -> Path:
    """Give the place where a download goes."""
    return Path(job.folder, RECEIVED_FOLDER, large_name(job.size))


def upload_name(job: Job) -> str:
    """Give the name that a large file gets on the server."""
    return f"{UPLOAD_FOLDER}/{large_name(job.size)}"


def _object_name(job: Job) -> str:
    return f"{TRANSFER_FOLDER}/{large_name(job.size)}"


def _check_received(job: Job, target: Path) -> None:
    check_size(target, job.size)
    if job.verify:
        check_same(target, source_path(job))


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // STREAM_CHUNK_SIZE):
        yield bytes(STREAM_CHUNK_SIZE)
