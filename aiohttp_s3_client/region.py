"""A region of an open file as a request's body: from the file to the socket, without being held in between."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from aiohttp_s3_client.body import StreamPayload, wrong_length
from aiohttp_s3_client.sigv4 import UNSIGNED_PAYLOAD

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.abc import AbstractStreamWriter

__all__ = ("FileRegion",)

# What goes to the socket at a time: between two pieces, what comes in is read, and silence is told from movement.
_PIECE: Final = 1024 * 1024


class FileRegion(NamedTuple):
    """``length`` bytes of a file from ``offset`` on; the file stays open as long as it is sent."""

    file: IO[bytes]
    offset: int
    length: int
    payload_hash: str = UNSIGNED_PAYLOAD

    @property
    def replayable(self) -> bool:
        """The file's own position is neither used nor moved."""
        return True

    async def prepare(self) -> FileRegion:
        """Nothing is to be found out."""
        return self

    def sha256(self) -> str:
        """Hash the region, in hexadecimal; it reads the file, and belongs in a thread."""
        digest = hashlib.sha256()
        position, end = self.offset, self.offset + self.length
        while position < end and (piece := os.pread(self.file.fileno(), min(_PIECE, end - position), position)):
            digest.update(piece)
            position += len(piece)
        return digest.hexdigest()

    def open(self) -> StreamPayload:
        """Give a fresh way through the region."""
        return _RegionPayload(self)


class _RegionPayload(StreamPayload):
    """Hands the region to the kernel where that can be done, and reads it in threads where it cannot."""

    def __init__(self, region: FileRegion) -> None:
        super().__init__(_read(region), region.length)
        self._region = region

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Send the region; a file that has become shorter breaks the request off."""
        if not await self._send_file(writer):
            await super().write_with_length(writer, content_length)

    async def _send_file(self, writer: AbstractStreamWriter) -> bool:
        """Let the kernel send it; tell whether it could. TLS and uvloop cannot."""
        file, offset, missing, _ = self._region
        transport = writer.transport
        if transport is None or transport.get_extra_info("sslcontext") is not None:
            return False
        loop = asyncio.get_running_loop()
        writer.send_headers()
        while missing:
            self.is_handed_over = missing <= _PIECE
            try:
                sent = await loop.sendfile(transport, file, offset, min(missing, _PIECE), fallback=False)
            except (NotImplementedError, RuntimeError):
                if missing < self._region.length:
                    raise
                return False
            if not sent:
                self.failure = wrong_length(self._region.length, missing)
                raise self.failure
            # aiohttp has not seen these bytes; whoever looks for movement goes by its count.
            writer.output_size += sent
            offset += sent
            missing -= sent
        return True


async def _read(region: FileRegion) -> AsyncGenerator[bytes, None]:
    """Read the region a piece at a time, in threads."""
    position, end = region.offset, region.offset + region.length
    while position < end:
        piece = await asyncio.to_thread(os.pread, region.file.fileno(), min(_PIECE, end - position), position)
        if not piece:
            return
        position += len(piece)
        yield piece
