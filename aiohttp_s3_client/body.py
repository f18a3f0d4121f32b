"""What a request sends: how long it is, what it hashes to, and whether it can be sent again."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Never, Protocol, TypeAlias, TypeGuard, cast

import aiohttp

from aiohttp_s3_client.errors import BodyLengthError
from aiohttp_s3_client.files import BinaryFile, SeekableFile, SharedFile, open_file, refuse_unless_file
from aiohttp_s3_client.sigv4 import EMPTY_PAYLOAD_HASH, UNSIGNED_PAYLOAD
from aiohttp_s3_client.threads import in_thread

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

__all__ = (
    "EMPTY_BODY",
    "GATHER_LIMIT",
    "PIECE_SIZE",
    "Body",
    "Buffer",
    "BytesBody",
    "Data",
    "StreamBody",
    "StreamPayload",
    "as_body",
    "body_of",
    "wrong_length",
)

# A body of unknown length is held in memory up to here: as much as one part of a multipart upload.
GATHER_LIMIT: Final = 8 * 1024 * 1024
# What a file is read in. In bytes.
_CHUNK_SIZE: Final = 1024 * 1024
# What a socket is handed at a time: more does not stay in the processor's cache while TLS encrypts it. In bytes.
PIECE_SIZE: Final = 256 * 1024
# Hashing more than this takes as long as sending it; such a body goes unsigned unless the caller gives its hash.
_HASHED_INLINE: Final = 16 * 1024
# How many bytes may be taken out of memory before the event loop has a turn; and a piece, however small, takes as long
# as so many of them.
_TAKEN_AT_ONCE: Final = 256 * 1024
_OF_A_PIECE: Final = 256

Buffer: TypeAlias = bytes | bytearray | memoryview
_IN_MEMORY: Final = (bytes, str, bytearray, memoryview)


class AsyncBinaryFile(Protocol):
    """An asynchronous file object, or the reading end of a stream."""

    async def read(self, size: int = -1, /) -> bytes:
        """Read at most ``size`` bytes; fewer are no sign of the end, none are."""
        ...


Chunks: TypeAlias = AsyncIterable[Buffer] | Iterable[Buffer]
Data: TypeAlias = str | Buffer | BinaryFile | AsyncBinaryFile | Chunks | Callable[[], BinaryFile | Chunks]


class Body(Protocol):
    """What the transport asks of a body."""

    @property
    def length(self) -> int | None:
        """How many bytes there are; None where that is not known before ``prepare``."""
        ...

    @property
    def payload_hash(self) -> str:
        """The hex SHA-256 of the bytes, or ``UNSIGNED-PAYLOAD``."""
        ...

    @property
    def replayable(self) -> bool:
        """Whether it can be opened more than once."""
        ...

    async def prepare(self) -> Body:
        """Find out what must be known before sending: the length, or that there is a file at all."""
        ...

    def open(self) -> Buffer | StreamPayload | None:
        """Give the bytes for one attempt, in the form that aiohttp sends."""
        ...


# A small object is as quickly put as its few values are made: a tuple, and no more checks than needed.
class BytesBody(NamedTuple):
    """A body that is in memory; ``data`` counts in bytes."""

    data: Buffer | None
    payload_hash: str

    @property
    def length(self) -> int:
        """How many bytes there are."""
        return len(self.data or b"")

    @property
    def replayable(self) -> bool:
        """Bytes stay."""
        return True

    @classmethod
    def of(cls, data: Buffer) -> BytesBody:
        """Take bytes, hashing them where that is quick."""
        if len(data) > _HASHED_INLINE:
            return cls(data, UNSIGNED_PAYLOAD)
        return cls(data, hashlib.sha256(data).hexdigest())

    async def prepare(self) -> BytesBody:
        """Nothing is to be found out."""
        return self

    def open(self) -> Buffer | StreamPayload | None:
        """Give the bytes; many of them in pieces, so that the socket's buffer does not take a copy of all."""
        if self.data is None or len(self.data) <= _CHUNK_SIZE:
            return self.data
        return StreamPayload(_slices(memoryview(self.data)), len(self.data))


