"""Objects go into a real S3 server and come back: the embedded one, or the one at ``S3_URL``."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from aiohttp_s3_client import NoSuchKey, S3Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def numbers() -> AsyncIterator[bytes]:
    """Give a body piece by piece, of a length that nobody knows beforehand."""
    for number in range(1000):
        yield f"{number}\n".encode()


async def quickstart(url: str) -> None:
    """Use one bucket of the store at ``url``, whose credentials are in the URL or in the environment."""
    bucket = f"quickstart-{secrets.token_hex(4)}"
    async with S3Client(url) as client, client.request("PUT", bucket) as response:
        print(f"made the bucket {bucket}: {response.status}")

    async with S3Client(url, bucket=bucket) as client:
        # Everything that has bytes can be put. A verb gives aiohttp's response; nothing is raised for its status.
        async with client.put("text/hello.txt", "Hello, S3!") as response:
            print(f"put a str: {response.status}, ETag {response.headers['ETag']}")
        async with client.put("text/zeros", bytes(1024)) as response:
            print(f"put bytes: {response.status}")
        async with client.put("text/numbers", numbers()) as response:
            print(f"put an async iterable: {response.status}")
        async with client.put_file("source/quickstart.py", Path(__file__)) as response:
            print(f"put a file: {response.status}")

        async with client.head("source/quickstart.py") as response:
            print(f"head: {response.content_length} bytes of {response.content_type}")
        async with client.get("text/hello.txt") as response:
            print(f"get: {await response.text()!r}")
        async with client.get("text/numbers", headers={"Range": "bytes=0-9"}) as response:
            print(f"get a range: {await response.read()!r}")

        # A listing comes in pages, at most two keys or prefixes each here.
        async for objects, prefixes in client.list_objects_v2(delimiter="/", max_keys=1):
            print(f"list the top: {[meta.key for meta in objects]} and {prefixes}")
        async for objects, _ in client.list_objects_v2(prefix="text/", max_keys=2):
            print(f"list text/: {[(meta.key, meta.size) for meta in objects]}")

        # Whoever has this URL reads this object, for a minute, and needs no secret.
        presigned = client.presign_url("GET", "text/hello.txt", expires=60)
        async with aiohttp.ClientSession() as stranger, stranger.get(presigned) as response:
            print(f"a stranger with a presigned URL: {await response.text()!r}")

        async with client.copy("text/hello.txt", "text/copy.txt") as response:
            print(f"copy: {response.status}")
        await client.rename("text/copy.txt", "text/renamed.txt")
        print("renamed it")
        try:
            await client.rename("text/copy.txt", "text/again.txt")
        except NoSuchKey as error:
            print(f"rename it again: {error.code}")

        async for objects, _ in client.list_objects_v2():
            for meta in objects:
                async with client.delete(meta.key) as response:
                    print(f"delete {meta.key}: {response.status}")
        async with client.request("DELETE") as response:
            print(f"delete the bucket: {response.status}")


async def main() -> None:
    """Run against ``S3_URL``, or else against a server of our own."""
    async with AsyncExitStack() as stack:
        url = os.environ.get("S3_URL")
        if url is None:
            from aiohttp_s3_client.testing import LocalS3  # noqa: PLC0415 - only needed without a server

            server = await stack.enter_async_context(LocalS3())
            url = str(URL(server.url).with_user(server.access_key_id).with_password(server.secret_access_key))
        await quickstart(url)


if __name__ == "__main__":
    asyncio.run(main())
