"""A store on a scripted server: it takes objects whole and in parts as S3 does, but where a test has put a fault.

::

    store = UploadStore(faults={"part 2": [Drop()], "complete": [lost]})
    async with ScriptedServer(then=Choose(store.answer)) as server:
        ...
        assert store.calls["complete"] == 2
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from tests.scripted import Drop, Reply, Step, Taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripted import Connection, Received

    Fault: TypeAlias = Step | Callable[[Reply], Step]

__all__ = ("UploadStore", "changed", "lost")

_NAMESPACE: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def lost(reply: Reply) -> Step:
    """Do what was asked, and give no answer."""
    del reply
    return Drop()


def changed(body: bytes, **headers: str) -> Callable[[Reply], Step]:
    """Do what was asked, and answer something else."""
    return lambda reply: replace(reply, body=body, headers={**reply.headers, **headers})


@dataclass(slots=True)
class UploadStore:
    """What the store has, and what goes wrong.

    Attributes:
        faults: What befalls an operation ("create", "part 1", "complete", "abort", "list", "head", "put"), one time
            after the other: a step in place of it, or what is made of its answer when it was done.
        objects: By path.
        uploads: The parts of every open upload, by its id.
        calls: How often each operation was asked for.
        completed: The numbers and ETags that the last completion named.
        opaque: Whether ETags are no MD5 sums.

    """

    faults: dict[str, list[Fault]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    completed: list[tuple[int, str]] = field(default_factory=list)
    opaque: bool = False
    _sent: Counter[int] = field(default_factory=Counter)
    _etags: dict[str, str] = field(default_factory=dict)

    def answer(self, request: Received) -> Step:
        """Do what a request asks for when it is there as a whole."""
        operation = self._operation(request)
        self.calls[operation] += 1
        faults = self.faults.get(operation)
        fault = faults.pop(0) if faults else None
        if fault is None or callable(fault):
            return _Act(self, operation, fault)
        return fault

    def done(self, operation: str, request: Received) -> Reply:
        """Do it."""
        if operation.startswith("part "):
            return self._take_part(request)
        action: Callable[[Received], Reply] = getattr(self, f"_{operation}")
        return action(request)

    def _operation(self, request: Received) -> str:
        query = parse_qs(request.query, keep_blank_values=True)
        if "partNumber" in query:
            return f"part {query['partNumber'][0]}"
        operations = {"POST": "complete", "DELETE": "abort", "GET": "list", "HEAD": "head", "PUT": "put"}
        return "create" if "uploads" in query else operations[request.method]

    def _create(self, request: Received) -> Reply:
        del request
        upload_id = f"upload/{len(self.uploads) + 1}+"
        self.uploads[upload_id] = {}
        document = f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
        return Reply(body=document.encode())

    def _take_part(self, request: Received) -> Reply:
        upload_id, number = _upload_id(request), int(parse_qs(request.query)["partNumber"][0])
        if upload_id not in self.uploads:
            return Reply.error(404, "NoSuchUpload")
        self.uploads[upload_id][number] = request.body
        self._sent[number] += 1
        etag = hashlib.md5(request.body, usedforsecurity=False).hexdigest()
        return Reply(headers={"ETag": f'"part-{number}-time-{self._sent[number]}"' if self.opaque else f'"{etag}"'})

    def _complete(self, request: Received) -> Reply:
        parts = self.uploads.pop(_upload_id(request), None)
        if parts is None:
            return Reply.error(404, "NoSuchUpload")
        rows = ET.fromstring(request.body).iter(f"{_NAMESPACE}Part")  # noqa: S314 - our own client wrote it
        self.completed = [(int(row[0].text or ""), row[1].text or "") for row in rows]
        digests = b"".join(hashlib.md5(parts[number], usedforsecurity=False).digest() for number, _ in self.completed)
        etag = f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(self.completed)}"'
        self.objects[request.path] = b"".join(parts[number] for number, _ in self.completed)
        self._etags[request.path] = etag
        document = (
            f"<CompleteMultipartUploadResult><Location>here</Location><ETag>{etag}</ETag>"
            "</CompleteMultipartUploadResult>"
        )
        return Reply(headers={"x-amz-version-id": "v1"}, body=document.encode())

    def _abort(self, request: Received) -> Reply:
        if self.uploads.pop(_upload_id(request), None) is None:
            return Reply.error(404, "NoSuchUpload")
        return Reply(204)

    def _list(self, request: Received) -> Reply:
        parts = self.uploads.get(_upload_id(request))
        if parts is None:
            return Reply.error(404, "NoSuchUpload")
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{hashlib.md5(data, usedforsecurity=False).hexdigest()}"
            f"</ETag><Size>{len(data)}</Size></Part>"
            for number, data in sorted(parts.items())
        )
        return Reply(body=f"<ListPartsResult>{rows}<IsTruncated>false</IsTruncated></ListPartsResult>".encode())

    def _head(self, request: Received) -> Reply:
        if request.path not in self.objects:
            return Reply(404)
        etag = self._etags.get(request.path, '"another"')
        return Reply(headers={"Content-Length": str(len(self.objects[request.path])), "ETag": etag})

    def _put(self, request: Received) -> Reply:
        self.objects[request.path] = request.body
        return Reply(headers={"ETag": f'"{hashlib.md5(request.body, usedforsecurity=False).hexdigest()}"'})


def _upload_id(request: Received) -> str:
    return parse_qs(request.query)["uploadId"][0]


@dataclass(frozen=True, slots=True)
class _Act:
    """The store's own answer, and what a fault makes of it."""

    store: UploadStore
    operation: str
    fault: Callable[[Reply], Step] | None
    after: Taken = Taken.ALL

    async def play(self, connection: Connection) -> None:
        """Do what was asked for, and answer."""
        reply = self.store.done(self.operation, connection.request)
        await (reply if self.fault is None else self.fault(reply)).play(connection)
