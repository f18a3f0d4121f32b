"""Uploads that go wrong: what is sent again, what is an error, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest

from aiohttp_s3_client import (
    AccessDenied,
    AmbiguousResult,
    BodyLengthError,
    InvalidResponseError,
    MissingPartError,
    NoSuchUpload,
    RetryPolicy,
    S3ConnectionError,
    S3ResponseError,
    ServerError,
    Timeouts,
)
from tests.faults.cancellation import cancelled_at
from tests.network.clients import opened
from tests.network.links import Link
from tests.scripted import Choose, Drop, Ending, Reply, ScriptedServer, Stall, Step, Taken
from tests.stored_uploads import UploadStore, changed, lost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator
    from pathlib import Path

    import aiohttp

    from aiohttp_s3_client import S3Client
    from aiohttp_s3_client.models import Part, UploadResult
    from aiohttp_s3_client.multipart import MultipartUploader

MIB: Final = 1024 * 1024
PART: Final = 5 * MIB
DATA: Final = random.Random(3).randbytes(2 * PART + 300_000)  # noqa: S311 - the same bytes in every run
PIECES: Final = (b"first" * 1000, b"second" * 1000, b"third" * 1000)
THREE: Final = RetryPolicy(max_attempts=3)
KEY: Final = "/bucket/key"
DENIED: Final = Reply.error(403, "AccessDenied")
TURNS: Final = 200


def late(code: str) -> Reply:
    """Answer 200, and the error in the body, behind the white space that keeps a connection open."""
    return Reply(body=b'<?xml version="1.0" encoding="UTF-8"?>\n  \n' + _document(code))


def _document(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@dataclass(slots=True)
class Scene:
    """A store, a client of it, and a folder."""

    store: UploadStore
    server: ScriptedServer
    client: S3Client
    folder: Path
    leaves_upload: bool = False

    async def put(self, abort_timeout: float = 10.0) -> MultipartUploader:
        """Upload three small parts at once."""
        async with self.client.multipart_upload("key", abort_timeout=abort_timeout) as uploader:
            await asyncio.gather(*[uploader.put_part(piece) for piece in PIECES])
        return uploader

    def file(self) -> Path:
        """Make a file that was not written to for long."""
        path = self.folder / "source"
        path.write_bytes(DATA)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        return path

    def assert_is_there(self, data: bytes = b"".join(PIECES)) -> None:
        """See that the object is there."""
        assert self.store.objects[KEY] == data

    def assert_aborted(self, times: int = 1) -> None:
        """See that the upload was aborted, and there is no object."""
        assert self.store.calls["abort"] == times
        assert not self.store.objects


Scenario: TypeAlias = Callable[[Scene], Coroutine[Any, Any, None]]


def descriptors() -> list[str]:
    """Say what every open descriptor is of."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are enough
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - it is no file
        except FileNotFoundError:
            continue
    return sorted(found)


@asynccontextmanager
async def staged(
    folder: Path,
    session: aiohttp.ClientSession | None = None,
    timeouts: Timeouts | None = None,
    link: Link | None = None,
) -> AsyncIterator[Scene]:
    """Give a scene, and see that no task, connection, file, descriptor or open upload is left when it ends."""
    store = UploadStore()
    sockets, link = len(descriptors()), link or Link()
    async with (
        ScriptedServer(then=Choose(store.answer), receive_buffer=64 * 1024, tls=link.server) as server,
        opened(server, session=session, retry=THREE, timeouts=timeouts or Timeouts(1, 0.2)) as client,
    ):
        link.let_trust(client)
        before = asyncio.all_tasks()
        scene = Scene(store, server, client, folder)
        yield scene
        await turned(lambda: not tasks_since(before))
        assert not tasks_since(before)
        assert bool(store.uploads) == scene.leaves_upload
        assert not [path for path in descriptors() if path.startswith(str(folder))]
    if session is None:
        await turned(lambda: len(descriptors()) <= sockets)
        assert len(descriptors()) <= sockets


