"""aioboto3: boto3's interface over aiobotocore and aiohttp."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aioboto3
from aiobotocore.config import AioConfig

from contenders.base import AsyncClient
from contenders.botocore_config import client_options, config_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiobotocore.client import AioBaseClient

    from contenders.base import Page
    from shared.job import Job


class Aioboto3Client(AsyncClient):
    """The low-level client, which is the fastest of its interfaces."""

    def __init__(self, client: AioBaseClient, bucket: str) -> None:
        """Use a client that is open."""
        self._client = client
        self._bucket = bucket

    async def get(self, name: str) -> bytes:
        """``GetObject``."""
        answer = await self._client.get_object(Bucket=self._bucket, Key=name)
        async with answer["Body"] as stream:
            body: bytes = await stream.read()
            return body

    async def put(self, name: str, body: bytes) -> None:
        """``PutObject``."""
        await self._client.put_object(Bucket=self._bucket, Key=name, Body=body)

    async def pages(self) -> AsyncIterator[Page]:
        """``ListObjectsV2``, by its paginator."""
        async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            yield [(entry["Key"], entry["Size"]) for entry in page["Contents"]]

    async def download(self, name: str, path: Path) -> None:
        """``download_file``, in one stream."""
        await self._client.download_file(Bucket=self._bucket, Key=name, Filename=str(path))

    async def upload(self, path: Path, name: str) -> None:
        """``upload_file``, in parts, ten at a time."""
        await self._client.upload_file(Filename=str(path), Bucket=self._bucket, Key=name)


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[Aioboto3Client]:
    """Make a client with as many connections as there are requests at a time."""
    config = AioConfig(**config_options(job))
    async with aioboto3.Session().client("s3", config=config, **client_options(job.target)) as client:
        yield Aioboto3Client(client, job.target.bucket)
