"""What a worker process is asked for, and what it answers: one line of JSON each way."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """A bucket on a server, and who asks.

    ``keeps_objects`` is False for a server that only counts what is put: nothing can be read back from it.
    """

    endpoint: str
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    keeps_objects: bool

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

    ``seconds`` bounds the workloads that go on until the time is over; the others end when they are done.
    """

    workload: str
    contender: str
    distribution: str
    event_loop: str
    target: Target
    seconds: float
    concurrency: int

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
    The peak is that of the resident set over the whole life of the process.
    """

    count: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    version: str

    def to_json(self) -> str:
        """Write the measurement as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        """Read what ``to_json`` wrote."""
        return cls(**json.loads(text))
