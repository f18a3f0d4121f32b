"""minio: MinIO's own client, which blocks."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials import Credentials
from minio.signer import sign_v4_s3
from minio.time import to_amz_date

from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY, BlockingClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contenders.base import Page, SignedHeaders, Signer
    from shared.job import Job, Target

KEYS_PER_PAGE = 1000


class MinioClient(BlockingClient):
    """One client for all threads."""

    def __init__(self, client: Minio, bucket: str) -> None:
        """Use a client."""
        self._client = client
        self._bucket = bucket

    def get(self, name: str) -> bytes:
        """``GetObject``."""
        response = self._client.get_object(bucket_name=self._bucket, object_name=name)
        body: bytes = response.read()
        response.release_conn()
        return body

    def put(self, name: str, body: bytes) -> None:
        """``PutObject``."""
        self._client.put_object(bucket_name=self._bucket, object_name=name, data=BytesIO(body), length=len(body))

    def pages(self) -> Iterator[Page]:
        """``ListObjectsV2``; the client gives one object after the other."""
        objects = self._client.list_objects(bucket_name=self._bucket, recursive=True)
        yield [(entry.object_name, entry.size) for entry in objects]

    def download(self, name: str, path: Path) -> None:
        """``fget_object``, in one stream."""
        self._client.fget_object(bucket_name=self._bucket, object_name=name, file_path=str(path))

    def upload(self, path: Path, name: str) -> None:
        """``fput_object``, in parts, three at a time."""
        self._client.fput_object(bucket_name=self._bucket, object_name=name, file_path=str(path))


@contextmanager
def connect(job: Job) -> Iterator[MinioClient]:
    """Make a client that knows the region, which it would otherwise ask for, and keeps a connection per request."""
    manager = urllib3.PoolManager(maxsize=job.concurrency, ca_certs=job.target.ca_file)
    client = Minio(
        endpoint=job.target.host,
        access_key=job.target.access_key_id,
        secret_key=job.target.secret_access_key,
        region=job.target.region,
        secure=job.target.endpoint.startswith("https://"),
        http_client=manager,
    )
    yield MinioClient(client, job.target.bucket)


def signer(target: Target) -> Signer:
    """Sign as the client does: it writes all but ``Authorization`` into the headers first."""
    credentials = Credentials(target.access_key_id, target.secret_access_key)
    url = urlsplit(f"{target.bucket_url}/{SIGNED_KEY}")

    def sign() -> SignedHeaders:
        now = datetime.now(UTC)
        headers = {"Host": target.host, "x-amz-content-sha256": EMPTY_PAYLOAD_HASH, "x-amz-date": to_amz_date(now)}
        signed: SignedHeaders = sign_v4_s3(
            method="GET",
            url=url,
            region=target.region,
            headers=headers,
            credentials=credentials,
            content_sha256=EMPTY_PAYLOAD_HASH,
            date=now,
        )
        return signed

    return sign
