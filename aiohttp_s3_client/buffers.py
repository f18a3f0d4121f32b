"""Memory that bytes pass through on their way between a socket and a disk, used again and again."""

from __future__ import annotations

from typing import Final

__all__ = ("BUFFER_SIZE", "Buffers")

# What is read from a disk, or written to it, at once: in pieces of half the size that took a fifth longer. In bytes.
BUFFER_SIZE: Final = 1024 * 1024


class Buffers:
    """Buffers of one size, for all connections of a transfer; what is fresh costs as much as what passes through it."""

    def __init__(self, size: int = BUFFER_SIZE) -> None:
        """Say how many bytes each has."""
        self._size = size
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Give one; the last that came back is the one that the processor still knows."""
        return self._free.pop() if self._free else bytearray(self._size)

    def give_back(self, buffer: bytearray) -> None:
        """Take one back, unless somebody still reads it: a transport may keep a view of what it could not send."""
        try:
            # What is viewed cannot change its length.
            buffer.append(buffer.pop())
        except BufferError:
            return
        self._free.append(buffer)
