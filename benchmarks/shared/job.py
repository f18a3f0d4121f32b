"""What a worker process is asked for, and what it answers: one line of JSON each way."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket on a server, and who asks.

    ``keeps_objects`` is False for a server that only counts what is put: nothing can be read back from it. It writes
    the length and the address of each body below ``UPLOAD_FOLDER`` into the file ``upload_log``. ``ca_file`` is the
    certificate to trust.
    """

    endpoint: str
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    keeps_objects: bool
    upload_log: str | None = None
    ca_file: str | None = None

    @property
    def host(self) -> str:
        """The endpoint without its scheme: the value of the ``Host`` header."""
        return self.endpoint.partition("://")[2]

    @property
    def bucket_url(self) -> str:
        """The bucket's address in path style."""
        return f"{self.endpoint}/{self.bucket}"


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement: a workload, run by one contender.

    ``seconds`` bounds the workloads that go on until the time is over; the others end when they are done. Transfers are
    of one file of ``size`` bytes, or of the first ``files`` small ones, which are in the folder ``folder``; what is
    downloaded goes into its ``RECEIVED_FOLDER``, and is compared when ``verify`` is True. ``hashes_bodies`` False asks
    a contender not to hash the bodies that it signs, where it can be told so.
    """

    workload: str
    contender: str
    distribution: str | None
    event_loop: str
    target: Target
    seconds: float
    concurrency: int
    folder: str
    size: int
    files: int
    verify: bool
    hashes_bodies: bool

    def to_json(self) -> str:
        """Write the job as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read what ``to_json`` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "target": Target(**fields["target"])})


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took: of the contender's process alone, and without its start and its warm-up.

    ``count`` is the number of operations that were finished. The CPU time is that of all threads, user and system.
    The peak is that of the resident set over the whole life of the process; ``private_bytes_before`` its anonymous
    memory when the client was there and nothing was moved yet. ``holds`` are the longest and the 99.9th percentile of
    the seconds for which the event loop did nothing else, where that was measured.
    """

    count: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    private_bytes_before: int
    holds: tuple[float, float]
    version: str

    def to_json(self) -> str:
        """Write the measurement as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        """Read what ``to_json`` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "holds": tuple(fields["holds"])})
