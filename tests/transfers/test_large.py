"""A file of 4 GiB, to a real server and back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

import pytest

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.testing import LocalS3

MIB: Final = 1024 * 1024
SIZE: Final = 4 * 1024 * MIB
# The file, what the server keeps of it, and what comes back.
ROOM: Final = 3 * SIZE + 1024 * MIB


def make(path: Path) -> None:
    """Make a file each mebibyte of which is another one, and most of which the disk need not hold."""
    with path.open("wb") as file:
        for start in range(0, SIZE, MIB):
            file.seek(start)
            file.write(start.to_bytes(8, "big") * 512)
        file.truncate(SIZE)


def are_same(path: Path, other: Path) -> bool:
    """Compare two files."""
    with path.open("rb") as file, other.open("rb") as other_file:
        while chunk := file.read(MIB):
            if chunk != other_file.read(MIB):
                return False
        return not other_file.read(1)


async def test_four_gibibytes_go_up_and_come_down_bit_for_bit() -> None:
    """More than 32 bits can count, in 512 parts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < ROOM:
            pytest.skip(f"{ROOM // 1024 // MIB} GiB of free disk are needed")
        make(folder / "there")
        async with (
            LocalS3(buckets=["large"]) as server,
            S3Client(
                f"{server.url}/large",
                access_key_id=server.access_key_id,
                secret_access_key=server.secret_access_key,
                region=server.region,
            ) as client,
        ):
            uploaded = await client.upload(folder / "there", "key")
            downloaded = await client.download("key", folder / "back")
        assert (downloaded.size, downloaded.etag) == (SIZE, uploaded.etag)
        assert are_same(folder / "there", folder / "back")
