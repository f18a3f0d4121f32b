"""A scripted HTTP server: it answers as a test tells it to, breaks off where no real server would, and keeps count.

::

    async with ScriptedServer(Reply(503), Drop(), Reply(200, body=b"ok")) as server:
        ...
        assert [request.method for request in server.requests] == ["GET", "GET", "GET"]

Each request, on whatever connection, takes the next step of the script; what comes after the last step gets ``then``.
A step says how much of the request is taken (``Taken``) before it acts, and an ``Ending`` what becomes of the
connection afterwards.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from multidict import CIMultiDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

__all__ = (
    "Choose",
    "Connection",
    "Drip",
    "Drop",
    "Ending",
    "Raw",
    "Received",
    "Reply",
    "ScriptedServer",
    "Sip",
    "Stall",
    "Step",
    "Taken",
)

# How long `until` waits for what a test says will come; only a failing test waits so long. In seconds.
_PATIENCE: Final = 5.0
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_PIECE: Final = 64 * 1024


class Taken(Enum):
    """How much of a request the server takes before it acts."""

    NOTHING = auto()
    """Nothing: the request has only begun to arrive."""
    HEAD = auto()
    """The request line and the headers."""
    HALF = auto()
    """The head, and the first half of the body."""
    ALL = auto()
    """The whole request."""


class Ending(Enum):
    """What becomes of the connection."""

    KEEP = auto()
    """It stays open for the next request."""
    CLOSE = auto()
    """It is closed in good order (FIN)."""
    RESET = auto()
    """It is torn down (RST)."""
    STALL = auto()
    """It stays open, and nothing more happens on it until ``ScriptedServer.release``; then it is closed."""


@dataclass(slots=True)
class Received:
    """One request, as far as it came.

    Attributes:
        connection: The number of its connection, from 1.
        method: Empty where not even the head was taken.
        target: Path and query, byte for byte.
        headers: As they came, the order and repeats kept.
        body: What was taken of the body.
        whole: Whether as much came as ``Content-Length`` says: a real store would have acted on it.

    """

    connection: int
    method: str = ""
    target: str = ""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes = b""
    whole: bool = False

    @property
    def path(self) -> str:
        """The target before the question mark."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target after the question mark."""
        return self.target.partition("?")[2]


class Connection:
    """One connection of a client, as a step sees it."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, released: asyncio.Event
    ) -> None:
        """Take the streams, and the event that ends every stall."""
        self.request = Received(number)
        self.is_open = True
        self._number = number
        self._reader = reader
        self._writer = writer
        self._released = released
        self._begun = b""

    async def begin(self) -> bool:
        """Wait for the first byte of a request; False when the client closed instead."""
        self.request = Received(self._number)
        self._begun = await self._reader.read(1)
        return bool(self._begun)

    async def take(self, much: Taken) -> None:
        """Read on until so much of the request was taken; what was taken already stays taken.

        Raises:
            asyncio.IncompleteReadError: The client closed before.

        """
        if much is Taken.NOTHING:
            return
        if not self.request.method:
            await self._take_head()
        length = int(self.request.headers.get("Content-Length", "0"))
        if much is not Taken.HEAD:
            await self.take_body(length // 2 if much is Taken.HALF else length)
        self.request.whole = len(self.request.body) == length

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self, ending: Ending) -> None:
        """Bring it to this ending."""
        if ending is Ending.KEEP:
            return
        if ending is Ending.STALL:
            await self._released.wait()
        if ending is Ending.RESET:
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self._writer.transport.abort()
        self.is_open = False
        self._writer.close()

    async def released(self) -> None:
        """Wait for ``ScriptedServer.release``."""
        await self._released.wait()

    async def _take_head(self) -> None:
        head = self._begun + await self._reader.readuntil(b"\r\n\r\n")
        request_line, *lines = head.decode("utf-8", "surrogateescape").removesuffix("\r\n\r\n").split("\r\n")
        self.request.method, self.request.target, _ = request_line.split(" ", 2)
        for line in lines:
            name, _, value = line.partition(":")
            self.request.headers.add(name, value.strip())

    async def take_body(self, length: int) -> None:
        """Read on until so many bytes of the body were taken."""
        body = bytearray(self.request.body)
        try:
            while len(body) < length:
                piece = await self._reader.read(min(_PIECE, length - len(body)))
                if not piece:
                    raise asyncio.IncompleteReadError(bytes(body), length)
                body += piece
        finally:
            self.request.body = bytes(body)


class Step(Protocol):
    """What the server does with one request."""

    @property
    def after(self) -> Taken:
        """How much of the request is taken before."""
        ...

    async def play(self, connection: Connection) -> None:
        """Do it."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``Content-Length`` is the body's unless ``headers`` say another.

    ``sent`` is how many bytes of the body really go out before the ending; None is all.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: Taken = Taken.ALL
    sent: int | None = None
    ending: Ending = Ending.KEEP

    @classmethod
    def error(cls, status: int, code: str, message: str = "", *, headers: Mapping[str, str] | None = None) -> Reply:
        """Answer with an error in S3's words."""
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}</Message><Resource>/bucket/key</Resource>"
            "<RequestId>REQUEST</RequestId><HostId>HOST</HostId></Error>"
        )
        return cls(status, {"Content-Type": "application/xml", **(headers or {})}, document.encode())

    async def play(self, connection: Connection) -> None:
        """Send it; to ``HEAD``, and with 204 and 304, its headers only."""
        headers = CIMultiDict(self.headers)
        bodiless = connection.request.method == "HEAD" or self.status in {204, 304}
        if self.status not in {204, 304}:
            headers.setdefault("Content-Length", str(len(self.body)))
        reason = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, "", ""]).encode()
        await connection.send(head + (b"" if bodiless else self.body[: self.sent]))
        await connection.end(self.ending)


