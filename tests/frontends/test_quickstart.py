"""The quickstart: it does what the README shows, against the same server as all tests."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from tests.servers import S3Server

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.py"


async def test_quickstart_runs_to_its_end_and_says_what_came_back(s3_server: S3Server) -> None:
    """A program of its own makes a bucket, uses every verb in it, and leaves nothing behind."""
    url = URL(s3_server.url).with_user(s3_server.access_key_id).with_password(s3_server.secret_access_key)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(QUICKSTART),
        env={**os.environ, "S3_URL": str(url)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await process.communicate()
    assert (process.returncode, complained.decode()) == (0, "")
    said = printed.decode()
    for line in (
        "put a str: 200",
        "put an async iterable: 200",
        "get: 'Hello, S3!'",
        "get a range: b'0\\n1\\n2\\n3\\n4\\n'",
        "list the top: [] and ['source/']",
        "list text/: [('text/hello.txt', 10), ('text/numbers', 3890)]",
        "a stranger with a presigned URL: 'Hello, S3!'",
        "rename it again: NoSuchKey",
        "delete the bucket: 204",
    ):
        assert line in said


def test_readme_shows_the_quickstart_as_it_is() -> None:
    """The README's example is the file that is run, to the letter."""
    assert f"```python\n{QUICKSTART.read_text()}```" in (ROOT / "README.md").read_text()