def tasks_since(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Give the tasks that are not the server's."""
    return {task for task in asyncio.all_tasks() - before if "_serve" not in repr(task)}


async def turned(holds: Callable[[], bool]) -> None:
    """Let the event loop turn until something holds, or long enough."""
    for _ in range(TURNS):
        if holds():
            return
        await asyncio.sleep(0)


async def error_says_no_after_success(scene: Scene) -> None:
    """A final error is raised, and the upload aborted."""
    scene.store.faults["complete"] = [late("InvalidPart")]
    with pytest.raises(S3ResponseError, match="InvalidPart"):
        await scene.put()
    assert scene.store.calls["complete"] == 1
    scene.assert_aborted()


async def error_says_again_after_success(scene: Scene) -> None:
    """A temporary error is tried again."""
    scene.store.faults["complete"] = [late("InternalError"), late("SlowDown")]
    await scene.put()
    assert scene.store.calls["complete"] == 3
    scene.assert_is_there()


async def error_says_again_thrice_after_success(scene: Scene) -> None:
    """It comes out at last."""
    scene.store.faults["complete"] = [late("InternalError")] * 3
    with pytest.raises(S3ResponseError, match="InternalError"):
        await scene.put()
    scene.assert_aborted()


async def success_says_nothing(scene: Scene) -> None:
    """An empty 200 is no success."""
    scene.store.faults["complete"] = [Reply(body=b" ")]
    with pytest.raises(InvalidResponseError):
        await scene.put()
    scene.assert_aborted()


async def completion_is_lost(scene: Scene) -> None:
    """The second try gives NoSuchUpload, and HEAD shows the object."""
    scene.store.faults["complete"] = [lost]
    uploader = await scene.put()
    assert uploader.result.etag is not None
    assert uploader.result.etag.endswith('-3"')
    assert scene.store.calls["complete"] == 2
    assert scene.store.calls["head"] == 1
    assert scene.store.calls["abort"] == 0
    scene.assert_is_there()


async def completion_is_lost_thrice(scene: Scene) -> None:
    """Without any answer HEAD decides, too."""
    scene.store.faults["complete"] = [lost, Drop(), Drop()]
    await scene.put()
    assert scene.store.calls["complete"] == 3
    assert scene.store.calls["head"] == 1
    scene.assert_is_there()


async def completion_never_came(scene: Scene) -> None:
    """It is done the second time."""
    scene.store.faults["complete"] = [Drop()]
    await scene.put()
    assert scene.store.calls["complete"] == 2
    assert scene.store.calls["head"] == 0
    scene.assert_is_there()


async def completion_is_lost_and_overwritten(scene: Scene) -> None:
    """Somebody else's object is no proof."""

    def overwritten(reply: Reply) -> Step:
        scene.store.objects[KEY] = b"another's"
        scene.store._etags[KEY] = '"another"'
        return lost(reply)

    scene.store.faults["complete"] = [overwritten]
    with pytest.raises(AmbiguousResult, match="unknown") as caught:
        await scene.put()
    assert isinstance(caught.value.__cause__, NoSuchUpload)
    scene.assert_is_there(b"another's")


async def completion_is_lost_and_never_came(scene: Scene) -> None:
    """The upload is aborted: nobody will complete it."""
    scene.store.faults["complete"] = [Drop()] * 3
    with pytest.raises(AmbiguousResult) as caught:
        await scene.put()
    assert isinstance(caught.value.__cause__, S3ConnectionError)
    scene.assert_aborted()


async def completion_is_lost_and_head_is_denied(scene: Scene) -> None:
    """Who may not look does not know."""
    scene.store.faults |= {"complete": [lost], "head": [Reply(403)]}
    with pytest.raises(AmbiguousResult):
        await scene.put()
    assert scene.store.calls["abort"] == 1


async def completion_is_lost_and_etags_say_nothing(scene: Scene) -> None:
    """ETags that are no MD5 sums prove nothing, least of all one that is missing."""
    scene.store.opaque = True
    scene.store.faults |= {"complete": [lost], "head": [Reply()]}
    with pytest.raises(AmbiguousResult):
        await scene.put()


async def upload_is_gone(scene: Scene) -> None:
    """NoSuchUpload to the first completion is no success, whatever is there."""
    scene.store.faults["complete"] = [Reply.error(404, "NoSuchUpload")]
    with pytest.raises(NoSuchUpload):
        await scene.put()
    assert scene.store.calls["head"] == 0
    scene.assert_aborted()


async def abort_finds_nothing(scene: Scene) -> None:
    """That is as good as done; the error that ended the upload comes out."""
    scene.store.faults |= {"part 2": [DENIED], "abort": [changed(_document("NoSuchUpload"))]}
    scene.store.faults["abort"] = [lambda reply: replace(Reply.error(404, "NoSuchUpload"), ending=reply.ending)]
    with pytest.raises(AccessDenied):
        await scene.put()
    assert scene.store.calls["abort"] == 1


async def abort_fails_once(scene: Scene) -> None:
    """It is tried again."""
    scene.store.faults |= {"part 2": [DENIED], "abort": [Reply(500)]}
    with pytest.raises(AccessDenied):
        await scene.put()
    scene.assert_aborted(times=2)


async def abort_fails(scene: Scene) -> None:
    """The error that ended the upload comes out all the same."""
    scene.store.faults |= {"part 2": [DENIED], "abort": [Reply(500)] * 3}
    with pytest.raises(AccessDenied):
        await scene.put()
    scene.leaves_upload = True
    scene.assert_aborted(times=3)


async def abort_hangs(scene: Scene) -> None:
    """It gets only so much time."""
    scene.store.faults |= {"part 2": [DENIED], "abort": [Stall()]}
    with pytest.raises(AccessDenied):
        await scene.put(abort_timeout=0.05)
    scene.leaves_upload = True


async def part_lands_after_the_abort(scene: Scene) -> None:
    """Parts that were cut off are looked for, and aborted once more."""
    upload_id = ""

    def landed(reply: Reply) -> Step:
        scene.store.uploads[upload_id] = {3: PIECES[2]}
        return reply

    scene.store.faults |= {"part 3": [Stall(Taken.HALF)], "abort": [landed]}
    sending: asyncio.Task[Part]

    async def work() -> None:
        nonlocal upload_id, sending
        async with scene.client.multipart_upload("key") as uploader:
            upload_id = uploader.upload_id
            await uploader.put_part(PIECES[0])
            await uploader.put_part(PIECES[1])
            sending = asyncio.create_task(uploader.put_part(PIECES[2]))
            await scene.server.until(lambda _: scene.store.calls["part 3"] > 0)
            sending.cancel()
            raise LookupError

    with pytest.raises(LookupError):
        await work()
    assert sending.cancelled()
    assert scene.store.calls["list"] == 2
    scene.assert_aborted(times=2)


async def part_lands_again_and_again(scene: Scene) -> None:
    """It ends some time."""
    upload_id = ""

    def landed(reply: Reply) -> Step:
        scene.store.uploads[upload_id] = {3: PIECES[2]}
        return reply

    scene.store.faults |= {"part 1": [Drop()] * 3, "abort": [landed] * 9}

    async def work() -> None:
        nonlocal upload_id
        async with scene.client.multipart_upload("key") as uploader:
            upload_id = uploader.upload_id
            await uploader.put_part(PIECES[0])

    with pytest.raises(S3ConnectionError):
        await work()
    scene.leaves_upload = True
    scene.assert_aborted(times=3)


async def looking_for_parts_is_denied(scene: Scene) -> None:
    """One abort must do then."""
    scene.store.faults |= {"part 1": [Drop()] * 3, "list": [DENIED]}
    with pytest.raises(S3ConnectionError):
        await scene.put()
    scene.assert_aborted()


async def part_gets_another_etag(scene: Scene) -> None:
    """The last one counts."""
    scene.store.opaque = True
    scene.store.faults["part 2"] = [lost, lost]
    await scene.put()
    assert scene.store.calls["part 2"] == 3
    assert scene.store.completed == [(1, '"part-1-time-1"'), (2, '"part-2-time-3"'), (3, '"part-3-time-1"')]
    scene.assert_is_there()


async def part_has_no_etag(scene: Scene) -> None:
    """Nothing could be completed of it."""
    scene.store.faults["part 2"] = [Reply()]
    with pytest.raises(InvalidResponseError, match="ETag"):
        await scene.put()
    scene.assert_aborted()


async def parts_finish_out_of_order(scene: Scene) -> None:
    """They are completed in the order of their numbers."""
    ended = []
    async with scene.client.multipart_upload("key") as uploader:
        coroutines = [uploader.put_part(piece) for piece in PIECES]
        for coroutine in reversed(coroutines):
            ended.append((await coroutine).part_number)  # noqa: PERF401 - one after the other
    assert ended == [3, 2, 1]
    assert [number for number, _ in scene.store.completed] == [1, 2, 3]
    scene.assert_is_there()


async def first_part_is_last(scene: Scene) -> None:
    """Of parts at the same time, too."""
    waiting = Stall(then=Reply(headers={"ETag": '"first"'}))
    scene.store.faults["part 1"] = [waiting]
    async with scene.client.multipart_upload("key") as uploader:
        first, *others = [asyncio.create_task(uploader.put_part(piece)) for piece in PIECES]
        await asyncio.wait(others)
        scene.store.uploads[uploader.upload_id][1] = PIECES[0]
        scene.server.release()
    assert first.done()
    assert scene.store.completed[0] == (1, '"first"')
    scene.assert_is_there()


def while_sending(change: Callable[[Path], None], part: int) -> Scenario:
    """Change the file when its part ``part`` is half sent."""

    async def scenario(scene: Scene) -> None:
        path = scene.file()
        scene.store.faults[f"part {part}"] = [Meanwhile(lambda: change(path))]
        with pytest.raises(BodyLengthError):
            await scene.client.upload(path, "key", part_size=PART, concurrency=1)
        scene.assert_aborted()

    return scenario


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Do something when the head of a request is there; then do without the rest."""

    change: Callable[[], None]
    after: Taken = Taken.HEAD

    async def play(self, connection: Any) -> None:  # noqa: ANN401 - the server's connection
        """Do it, and let the client send all again."""
        self.change()
        await Drop(ending=Ending.RESET).play(connection)


def truncate(path: Path) -> None:
    """Leave the first part of a file."""
    os.truncate(path, PART)


def grow(path: Path) -> None:
    """Add to a file."""
    with path.open("ab") as file:
        file.write(b"more")


def rewrite(path: Path) -> None:
    """Change a byte, and not the length."""
    with path.open("r+b") as file:
        file.write(b"x")


async def file_is_truncated_in_one_request(scene: Scene) -> None:
    """A file that is sent as a whole is not believed either."""
    path = scene.file()
    os.truncate(path, MIB)
    scene.store.faults["put"] = [Meanwhile(lambda: os.truncate(path, 0))]
    with pytest.raises(BodyLengthError):
        await scene.client.upload(path, "key")
    assert not scene.store.objects


async def iterator_raises(scene: Scene) -> None:
    """What the source says comes out."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, 2 * PART, MIB):
            yield DATA[start : start + MIB]
        raise LookupError("the source")

    with pytest.raises(LookupError, match="the source"):
        await scene.client.upload(chunks(), "key", part_size=PART)
    scene.assert_aborted()


async def iterator_raises_at_once(scene: Scene) -> None:
    """Nothing was begun."""

    def chunks() -> Iterator[bytes]:
        yield b"something"
        raise LookupError("the source")

    with pytest.raises(LookupError, match="the source"):
        await scene.client.upload(chunks(), "key")
    assert not scene.store.calls


class ShortReads(io.RawIOBase):
    """A file that gives less than asked for."""

    def __init__(self, data: bytes) -> None:
        """Take all."""
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        """Read up to 99,991 bytes."""
        return self._file.read(min(size, 99_991))


async def reads_are_short(scene: Scene) -> None:
    """Fewer bytes than asked for are no end."""
    await scene.client.upload(ShortReads(DATA), "key", part_size=PART)
    assert scene.store.calls["part 3"] == 1
    scene.assert_is_there(DATA)


def declared(length: int, data: bytes, *, begins: bool) -> Scenario:
    """Say another length than a stream has."""

    async def scenario(scene: Scene) -> None:
        with pytest.raises(BodyLengthError, match=str(length)):
            await scene.client.upload(ShortReads(data), "key", length=length, part_size=PART)
        assert scene.store.calls["create"] == begins
        scene.assert_aborted(times=begins)

    return scenario


async def declared_length_of_bytes_is_wrong(scene: Scene) -> None:
    """Nothing is sent."""
    for source in (b"four", io.BytesIO(b"four"), scene.file()):
        with pytest.raises(BodyLengthError):
            await scene.client.upload(source, "key", length=5)
    assert not scene.store.calls


async def part_is_never_awaited(scene: Scene) -> None:
    """It is missing, and named."""
    forgotten: Coroutine[Any, Any, Part]

    async def work() -> None:
        nonlocal forgotten
        async with scene.client.multipart_upload("key") as uploader:
            await uploader.put_part(PIECES[0])
            forgotten = uploader.put_part(PIECES[1])
            await uploader.put_part(PIECES[2])

    with pytest.raises(MissingPartError, match="part 2"):
        await work()
    forgotten.close()
    scene.assert_aborted()


async def part_fails_and_nobody_looks(scene: Scene) -> None:
    """It is missing, too."""
    scene.store.faults["part 2"] = [DENIED]

    async def work() -> None:
        async with scene.client.multipart_upload("key") as uploader:
            await asyncio.gather(*[uploader.put_part(piece) for piece in PIECES], return_exceptions=True)

    with pytest.raises(MissingPartError, match="part 2"):
        await work()
    scene.assert_aborted()


async def no_part_is_put(scene: Scene) -> None:
    """S3 would refuse it, with less words."""
    with pytest.raises(MissingPartError, match="no part"):
        async with scene.client.multipart_upload("key"):
            pass
    scene.assert_aborted()


async def beginning_is_refused(scene: Scene) -> None:
    """There is nothing to abort."""
    scene.store.faults["create"] = [DENIED]
    with pytest.raises(AccessDenied):
        await scene.put()
    scene.assert_aborted(times=0)


async def beginning_is_lost(scene: Scene) -> None:
    """It is begun once more, which leaves the first one: nobody knows its id."""
    scene.store.faults["create"] = [Drop()]
    await scene.put()
    assert scene.store.calls["create"] == 2
    scene.assert_is_there()


async def beginning_says_nothing(scene: Scene) -> None:
    """Without an id there is no upload."""
    scene.store.faults["create"] = [Reply(body=b"<html/>")]
    with pytest.raises(InvalidResponseError):
        await scene.put()


async def part_fails_for_good(scene: Scene) -> None:
    """The others are ended, and the upload is aborted."""
    path = scene.file()
    scene.store.faults |= {"part 1": [Stall(Taken.HALF)], "part 2": [Reply(503)] * 3}
    with pytest.raises(ServerError):
        await scene.client.upload(path, "key", part_size=PART)
    scene.assert_aborted()


async def answer_comes_early(scene: Scene) -> None:
    """A refusal is seen while the part is still being sent, and nothing more is."""
    path = scene.file()
    early = replace(DENIED, after=Taken.HEAD, ending=Ending.STALL)
    scene.store.faults |= {"part 1": [early], "part 2": [early], "part 3": [early]}
    with pytest.raises(AccessDenied):
        await scene.client.upload(path, "key", part_size=PART)
    scene.assert_aborted()


async def upload_is_reset(scene: Scene) -> None:
    """A part that breaks off is sent again."""
    path = scene.file()
    scene.store.faults |= {"part 1": [Drop(Taken.HALF, Ending.RESET)], "part 2": [Drop(Taken.HEAD)]}
    await scene.client.upload(path, "key", part_size=PART)
    assert scene.store.calls["part 1"] == scene.store.calls["part 2"] == 2
    scene.assert_is_there(DATA)


# What each sentence of the list of faults comes to. A sentence without a case would be seen here.
FAULTS: Final[dict[str, dict[str, Scenario]]] = {
    "200 with an error": {
        "a final one": error_says_no_after_success,
        "a temporary one": error_says_again_after_success,
        "a temporary one, always": error_says_again_thrice_after_success,
        "nothing at all": success_says_nothing,
    },
    "complete applied but the answer lost": {
        "then NoSuchUpload": completion_is_lost,
        "and no other answer": completion_is_lost_thrice,
        "not applied": completion_never_came,
        "not applied, and no answer": completion_is_lost_and_never_came,
        "and overwritten": completion_is_lost_and_overwritten,
        "and HEAD refused": completion_is_lost_and_head_is_denied,
        "and ETags that prove nothing": completion_is_lost_and_etags_say_nothing,
        "no, the upload is gone": upload_is_gone,
    },
    "abort": {
        "answers 404": abort_finds_nothing,
        "answers 500 once": abort_fails_once,
        "answers 500": abort_fails,
        "hangs": abort_hangs,
    },
    "a part lands after the abort": {
        "once": part_lands_after_the_abort,
        "always": part_lands_again_and_again,
        "and nobody may look": looking_for_parts_is_denied,
    },
    "a part sent again gets another ETag": {
        "the last one counts": part_gets_another_etag,
        "none": part_has_no_etag,
    },
    "parts finish out of order": {
        "one after the other": parts_finish_out_of_order,
        "at once": first_part_is_last,
    },
    "the source changes while it is uploaded": {
        "truncated in the first part": while_sending(truncate, 1),
        "truncated in a later part": while_sending(truncate, 2),
        "truncated in one request": file_is_truncated_in_one_request,
        "grown": while_sending(grow, 2),
        "rewritten": while_sending(rewrite, 2),
    },
    "the source iterator raises": {
        "in the middle": iterator_raises,
        "at once": iterator_raises_at_once,
    },
    "short reads from the source": {
        "of a raw file": reads_are_short,
    },
    "a declared length that is wrong": {
        "more than there is, in parts": declared(len(DATA) + 1, DATA, begins=True),
        "less than there is, in parts": declared(len(DATA) - 1, DATA, begins=True),
        "more than there is, in one request": declared(5, b"four", begins=False),
        "less than there is, in one request": declared(3, b"four", begins=False),
        "of what knows its own": declared_length_of_bytes_is_wrong,
    },
    "a part is missing": {
        "never awaited": part_is_never_awaited,
        "failed": part_fails_and_nobody_looks,
        "all": no_part_is_put,
    },
    "the beginning": {
        "refused": beginning_is_refused,
        "lost": beginning_is_lost,
        "without an id": beginning_says_nothing,
    },
    "a part breaks off": {
        "for good": part_fails_for_good,
        "answered early": answer_comes_early,
        "reset": upload_is_reset,
    },
}
CASES: Final = {f"{fault}: {case}": run for fault, cases in FAULTS.items() for case, run in cases.items()}


@pytest.mark.parametrize("scenario", CASES.values(), ids=CASES)
async def test_a_fault_ends_well_or_leaves_nothing(
    session: aiohttp.ClientSession | None, link: Link, scenario: Scenario, tmp_path: Path
) -> None:
    """Neither a task nor a connection, a file, a descriptor or an open upload is left, whatever went wrong."""
    async with staged(tmp_path, session, link=link) as scene:
        await scenario(scene)


async def test_an_exception_in_the_block_waits_for_the_parts_under_way(tmp_path: Path) -> None:
    """They end before the upload is aborted, and the exception comes out."""
    async with staged(tmp_path) as scene:
        scene.store.faults["part 1"] = [Stall(then=Reply(headers={"ETag": '"late"'}))]
        sending: asyncio.Task[Part]

        async def work() -> None:
            nonlocal sending
            async with scene.client.multipart_upload("key") as uploader:
                sending = asyncio.create_task(uploader.put_part(PIECES[0]))
                await scene.server.until(lambda server: len(server.requests) == 2)
                asyncio.get_running_loop().call_later(0.02, scene.server.release)
                raise LookupError

        with pytest.raises(LookupError):
            await work()
        assert sending.result().etag == '"late"'
        assert [request.method for request in scene.server.requests] == ["POST", "PUT", "DELETE"]


async def test_a_part_that_hangs_is_cut_off_in_time_for_the_abort(tmp_path: Path) -> None:
    """Its task is cancelled; the upload is aborted, and looked at once more."""
    async with staged(tmp_path, timeouts=Timeouts(None, None)) as scene:
        scene.store.faults["part 1"] = [Stall()]
        sending: asyncio.Task[Part]

        async def work() -> None:
            nonlocal sending
            async with scene.client.multipart_upload("key", abort_timeout=0.2) as uploader:
                sending = asyncio.create_task(uploader.put_part(PIECES[0]))
                await scene.server.until(lambda server: len(server.requests) == 2)
                raise LookupError

        with pytest.raises(LookupError):
            await work()
        assert sending.cancelled()
        assert [request.method for request in scene.server.requests] == ["POST", "PUT", "DELETE", "GET"]


async def test_a_task_goes_on_after_its_part(tmp_path: Path) -> None:
    """The end of the block waits for the part, not for what else the task does."""
    async with staged(tmp_path) as scene:

        async def work() -> None:
            await uploader.put_part(PIECES[0])
            await asyncio.get_running_loop().create_future()

        async with scene.client.multipart_upload("key") as uploader:
            task = asyncio.create_task(work())
        task.cancel()
        scene.assert_is_there(PIECES[0])


async def test_a_part_after_the_end_is_refused(tmp_path: Path) -> None:
    """Also one whose coroutine was made before, and is awaited when the upload is aborted already."""
    async with staged(tmp_path) as scene:
        late_one: Coroutine[Any, Any, Part]
        uploader = scene.client.multipart_upload("key")

        async def work() -> None:
            nonlocal late_one
            async with uploader:
                late_one = uploader.put_part(PIECES[0])
                raise LookupError

        with pytest.raises(LookupError):
            await work()
        with pytest.raises(RuntimeError, match="over"):
            await late_one
        with pytest.raises(RuntimeError, match="over"):
            _ = uploader.put_part(PIECES[1])
        assert [request.method for request in scene.server.requests] == ["POST", "DELETE"]


async def test_an_upload_that_is_cancelled_again_and_again_is_aborted(tmp_path: Path) -> None:
    """Whoever has no patience gets the cancellation when the upload is gone."""
    async with staged(tmp_path) as scene:
        scene.store.faults |= {"part 1": [Stall(Taken.HALF)], "abort": [Stall(then=Reply(500))]}
        task = asyncio.create_task(scene.put())
        await scene.server.until(lambda _: scene.store.calls["part 1"] > 0)
        task.cancel()
        await scene.server.until(lambda _: scene.store.calls["abort"] > 0)
        for _ in range(5):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        scene.server.release()
        with pytest.raises(asyncio.CancelledError):
            await task
        scene.assert_aborted(times=2)


async def test_a_failure_of_the_abort_is_told_with_the_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """So that somebody can abort it by hand."""
    async with staged(tmp_path) as scene:
        await abort_fails(scene)
        (upload_id,) = scene.store.uploads
    assert upload_id in caplog.text


async def in_parts_from_file(scene: Scene, path: Path) -> UploadResult:
    """Upload a file in three parts, two at once."""
    return await scene.client.upload(path, "key", part_size=PART, concurrency=2)


async def in_one_request(scene: Scene, path: Path) -> UploadResult:
    """Upload as one object."""
    del path
    return await scene.client.upload(io.BytesIO(DATA[:MIB]), "key")


async def in_parts_from_stream(scene: Scene, path: Path) -> UploadResult:
    """Upload a stream in parts, one of them twice."""

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, PART + MIB, MIB):
            await asyncio.sleep(0)
            yield DATA[start : start + MIB]

    del path
    scene.store.faults["part 2"] = [Drop(Taken.HALF)]
    return await scene.client.upload(chunks(), "key", part_size=PART)