EMPTY_BODY: Final = BytesBody(None, EMPTY_PAYLOAD_HASH)


@dataclass(frozen=True, slots=True)
class StreamBody:
    """A body that comes in chunks, of ``length`` bytes in all; None is not known."""

    chunks: Callable[[], AsyncGenerator[Buffer, None]]
    length: int | None
    replayable: bool
    payload_hash: str = UNSIGNED_PAYLOAD

    async def prepare(self) -> Body:
        """Gather a body of unknown length.

        Raises:
            BodyLengthError: it is longer than ``GATHER_LIMIT`` bytes.

        """
        if self.length is not None:
            return self
        gathered = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                if len(chunk) + len(gathered) > GATHER_LIMIT:
                    raise BodyLengthError(
                        f"the body's length is unknown, and it goes on after {GATHER_LIMIT} bytes: "
                        "say its length (data_length=), since nothing is sent that the store could not check"
                    )
                gathered += chunk
        return BytesBody.of(gathered)

    def open(self) -> StreamPayload:
        """Give a fresh stream; of a body that is not replayable there is only one."""
        if self.length is None:
            raise RuntimeError("a body of unknown length is gathered before it is opened")
        return StreamPayload(self.chunks(), self.length)


@dataclass(frozen=True, slots=True)
class FileBody:
    """The file at ``path``, opened afresh for every attempt."""

    path: str | os.PathLike[str]
    payload_hash: str = UNSIGNED_PAYLOAD
    replayable: bool = True
    length: None = None

    async def prepare(self) -> StreamBody:
        """Find the file's length in bytes; a missing file raises its ``OSError``."""
        status = await in_thread(os.stat, self.path)
        refuse_unless_file(status, self.path)
        chunks = partial(_path_chunks, self.path)
        return StreamBody(chunks, status.st_size, replayable=True, payload_hash=self.payload_hash)

    def open(self) -> Never:
        """Refuse: ``prepare`` gives the body that is opened."""
        raise RuntimeError("a file's length is found before it is opened")


