"""boto3, one client shared by all threads, and the signer of botocore that it stands on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient, Config
from botocore.credentials import Credentials

from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY, BlockingClient
from contenders.botocore_config import client_options, config_options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contenders.base import Page, SignedHeaders, Signer
    from shared.job import Job, Target


class Boto3Client(BlockingClient):
    """boto3's low-level client, which is the fastest of its interfaces."""

    def __init__(self, client: BaseClient, bucket: str) -> None:
        """Use a client that is open."""
        self._client = client
        self._bucket = bucket

    def get(self, name: str) -> bytes:
        """``GetObject``."""
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        return body

    def put(self, name: str, body: bytes) -> None:
        """``PutObject``."""
        self._client.put_object(Bucket=self._bucket, Key=name, Body=body)

    def pages(self) -> Iterator[Page]:
        """``ListObjectsV2``, by its paginator."""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            yield [(entry["Key"], entry["Size"]) for entry in page["Contents"]]

    def download(self, name: str, path: Path) -> None:
        """``download_file``: s3transfer with its defaults, which are ten threads."""
        self._client.download_file(Bucket=self._bucket, Key=name, Filename=str(path))

    def upload(self, path: Path, name: str) -> None:
        """``upload_file``: s3transfer with its defaults, which are ten threads."""
        self._client.upload_file(Filename=str(path), Bucket=self._bucket, Key=name)


@contextmanager
def connect(job: Job) -> Iterator[Boto3Client]:
    """Make a client with as many connections as there are threads."""
    client = boto3.client("s3", config=Config(**config_options(job)), **client_options(job.target))
    yield Boto3Client(client, job.target.bucket)
    client.close()


def signer(target: Target) -> Signer:
    """Sign by botocore's signer for S3, which takes a request of its own kind."""
    auth = S3SigV4Auth(Credentials(target.access_key_id, target.secret_access_key), "s3", target.region)
    url = f"{target.bucket_url}/{SIGNED_KEY}"

    def sign() -> SignedHeaders:
        request = AWSRequest("GET", url, headers={"X-Amz-Content-SHA256": EMPTY_PAYLOAD_HASH})
        auth.add_auth(request)
        headers: SignedHeaders = request.headers
        return headers

    return sign
