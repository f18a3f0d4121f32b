"""Many small files, from the store to a folder or the other way, in whatever way is the contender's best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.objects import FILE_SIZE, RECEIVED_FOLDER, TRANSFER_FOLDER, UPLOAD_FOLDER, file_name
from workloads.checks import UploadLog, check_same, check_size
from workloads.transfers import WARM_UP_NAME

if TYPE_CHECKING:
    from contenders.base import AsyncClient, BlockingClient, Pair
    from shared.job import Job
    from workloads.meter import Meter


@dataclass(frozen=True, slots=True)
class Received:
    """All objects of a folder become files."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Download by the client's coroutine."""
        await client.get(WARM_UP_NAME)
        pairs = _received(job, TRANSFER_FOLDER)
        with meter:
            await client.download_many(pairs)
        _check(job, pairs)
        return job.files

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """Download by the client's function."""
        client.get(WARM_UP_NAME)
        pairs = _received(job, TRANSFER_FOLDER)
        with meter:
            client.download_many(pairs)
        _check(job, pairs)
        return job.files


@dataclass(frozen=True, slots=True)
class Sent:
    """All files of a folder become objects."""

    async def run_async(self, client: AsyncClient, job: Job, meter: Meter) -> int:
        """Upload by the client's coroutine, and read back what was stored."""
        await client.get(WARM_UP_NAME)
        log = UploadLog(job.target)
        with meter:
            await client.upload_many(_sources(job))
        log.check(job.files * FILE_SIZE)
        if job.verify and job.target.keeps_objects:
            pairs = _received(job, UPLOAD_FOLDER)
            await client.download_many(pairs)
            _check(job, pairs)
        return job.files

    def run_blocking(self, client: BlockingClient, job: Job, meter: Meter) -> int:
        """Upload by the client's function, and read back what was stored."""
        client.get(WARM_UP_NAME)
        log = UploadLog(job.target)
        with meter:
            client.upload_many(_sources(job))
        log.check(job.files * FILE_SIZE)
        if job.verify and job.target.keeps_objects:
            pairs = _received(job, UPLOAD_FOLDER)
            client.download_many(pairs)
            _check(job, pairs)
        return job.files


def _sources(job: Job) -> list[Pair]:
    return [(f"{UPLOAD_FOLDER}/{name}", Path(job.folder, name)) for name in map(file_name, range(job.files))]


def _received(job: Job, folder: str) -> list[Pair]:
    received = Path(job.folder, RECEIVED_FOLDER)
    return [(f"{folder}/{name}", received / name) for name in map(file_name, range(job.files))]


def _check(job: Job, pairs: list[Pair]) -> None:
    for number, (_, path) in enumerate(pairs):
        check_size(path, FILE_SIZE)
        if job.verify:
            check_same(path, Path(job.folder, file_name(number)))