class StreamPayload(aiohttp.Payload):
    """One attempt's way through a stream: exactly ``length`` bytes reach the socket, or the request fails.

    The last chunk is held back until the stream has ended, so a stream that is too long never makes a whole request.
    ``failure`` is what the stream itself raised, ``is_handed_over`` whether its last chunk is on the way; ``tell`` is
    called with the bytes that have gone to the socket, and what it raises is a failure, too. ``ended`` is done when
    nothing is read any more; None before anything was.
    """

    def __init__(self, chunks: AsyncGenerator[Buffer, None], length: int) -> None:
        """Take the chunks and their total length in bytes."""
        super().__init__(chunks)
        self._chunks = chunks
        self._length = length
        self.failure: Exception | None = None
        self.is_handed_over = False
        self.tell: Callable[[int], object] = _tell_nobody
        self.ended: asyncio.Future[None] | None = None

    @property
    def size(self) -> int:
        """The length in bytes: what ``Content-Length`` says."""
        return self._length

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all chunks."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002 - always the length that `size` gave
    ) -> None:
        """Send all, and close the source, however that ends."""
        self.ended = asyncio.get_running_loop().create_future()
        try:
            await self._send(writer)
        finally:
            self.ended.set_result(None)

    async def _send(self, writer: AbstractStreamWriter) -> None:
        sent = 0
        async with aclosing(self._exactly()) as chunks:
            async for chunk in chunks:
                await writer.write(chunk)
                sent += len(chunk)
                try:
                    self.tell(sent)
                except Exception as error:
                    self.failure = error
                    raise
                # Whoever lent it may use it for what comes next.
                del chunk

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: a stream cannot be shown as text."""
        raise TypeError(f"a stream cannot be decoded ({encoding}, {errors})")

    async def _exactly(self) -> AsyncGenerator[Buffer, None]:
        """Give the chunks, one behind, and fail unless they have the declared length."""
        remaining = self._length
        held: Buffer = b""
        async with aclosing(self._chunks) as chunks:
            try:
                async for chunk in chunks:
                    remaining -= len(chunk)
                    if remaining < 0:
                        break
                    if held:
                        yield held
                    held = chunk
                if remaining:
                    raise wrong_length(self._length, remaining)
            except Exception as error:
                self.failure = error
                raise
        self.is_handed_over = True
        yield held


def _tell_nobody(_: int) -> None:
    """Nobody wants to know how far a body is."""


def body_of(data: Data, length: int | None = None) -> Body:
    """Tell how to send what a caller gave; ``length`` in bytes is needed only for what cannot tell it.

    Raises:
        TypeError: it is nothing that can be sent as bytes.
        BodyLengthError: it is in memory, or a file, and has another length than ``length``.

    """
    if isinstance(data, _IN_MEMORY):
        return _memory_body(data, length)
    if _is_async_file(data):
        return StreamBody(partial(_read_chunks, data), length, replayable=False)
    if isinstance(data, AsyncIterable):
        return StreamBody(partial(_async_chunks, data), length, replayable=aiter(data) is not data)
    if _is_file(data):
        return _file_body(data, length)
    if isinstance(data, Iterable) and not isinstance(data, Mapping):
        return StreamBody(partial(_sync_chunks, data), length, replayable=iter(data) is not data)
    if callable(data):
        return StreamBody(partial(_made_chunks, data), length, replayable=True)
    if isinstance(data, os.PathLike):
        raise TypeError(f"{os.fspath(data)!r} is a path: use put_file(object_name, path), or open the file")
    raise _unsendable(data)


def as_body(data: Data | Body) -> Body:
    """Take what is a body already, or what a caller gave."""
    if hasattr(data, "payload_hash"):
        return cast("Body", data)
    return body_of(data)


def _unsendable(data: object) -> TypeError:
    return TypeError(f"a {type(data).__name__} cannot be sent: give str, bytes, a binary file, or an iterable of bytes")


def wrong_length(declared: int, missing: int) -> BodyLengthError:
    """Describe a body that ended ``missing`` bytes early, or went on after its declared length (negative)."""
    found = f"only {declared - missing}" if missing > 0 else "more"
    return BodyLengthError(f"the body was declared to have {declared} bytes, and has {found}: nothing was stored")


def _bytes_of(chunk: Buffer) -> bytes:
    """Give a piece as bytes: by the time it is sent, its maker may have filled the same buffer with the next one."""
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"a piece of the body is a {type(chunk).__name__}: give bytes")


def _memory_body(data: str | Buffer, length: int | None) -> BytesBody:
    if isinstance(data, str):
        data = data.encode()
    elif isinstance(data, memoryview):
        data = data.cast("B") if data.c_contiguous else data.tobytes()
    if length is not None and length != len(data):
        raise wrong_length(length, length - len(data))
    return BytesBody.of(data)


# Asked for attributes, since `isinstance` does not see those that the wrappers of `tempfile` hand on.
def _is_file(data: object) -> TypeGuard[BinaryFile]:
    return callable(getattr(data, "read", None))


def _is_async_file(data: object) -> TypeGuard[AsyncBinaryFile]:
    """Tell what is read by size: iterated it gives lines, and what a stream holds need not have any."""
    read = getattr(data, "read", None)
    # A body part of aiohttp's has an async `read` too, which takes no size.
    return inspect.iscoroutinefunction(read) and bool(inspect.signature(read).parameters.keys() - {"decode"})


def _is_seekable(file: object) -> TypeGuard[SeekableFile]:
    seekable = getattr(file, "seekable", None)
    return seekable is not None and seekable()


def _file_body(file: BinaryFile, length: int | None) -> StreamBody:
    """Take a file from where it stands; one that can seek tells its length, and can be sent again."""
    if hasattr(file, "encoding"):
        raise TypeError("the file is opened in text mode: open it with mode 'rb'")
    if not _is_seekable(file):
        return StreamBody(partial(_file_chunks, file), length, replayable=False)
    shared = SharedFile.of(file)
    start, size = shared.measure()
    if length is not None and length != size:
        raise wrong_length(length, length - size)
    return StreamBody(partial(_chunks_from, start, shared), size, replayable=True)


async def _slices(view: memoryview) -> AsyncGenerator[Buffer, None]:
    for start in range(0, len(view), PIECE_SIZE):
        yield view[start : start + PIECE_SIZE]


class _Turns:
    """Says when it is the event loop's turn: what comes out of memory, or does not wait, would leave it none."""

    def __init__(self) -> None:
        self._taken = 0

    def is_due(self, chunk: Buffer) -> bool:
        self._taken += len(chunk) + _OF_A_PIECE
        if self._taken < _TAKEN_AT_ONCE:
            return False
        self._taken = 0
        return True