async def by_hand(scene: Scene, path: Path) -> UploadResult:
    """Put small parts, with a completion whose answer is lost."""
    del path
    scene.store.faults["complete"] = [lost]
    return (await scene.put()).result


UPLOADS: Final[dict[str, Callable[[Scene, Path], Awaitable[UploadResult]]]] = {
    "in parts, from a file": in_parts_from_file,
    "in parts, from a stream": in_parts_from_stream,
    "in one request": in_one_request,
    "by hand": by_hand,
}


@pytest.mark.parametrize("uploaded", UPLOADS.values(), ids=UPLOADS)
async def test_an_upload_can_be_cancelled_at_every_await(
    session: aiohttp.ClientSession | None,
    link: Link,
    uploaded: Callable[[Scene, Path], Awaitable[UploadResult]],
    tmp_path: Path,
) -> None:
    """Each time no upload is open, no file and no task; in the end the object is there."""
    async with staged(tmp_path, session, link=link) as scene:
        path = scene.file()

        async def work() -> None:
            await uploaded(scene, path)

        tasks = asyncio.all_tasks()
        step = 1
        while await cancelled_at(step, work):
            await turned(lambda: not tasks_since(tasks))
            assert not tasks_since(tasks)
            assert not scene.store.uploads
            assert not [link for link in descriptors() if link.startswith(str(tmp_path))]
            step += 1
        assert step > 3
        assert KEY in scene.store.objects
