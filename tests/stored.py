"""An object on a scripted server: it gives ranges as S3 does, but where a test has put a fault.

::

    stored = StoredObject(data, faults={0: [cut(1000)]})
    async with ScriptedServer(then=Choose(stored.answer)) as server:
        ...
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from tests.scripted import Ending, Raw, Reply, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripted import Received

    Fault: TypeAlias = Callable[[Reply], Step]

__all__ = ("StoredObject", "asked", "chunked", "cut", "instead", "with_headers")


def asked(request: Received) -> tuple[int, int]:
    """Give the range that a request asks for, half-open."""
    first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
    return int(first), int(last) + 1


@dataclass(slots=True)
class StoredObject:
    """What the server has, and what goes wrong.

    Attributes:
        data: The bytes.
        headers: What every answer says of the object.
        faults: By the start of a range, what is made of the answers to it, one after the other.
        every: What is made of every answer that has no such fault.
        ignores_conditions: Whether ``If-Match`` does not count.

    """

    data: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"first"'})
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    every: Fault | None = None
    ignores_conditions: bool = False

    def answer(self, request: Received) -> Step:
        """Answer a request for a range."""
        start, end = asked(request)
        faults = self.faults.get(start)
        fault = faults.pop(0) if faults else self.every
        reply = self._reply(start, min(end, len(self.data)), request.headers.get("If-Match"))
        return reply if fault is None else fault(reply)

    def _reply(self, start: int, end: int, if_match: str | None) -> Reply:
        if not self.ignores_conditions and if_match not in {None, self.headers.get("ETag")}:
            return Reply.error(412, "PreconditionFailed")
        size = len(self.data)
        if start >= size:
            return Reply.error(416, "InvalidRange", headers={"Content-Range": f"bytes */{size}"})
        content_range = f"bytes {start}-{end - 1}/{size}"
        return Reply(206, {**self.headers, "Content-Range": content_range}, self.data[start:end])


def cut(sent: int, ending: Ending = Ending.CLOSE) -> Fault:
    """Break off after so many bytes of the body."""
    return lambda reply: replace(reply, sent=sent, ending=ending)


def instead(step: Step) -> Fault:
    """Do something else."""
    return lambda _: step


def with_headers(**headers: str | None) -> Fault:
    """Say something else; underscores in names are hyphens, None leaves a header out."""

    def changed(reply: Reply) -> Reply:
        all_headers = {**reply.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return replace(reply, headers={name: value for name, value in all_headers.items() if value is not None})

    return changed


def chunked(change: Callable[[bytes], bytes]) -> Fault:
    """Send the body in chunks, so that no header says its length."""

    def changed(reply: Reply) -> Raw:
        body = change(reply.body)
        lines = [f"{name}: {value}" for name, value in reply.headers.items()]
        head = "\r\n".join(["HTTP/1.1 206 Partial Content", *lines, "Transfer-Encoding: chunked", "", ""])
        return Raw(head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), ending=Ending.KEEP)

    return changed
