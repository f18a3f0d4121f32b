"""One multipart upload, from its beginning to its completion or its abortion."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp_s3_client.endings import to_the_end
from aiohttp_s3_client.errors import (
    AmbiguousResult,
    InvalidResponseError,
    MissingPartError,
    NoSuchUpload,
    S3ConnectionError,
    S3Error,
    S3ResponseError,
)
from aiohttp_s3_client.models import UploadResult

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.config import RetryPolicy
    from aiohttp_s3_client.models import ObjectInfo, Part

__all__ = ("MAX_PARTS", "MultipartOperations", "MultipartUploader")

_log = logging.getLogger(__name__)

MAX_PARTS: Final = 10_000
# How often an upload is aborted at most, when parts keep landing in it.
_ABORTS: Final = 3


class MultipartOperations(Protocol):
    """The operations that a multipart upload consists of."""

    async def create_multipart_upload(self, object_name: str, *, headers: Mapping[str, str] | None = None) -> str:
        """Begin."""
        ...

    async def upload_part(
        self,
        object_name: str,
        upload_id: str,
        part_number: int,
        data: Data | Body,
        *,
        content_sha256: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> Part:
        """Send one part."""
        ...

    async def complete_multipart_upload(
        self, object_name: str, upload_id: str, parts: Iterable[Part], *, headers: Mapping[str, str] | None = None
    ) -> UploadResult:
        """Make one object of the parts."""
        ...

    async def abort_multipart_upload(self, object_name: str, upload_id: str) -> None:
        """Give all up."""
        ...

    async def list_parts(self, object_name: str, upload_id: str) -> list[Part]:
        """Give the parts that the store has."""
        ...

    async def head_object(self, object_name: str) -> ObjectInfo:
        """Describe the object."""
        ...


class MultipartUploader:
    """A multipart upload as an async context manager.

    Leaving it completes the upload. Leaving it by an exception, or a cancellation, waits for the parts under way and
    aborts the upload, within ``abort_timeout`` seconds and whatever comes in between, and lets the exception out. A
    request to begin or to complete it that is under way is waited for first, for as long again.

    With an ``upload_id``, the parts that the store has are taken over: ``parts`` tells them, and new ones get the
    numbers that are free, the lowest first. With a gap it is not completed.
    """

    def __init__(
        self,
        operations: MultipartOperations,
        object_name: str,
        *,
        headers: Mapping[str, str] | None = None,
        upload_id: str | None = None,
        retry: RetryPolicy | None = None,
        abort_timeout: float = 10.0,
    ) -> None:
        """Describe the upload; entering begins it.

        Raises:
            ValueError: ``abort_timeout`` leaves no time.
            TypeError: It is no number.

        """
        if isinstance(abort_timeout, bool) or not isinstance(abort_timeout, int | float):
            raise TypeError(f"abort_timeout is a {type(abort_timeout).__name__}: give seconds")
        if not abort_timeout > 0:
            raise ValueError(f"abort_timeout is {abort_timeout}, which leaves no time to abort: give more seconds")
        self._operations = operations
        self._object_name = object_name
        self._headers = headers
        self._upload_id = upload_id
        self._retry = retry
        self._abort_timeout = abort_timeout
        self._parts: dict[int, Part] = {}
        self._promised: set[int] = set()
        self._last_number = 0
        # What ends with a part that is being sent, and the task that sends it.
        self._under_way: dict[asyncio.Future[None], asyncio.Task[Any] | None] = {}
        self._is_over = False
        self._was_cut_off = False
        self._result: UploadResult | None = None

    @property
    def upload_id(self) -> str:
        """The store's name for the upload.

        Raises:
            RuntimeError: The upload has not begun.

        """
        if self._upload_id is None:
            raise RuntimeError("the upload begins, and gets its id, when it is entered with `async with`")
        return self._upload_id

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that the store has, in their order."""
        return tuple(part for _, part in sorted(self._parts.items()))

    @property
    def result(self) -> UploadResult:
        """What the store said of the object.

        Raises:
            RuntimeError: The upload is not completed.

        """
        if self._result is None:
            raise RuntimeError("the upload is completed, and has a result, when its `async with` has been left")
        return self._result

    async def __aenter__(self) -> Self:
        """Begin the upload (``CreateMultipartUpload``), or see how far it is (``ListParts``).

        Raises:
            NoSuchUpload: There is none of the given id.
            S3Error: It was refused, or no answer came.

        """
        if self._upload_id is None:
            await self._begin()
        else:
            parts = await self._operations.list_parts(self._object_name, self._upload_id)
            self._parts = {part.part_number: part for part in parts}
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the upload, or abort it."""
        if exc_type is not None:
            await self._give_up()
            return
        try:
            # A task that was made, but has not run, begins its part now.
            await asyncio.sleep(0)
            await self._wait_for_parts()
            self._is_over = True
            await self._answered(self._complete())
        except BaseException:
            if self._result is None:
                await self._give_up()
            raise

    def put_part(self, data: Data | Body, content_sha256: str | None = None) -> Coroutine[Any, Any, Part]:
        """Take the next free part number, and give a coroutine that sends the part (``UploadPart``).

        The numbers are in the order of the calls; the coroutines may be awaited in any order, and together. All parts
        but the last have at least 5 MiB, or the store refuses to complete them.

        Raises:
            ValueError: There are 10,000 parts already.
            RuntimeError: The upload has not begun, or is over.

        """
        self._see_that_it_goes_on()
        upload_id = self.upload_id
        self._last_number += 1
        while self._last_number in self._parts:
            self._last_number += 1
        if self._last_number > MAX_PARTS:
            raise ValueError(f"an upload has at most {MAX_PARTS} parts: make them larger")
        self._promised.add(self._last_number)
        return self._put(upload_id, self._last_number, data, content_sha256)

    async def _put(self, upload_id: str, part_number: int, data: Data | Body, content_sha256: str | None) -> Part:
        self._see_that_it_goes_on()
        ended = asyncio.get_running_loop().create_future()
        self._under_way[ended] = asyncio.current_task()
        try:
            part = await self._operations.upload_part(
                self._object_name, upload_id, part_number, data, content_sha256=content_sha256, retry=self._retry
            )
            self._parts[part_number] = part
        except (S3ConnectionError, asyncio.CancelledError):
            self._was_cut_off = True
            raise
        finally:
            del self._under_way[ended]
            ended.set_result(None)
        return part

    def _see_that_it_goes_on(self) -> None:
        """Refuse a part that nothing would be made of."""
        if self._is_over:
            raise RuntimeError("the upload is over: put its parts before its `async with` is left")

    async def _wait_for_parts(self) -> None:
        """Wait for the parts that tasks are sending; how they end is those tasks' business."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _complete(self) -> None:
        """Complete the upload, and find out what became of it when the answer was lost.

        Raises:
            MissingPartError: A part was promised and did not arrive.
            AmbiguousResult: It cannot be found out.

        """
        # An upload that was taken up may lack a part that nobody has promised again.
        missing = sorted((self._promised | set(range(1, max(self._parts, default=0)))) - self._parts.keys())
        if missing:
            raise MissingPartError(
                f"the upload of {self._object_name!r} lacks {_listed(missing)}: await what put_part() returned"
            )
        if not self._parts:
            raise MissingPartError(f"the upload of {self._object_name!r} has no part: put an empty object instead")
        try:
            self._result = await self._operations.complete_multipart_upload(
                self._object_name, self.upload_id, self.parts
            )
        except (NoSuchUpload, S3ConnectionError) as error:
            was_sent = error.attempts > 1 or (isinstance(error, S3ConnectionError) and error.sent)
            if not was_sent:
                raise
            self._result = await self._look(error)

    async def _look(self, error: S3Error) -> UploadResult:
        """See whether the object is there: when an answer is lost, the upload can be gone because it is done."""
        try:
            found = await self._operations.head_object(self._object_name)
        except S3Error:
            found = None
        if found is not None and found.etag is not None and found.etag == _combined_etag(self.parts):
            return UploadResult(found.etag, found.version_id)
        raise AmbiguousResult(
            f"whether the upload of {self._object_name!r} was completed is unknown: the answer was lost, and what is "
            "there now is not known to be it"
        ) from error

    async def _begin(self) -> None:
        """Begin the upload; when this is cancelled, the store may have begun it already, and it is aborted."""
        try:
            await self._answered(self._create())
        except asyncio.CancelledError:
            if self._upload_id is not None:
                await self._give_up()
            raise

    async def _create(self) -> None:
        self._upload_id = await self._operations.create_multipart_upload(self._object_name, headers=self._headers)

    async def _answered(self, request: Coroutine[Any, Any, None]) -> None:
        """Wait for a request, also when cancelled meanwhile: what the store then does must be known.

        A cancellation allows it as much time as giving up.
        """
        task = asyncio.ensure_future(request)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await to_the_end(asyncio.ensure_future(_ended(task, self._abort_timeout)))
            raise

    async def _give_up(self) -> None:
        """Abort the upload, also when this is cancelled meanwhile."""
        self._is_over = True
        await to_the_end(asyncio.ensure_future(self._abort()))

    async def _abort(self) -> None:
        """End the parts under way, then abort; what cannot be done in time is logged with the upload's id."""
        try:
            async with asyncio.timeout(self._abort_timeout):
                await self._end_parts()
                await self._remove()
        except Exception as error:  # noqa: BLE001 - what the upload was given up for must come out
            _log.warning(
                "the upload %s of %r could not be aborted, and the store keeps its parts: %s",
                self.upload_id,
                self._object_name,
                str(error) or type(error).__name__,
            )

    async def _end_parts(self) -> None:
        """Wait for the parts under way, and cut off those that leave no time to abort."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._abort_timeout / 2)
        for task in self._under_way.values():
            if task is not None:
                task.cancel()
        await self._wait_for_parts()

    async def _remove(self) -> None:
        """Abort; a part that was cut off can land after that, and is then looked for, and removed, too.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
        """
        for _ in range(_ABORTS):
            await self._operations.abort_multipart_upload(self._object_name, self.upload_id)
            if not self._was_cut_off or not await self._has_parts():
                return
        raise TimeoutError("parts keep landing in it")

    async def _has_parts(self) -> bool:
        """Tell whether the store has parts; who must not look gets no answer."""
        try:
            return bool(await self._operations.list_parts(self._object_name, self.upload_id))
        except (S3ResponseError, InvalidResponseError):
            return False


async def _ended(task: asyncio.Future[None], patience: float) -> None:
    """Wait for the end of a task, and bring it about after ``patience`` seconds; how it ends is of no interest."""
    await asyncio.wait([task], timeout=patience)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _combined_etag(parts: Iterable[Part]) -> str | None:
    """Give the ETag that S3 gives an object of these parts; None where theirs are no MD5 sums."""
    etags = [part.etag.strip('"') for part in parts]
    try:
        digests = b"".join(bytes.fromhex(etag) for etag in etags)
    except ValueError:
        return None
    return f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"'


def _listed(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"part {numbers[0]}"
    shown = ", ".join(str(number) for number in numbers[:10])
    return f"{len(numbers)} parts ({shown}{', ...' if numbers[10:] else ''})"
