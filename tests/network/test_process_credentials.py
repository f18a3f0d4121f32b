"""Credentials that a program prints: real processes, which fail in every way that a program can."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from aiohttp_s3_client import Credentials, CredentialsError
from aiohttp_s3_client.credentials.process import ProcessCredentials
from tests.network.clients import NOON, ManualTime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

IDENTITY = {"Version": 1, "AccessKeyId": "an-id", "SecretAccessKey": "hunter2"}
NEEDS_GROUPS = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no groups of processes")
# Tells the test that it runs, makes a second process that holds the same connection, and ends when the test hangs up.
HANGS = """
import os, socket, sys
held = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
held.sendall(b"%d\\n" % os.getpid())
os.fork()
held.sendall(b"+")
held.recv(1)
"""


def python(code: str, *arguments: str) -> list[str]:
    """Give the command that runs some Python."""
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


def printing(document: object) -> list[str]:
    """Give the command that prints some JSON."""
    return python("import sys; print(sys.argv[1])", json.dumps(document))


async def failure_of(credentials: ProcessCredentials) -> str:
    """Give the words of the error, and see that no link of its chain has a secret in it."""
    with pytest.raises(CredentialsError) as caught:
        await credentials.get()
    link: BaseException | None = caught.value
    while link is not None:
        assert "hunter2" not in f"{link}{link!r}"
        link = link.__cause__ or link.__context__
    return str(caught.value)


def is_reaped(pid: int) -> bool:
    """Whether a process of ours has ended and is no zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


@contextmanager
def typed(text: str) -> Iterator[None]:
    """Have something to read on this process's own stdin."""
    before = os.dup(0)
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode())
        os.close(writing)
        os.dup2(reading, 0)
        yield
    finally:
        os.dup2(before, 0)
        os.close(reading)
        os.close(before)


@dataclass(slots=True)
class Witness:
    """The connection that a hanging program holds: it ends when the last process is gone that has it."""

    port: int
    connected: asyncio.Future[asyncio.StreamReader]

    async def pid(self) -> int:
        """Wait until both processes run, and give the ID of the first."""
        async with asyncio.timeout(5):
            reader = await self.connected
            pid = int(await reader.readline())
            await reader.readexactly(2)
        return pid

    async def until_gone(self, pid: int) -> None:
        """Wait until no process is left, and see that the first one is no zombie."""
        async with asyncio.timeout(5):
            assert await (await self.connected).read() == b""
        assert is_reaped(pid)