async def _async_chunks(chunks: AsyncIterable[Buffer]) -> AsyncGenerator[Buffer, None]:
    iterator = aiter(chunks)
    turns = _Turns()
    try:
        async for chunk in iterator:
            yield _bytes_of(chunk)
            if turns.is_due(chunk):
                await asyncio.sleep(0)
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


async def _sync_chunks(chunks: Iterable[Buffer]) -> AsyncGenerator[Buffer, None]:
    iterator = iter(chunks)
    turns = _Turns()
    try:
        for chunk in iterator:
            yield _bytes_of(chunk)
            if turns.is_due(chunk):
                await asyncio.sleep(0)
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


async def _read_chunks(reader: AsyncBinaryFile) -> AsyncGenerator[Buffer, None]:
    while chunk := _bytes_of(await reader.read(_CHUNK_SIZE)):
        yield chunk


async def _made_chunks(make: Callable[[], BinaryFile | Chunks]) -> AsyncGenerator[Buffer, None]:
    made = make()
    if isinstance(made, AsyncIterable):
        chunks = _async_chunks(made)
    elif _is_file(made):
        chunks = _owned_chunks(made)
    elif isinstance(made, Iterable):
        chunks = _sync_chunks(made)
    else:
        raise _unsendable(made)
    async with aclosing(chunks):
        async for chunk in chunks:
            yield chunk


async def _file_chunks(file: BinaryFile) -> AsyncGenerator[Buffer, None]:
    while chunk := _bytes_of(await in_thread(file.read, _CHUNK_SIZE)):
        yield chunk


async def _chunks_from(position: int, file: SharedFile) -> AsyncGenerator[Buffer, None]:
    """Read a file that others, as the attempt before, may still be reading."""
    is_reading = False

    def read() -> bytes:
        nonlocal is_reading
        if not is_reading:
            file.begin()
            is_reading = True
        chunk = file.read_at(position, _CHUNK_SIZE)
        if not chunk:
            # Here, since to go to a thread once more takes as long as to read a small file.
            file.end()
            is_reading = False
        return chunk

    try:
        while chunk := _bytes_of(await in_thread(read)):
            position += len(chunk)
            yield chunk
    finally:
        if is_reading:
            await in_thread(file.end)


async def _path_chunks(path: str | os.PathLike[str]) -> AsyncGenerator[Buffer, None]:
    with ExitStack() as stack:
        file = await in_thread(open_file, path, stack)
        async with aclosing(_file_chunks(file)) as chunks:
            async for chunk in chunks:
                yield chunk


async def _owned_chunks(file: BinaryFile) -> AsyncGenerator[Buffer, None]:
    try:
        async with aclosing(_file_chunks(file)) as chunks:
            async for chunk in chunks:
                yield chunk
    finally:
        if (close := getattr(file, "close", None)) is not None:
            close()
