"""awscrt: AWS's Common Runtime in C."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from awscrt.auth import AwsCredentialsProvider, AwsSignedBodyHeaderType, AwsSigningConfig, aws_sign_request
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientTlsContext, TlsContextOptions
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config

from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY, AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from contenders.base import SignedHeaders, Signer
    from shared.job import Job, Target


class CrtClient(AsyncClient):
    """The runtime's S3 client, its futures awaited: faster than 32 threads, and than a semaphore and callbacks."""

    def __init__(self, client: S3Client, target: Target) -> None:
        """Use a client of the runtime."""
        self._client = client
        self._target = target

    async def get(self, name: str) -> bytes:
        """Collect the body's pieces."""
        pieces: list[bytes] = []

        def on_body(chunk: bytes, **_details: object) -> None:
            pieces.append(chunk)

        request = HttpRequest("GET", self._path(name), self._headers())
        started = self._client.make_request(request=request, type=S3RequestType.GET_OBJECT, on_body=on_body)
        await asyncio.wrap_future(started.finished_future)
        return b"".join(pieces)

    async def put(self, name: str, body: bytes) -> None:
        """Send the body from memory."""
        headers = self._headers()
        headers.add("Content-Length", str(len(body)))
        request = HttpRequest("PUT", self._path(name), headers, BytesIO(body))
        started = self._client.make_request(request=request, type=S3RequestType.PUT_OBJECT)
        await asyncio.wrap_future(started.finished_future)

    async def download(self, name: str, path: Path) -> None:
        """Let the runtime write the file, which its documentation advises."""
        request = HttpRequest("GET", self._path(name), self._headers())
        started = self._client.make_request(request=request, type=S3RequestType.GET_OBJECT, recv_filepath=str(path))
        await asyncio.wrap_future(started.finished_future)

    async def upload(self, path: Path, name: str) -> None:
        """Let the runtime read the file, which its documentation advises."""
        headers = self._headers()
        headers.add("Content-Length", str(await asyncio.to_thread(os.path.getsize, path)))
        request = HttpRequest("PUT", self._path(name), headers)
        started = self._client.make_request(request=request, type=S3RequestType.PUT_OBJECT, send_filepath=str(path))
        await asyncio.wrap_future(started.finished_future)

    def _path(self, name: str) -> str:
        return f"/{self._target.bucket}/{name}"

    def _headers(self) -> HttpHeaders:
        return HttpHeaders([("Host", self._target.host)])


@asynccontextmanager
async def connect(job: Job) -> AsyncIterator[CrtClient]:
    """Make a client with its defaults, over plain TCP where the endpoint is."""
    target = job.target
    is_plain = target.endpoint.startswith("http://")
    client = S3Client(
        region=target.region,
        signing_config=create_default_s3_signing_config(region=target.region, credential_provider=_identity(target)),
        tls_mode=S3RequestTlsMode.DISABLED if is_plain else S3RequestTlsMode.ENABLED,
        tls_connection_options=None if is_plain else _tls_context(target).new_connection_options(),
    )
    yield CrtClient(client, target)


def _tls_context(target: Target) -> ClientTlsContext:
    options = TlsContextOptions()
    options.override_default_trust_store_from_path(ca_filepath=target.ca_file)
    return ClientTlsContext(options)


def signer(target: Target) -> Signer:
    """Sign with a new configuration for every request: it holds the date, and its documentation advises so."""
    identity = _identity(target)
    path = f"/{target.bucket}/{SIGNED_KEY}"

    def sign() -> SignedHeaders:
        config = AwsSigningConfig(
            credentials_provider=identity,
            region=target.region,
            service="s3",
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=EMPTY_PAYLOAD_HASH,
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )
        request = HttpRequest("GET", path, HttpHeaders([("Host", target.host)]))
        headers: SignedHeaders = aws_sign_request(request, config).result().headers
        return headers

    return sign


def _identity(target: Target) -> AwsCredentialsProvider:
    return AwsCredentialsProvider.new_static(target.access_key_id, target.secret_access_key)