@asynccontextmanager
async def witness() -> AsyncIterator[Witness]:
    """Listen for a program that hangs."""
    connected: asyncio.Future[asyncio.StreamReader] = asyncio.get_running_loop().create_future()
    writers = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        connected.set_result(reader)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield Witness(server.sockets[0].getsockname()[1], connected)
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_printed_identity_is_given() -> None:
    """All fields, as AWS documents them."""
    printed = IDENTITY | {"SessionToken": "token", "Expiration": "2100-01-02T03:04:05Z"}
    credentials = ProcessCredentials(printing(printed))
    expected = Credentials("an-id", "hunter2", "token", datetime(2100, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert await credentials.get() == credentials.current == expected


async def test_identity_without_expiration_is_asked_for_once(tmp_path: Path) -> None:
    """It is good for ever."""
    runs = tmp_path / "runs"
    code = "import sys; open(sys.argv[1], 'a').write('+'); print(sys.argv[2])"
    time = ManualTime()
    credentials = ProcessCredentials(python(code, str(runs), json.dumps(IDENTITY)), clock=time.clock)
    assert await credentials.get() == Credentials("an-id", "hunter2")
    time.now += 1e9
    assert await credentials.get() == Credentials("an-id", "hunter2")
    assert runs.read_text() == "+"


async def test_program_is_run_again_before_its_identity_expires(tmp_path: Path) -> None:
    """Each run gives another identity, an hour longer."""
    runs = tmp_path / "runs"
    code = """
import json, sys
with open(sys.argv[1], "a+") as file:
    file.write("+")
    file.seek(0)
    run = len(file.read())
print(json.dumps({"Version": 1, "AccessKeyId": f"id-{run}", "SecretAccessKey": "s", "Expiration": sys.argv[1 + run]}))
"""
    ends = [(datetime.fromtimestamp(NOON, UTC) + timedelta(hours=hours)).isoformat() for hours in (1, 2)]
    time = ManualTime()
    credentials = ProcessCredentials(python(code, str(runs), *ends), clock=time.clock)
    assert (await credentials.get()).access_key_id == "id-1"
    time.now += 1800
    assert (await credentials.get()).access_key_id == "id-1"
    time.now += 1790
    assert (await credentials.get()).access_key_id == "id-2"


async def test_command_line_is_split_without_a_shell() -> None:
    """Quotes group words; variables, stars, pipes and semicolons are nothing special."""
    code = "import json, sys; print(json.dumps({**json.loads(sys.argv[1]), 'SessionToken': '|'.join(sys.argv[2:])}))"
    line = f"{shlex.join(python(code, json.dumps(IDENTITY)))} 'two words' $HOME * ; > a\\ b"
    assert (await ProcessCredentials(line).get()).session_token == "two words|$HOME|*|;|>|a b"


async def test_program_has_nothing_to_read() -> None:
    """One that asks a question gets no answer, instead of taking the terminal."""
    code = "import json, sys; print(json.dumps({**json.loads(sys.argv[1]), 'AccessKeyId': repr(sys.stdin.read())}))"
    with typed("an answer"):
        assert (await ProcessCredentials(python(code, json.dumps(IDENTITY))).get()).access_key_id == "''"


async def test_byte_order_mark_is_no_matter() -> None:
    """Windows programs begin with one."""
    code = r"import sys; sys.stdout.buffer.write(b'\xef\xbb\xbf' + sys.argv[1].encode())"
    assert (await ProcessCredentials(python(code, json.dumps(IDENTITY))).get()).access_key_id == "an-id"


@pytest.mark.parametrize("version", [None, 0, 2, "1"])
async def test_other_version_is_refused(version: object) -> None:
    """Its fields may mean something else."""
    words = await failure_of(ProcessCredentials(printing(IDENTITY | {"Version": version})))
    assert (
        words
        == f"credential_process {sys.executable!r} gives JSON of another Version than 1, the only one that is known"
    )


@pytest.mark.parametrize(
    "printed", ["", "hunter2", '{"SecretAccessKey": "hunter2"', '["hunter2"]', "<html>hunter2</html>"]
)
async def test_what_is_no_json_object_is_refused(printed: str) -> None:
    """Not a word of it is shown."""
    words = await failure_of(ProcessCredentials(python("import sys; print(sys.argv[1])", printed)))
    assert words == f"credential_process {sys.executable!r} gives no JSON object"


async def test_what_is_no_text_is_refused() -> None:
    """The decoder's error would hold all of it."""
    code = r"import sys; sys.stdout.buffer.write(b'\xff\xfehunter2')"
    assert await failure_of(ProcessCredentials(python(code))) == (
        f"credential_process {sys.executable!r} gives no JSON object"
    )


@pytest.mark.parametrize("name", ["AccessKeyId", "SecretAccessKey"])
async def test_missing_field_is_named(name: str) -> None:
    """The error says which of the two it is."""
    words = await failure_of(ProcessCredentials(printing({key: IDENTITY[key] for key in IDENTITY if key != name})))
    assert words == f"credential_process {sys.executable!r} gives no {name}"


async def test_failure_shows_stderr_and_not_stdout() -> None:
    """The reason is on the one, and on the other may be a secret."""
    code = "import sys; print('hunter2'); print('no such user:\\n\\tanna\\x1b', file=sys.stderr); sys.exit(3)"
    words = await failure_of(ProcessCredentials(python(code)))
    assert words == f"credential_process {sys.executable!r} ended with status 3: no such user: anna"


async def test_end_of_a_long_stderr_is_shown() -> None:
    """There a traceback has its reason."""
    code = "import sys; print('noise ' * 1_000_000, 'reason', file=sys.stderr); sys.exit(1)"
    words = await failure_of(ProcessCredentials(python(code)))
    assert " ended with status 1: ..." in words
    assert words.endswith("noise reason")
    assert len(words) < 1200


async def test_failure_without_words_says_so() -> None:
    """A status alone is little, but all there is."""
    words = await failure_of(ProcessCredentials(python("import sys; sys.exit(2)")))
    assert words.endswith(" ended with status 2: nothing on its stderr")


@NEEDS_GROUPS
async def test_signal_that_ends_a_program_is_named() -> None:
    """The kernel ends one for want of memory, for instance."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    words = await failure_of(ProcessCredentials(python(code)))
    assert words.endswith(f" was ended by signal {int(signal.SIGKILL)}: nothing on its stderr")


async def test_complaints_beside_an_identity_do_no_harm() -> None:
    """However many they are: nobody reads them, but the program must not wait for that."""
    code = "import sys; print('warning ' * 1_000_000, file=sys.stderr); print(sys.argv[1])"
    assert await ProcessCredentials(python(code, json.dumps(IDENTITY))).get() == Credentials("an-id", "hunter2")


async def test_program_that_prints_without_end_is_killed() -> None:
    """It does not get more than a little memory."""
    words = await failure_of(ProcessCredentials(python("while True: print('hunter2' * 10_000)")))
    assert words == f"credential_process {sys.executable!r} prints more than 64 KiB, and was killed"


@NEEDS_GROUPS
async def test_program_that_hangs_is_killed_with_what_it_started() -> None:
    """The time limit is for all of them."""
    async with witness() as seen:
        words = await failure_of(ProcessCredentials(python(HANGS, str(seen.port)), timeout=1))
        assert words == f"credential_process {sys.executable!r} did not end within 1 seconds, and was killed"
        await seen.until_gone(await seen.pid())


@NEEDS_GROUPS
async def test_cancellation_leaves_no_process_behind() -> None:
    """Neither the program, nor what it started, nor a zombie."""
    async with witness() as seen:
        credentials = ProcessCredentials(python(HANGS, str(seen.port)))
        asked = asyncio.create_task(credentials.get())
        pid = await seen.pid()
        await credentials.stop()
        await seen.until_gone(pid)
        with pytest.raises(CredentialsError, match="was stopped"):
            await asked


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation_while_the_program_starts_leaves_no_task_behind(turns: int) -> None:
    """A start cannot be broken off: it is waited for, and the program is killed then."""
    before = asyncio.all_tasks()
    fetching = asyncio.create_task(ProcessCredentials(python("import time; time.sleep(60)"))._fetch())
    for _ in range(turns):
        await asyncio.sleep(0)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert asyncio.all_tasks() == before


async def test_program_that_cannot_be_started_is_named_without_its_arguments(tmp_path: Path) -> None:
    """A missing file, a folder, and a name that no file can have."""
    missing = tmp_path / "no such program"
    words = await failure_of(ProcessCredentials([str(missing), "--password=hunter2"]))
    assert words == f"credential_process {str(missing)!r} cannot be started: No such file or directory"
    words = await failure_of(ProcessCredentials([str(tmp_path), "--password=hunter2"]))
    assert words == f"credential_process {str(tmp_path)!r} cannot be started: Permission denied"
    words = await failure_of(ProcessCredentials([str(missing), "hunter2\0"]))
    assert words.startswith(f"credential_process {str(missing)!r} cannot be started: ")


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        ("", "the command of a credential_process is empty"),
        (" ", "the command of a credential_process is empty"),
        ([], "the command of a credential_process is empty"),
        ("program 'hunter2", "a quote in the command of a credential_process does not close"),
    ],
)
def test_command_that_is_none_is_refused(command: str | list[str], trouble: str) -> None:
    """Before anything is run, and without its text."""
    with pytest.raises(ValueError, match=f"^{trouble}$") as caught:
        ProcessCredentials(command)
    assert caught.value.__context__ is None


async def test_repr_shows_the_program_only() -> None:
    """Neither an argument nor what it printed."""
    credentials = ProcessCredentials(printing(IDENTITY))
    await credentials.get()
    assert repr(credentials) == f"<ProcessCredentials program={sys.executable!r}>"