@dataclass(frozen=True, slots=True)
class Drip:
    """An answer of status 200 whose body comes a byte at a time, each after ``pause`` seconds."""

    body: bytes
    pause: float
    after: Taken = Taken.ALL

    async def play(self, connection: Connection) -> None:
        """Send it slowly."""
        await connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(self.body)}\r\n\r\n".encode())
        for place in range(len(self.body)):
            await asyncio.sleep(self.pause)
            await connection.send(self.body[place : place + 1])


@dataclass(frozen=True, slots=True)
class Sip:
    """A body that is taken a little at a time, with ``pause`` seconds in between; then another step."""

    size: int
    pause: float
    then: Step
    after: Taken = Taken.HEAD

    async def play(self, connection: Connection) -> None:
        """Take it slowly."""
        length = int(connection.request.headers["Content-Length"])
        for taken in range(0, length, self.size):
            await asyncio.sleep(self.pause)
            await connection.take_body(min(taken + self.size, length))
        connection.request.whole = True
        await self.then.play(connection)


@dataclass(frozen=True, slots=True)
class Drop:
    """No answer: the connection goes."""

    after: Taken = Taken.ALL
    ending: Ending = Ending.CLOSE

    async def play(self, connection: Connection) -> None:
        """Let it go."""
        await connection.end(self.ending)


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing, neither reading nor writing, until ``ScriptedServer.release``; then another step."""

    after: Taken = Taken.ALL
    then: Step = field(default_factory=Drop)

    async def play(self, connection: Connection) -> None:
        """Wait, then do the other."""
        await connection.released()
        await connection.take(self.then.after)
        await self.then.play(connection)


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes, which need not be HTTP."""

    data: bytes
    after: Taken = Taken.ALL
    ending: Ending = Ending.CLOSE

    async def play(self, connection: Connection) -> None:
        """Send them."""
        await connection.send(self.data)
        await connection.end(self.ending)


@dataclass(frozen=True, slots=True)
class Choose:
    """Whatever a function says when it sees the request's head."""

    choose: Callable[[Received], Step]
    after: Taken = Taken.HEAD

    async def play(self, connection: Connection) -> None:
        """Do what it says."""
        step = self.choose(connection.request)
        await connection.take(step.after)
        await step.play(connection)


class ScriptedServer:
    """A server on the loopback interface that plays a script, and keeps a record of every request.

    Attributes:
        requests: Every request that began to arrive, in this order.
        connections: How many connections were accepted.
        open_connections: How many of them are open.

    """

    def __init__(
        self,
        *script: Step,
        then: Step | None = None,
        listening: bool = True,
        receive_buffer: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take the script.

        Args:
            script: One step for each request.
            then: What every further request gets; by default 418, which no client tries again.
            listening: Whether to accept connections at once; else they are refused until ``listen``.
            receive_buffer: The size in bytes of the kernel's buffer, so that a stalled upload is soon felt.
            tls: Speak TLS.

        """
        self.requests: list[Received] = []
        self.connections = 0
        self.open_connections = 0
        self._script = iter(script)
        self._then = then or Reply(418)
        self._listening = listening
        self._tls = tls
        self._released = asyncio.Event()
        self._changed = asyncio.Event()
        self._idle: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.bind(("127.0.0.1", 0))

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        if self._listening:
            await self.listen()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close everything, also what stalls."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()

    @property
    def url(self) -> str:
        """Its address, without a slash at its end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The TCP port; the same before and after ``listen``."""
        port: int = self._socket.getsockname()[1]
        return port

    async def listen(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket, ssl=self._tls)

    def release(self) -> None:
        """Let every stall end, also those to come."""
        self._released.set()

    async def drop_idle(self) -> None:
        """Close every connection that waits for its next request, as a server does with one that waited too long."""
        for connection in tuple(self._idle):
            await connection.end(Ending.CLOSE)

    async def until(self, holds: Callable[[ScriptedServer], bool]) -> None:
        """Wait until something holds of requests or connections, as in ``until(lambda server: server.requests)``.

        Raises:
            TimeoutError: It does not come to hold.

        """
        async with asyncio.timeout(_PATIENCE):
            while not holds(self):
                await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        task = asyncio.get_running_loop().create_task(
            self._serve(Connection(self.connections, reader, writer, self._released), writer)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._notify()

    async def _serve(self, connection: Connection, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other."""
        try:
            while connection.is_open and await self._begins(connection):
                self.requests.append(connection.request)
                self._notify()
                step = next(self._script, self._then)
                await connection.take(step.after)
                await step.play(connection)
                if connection.is_open:
                    await connection.take(Taken.ALL)
        except (OSError, asyncio.IncompleteReadError):
            pass  # The client went away; the record says how far its request came.
        finally:
            writer.close()
            self.open_connections -= 1
            self._notify()

    async def _begins(self, connection: Connection) -> bool:
        self._idle.add(connection)
        try:
            return await connection.begin()
        finally:
            self._idle.discard(connection)
