"""A real S3 server for tests, started and stopped in one ``async with``."""

from __future__ import annotations

from aiohttp_s3_client.testing.local_s3 import LocalS3
from aiohttp_s3_client.testing.server_process import LocalS3Error

__all__ = ("LocalS3", "LocalS3Error")
