"""One signature after the other, without a network; the last one is checked against the definition of SigV4."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Final

from contenders.base import EMPTY_PAYLOAD_HASH, SIGNED_KEY
from workloads.base import WrongResultError

if TYPE_CHECKING:
    from contenders.base import SignedHeaders, Signer
    from shared.job import Job, Target
    from workloads.meter import Meter

BATCH: Final = 1000
AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<identity>[^/]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def run(sign: Signer, job: Job, meter: Meter) -> int:
    """Sign until the time is over, after a warm-up of one batch."""
    _sign_batch(sign)
    count = 0
    deadline = time.perf_counter() + job.seconds
    with meter:
        while time.perf_counter() < deadline:
            signed = _sign_batch(sign)
            count += BATCH
    _check(signed, job.target)
    return count


def _sign_batch(sign: Signer) -> SignedHeaders:
    for _ in range(BATCH - 1):
        sign()
    return sign()


def _check(signed: SignedHeaders, target: Target) -> None:
    headers = {"host": target.host} | {name.lower(): value for name, value in dict(signed).items()}
    said = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if said is None or said["identity"] != target.access_key_id:
        message = f"no Authorization of {target.access_key_id} is among the headers {sorted(headers)}"
        raise WrongResultError(message)
    names = said["names"].split(";")
    missing = {"host", "x-amz-date", "x-amz-content-sha256"} - set(names)
    if missing or said["signature"] != _signature(headers, names, said["scope"], target):
        message = f"the signature is wrong; headers that it does not cover: {sorted(missing)}"
        raise WrongResultError(message)


def _signature(headers: dict[str, str], names: list[str], scope: str, target: Target) -> str:
    lines = "".join(f"{name}:{headers[name]}\n" for name in names)
    request = f"GET\n/{target.bucket}/{SIGNED_KEY}\n\n{lines}\n{';'.join(names)}\n{EMPTY_PAYLOAD_HASH}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{target.secret_access_key}".encode()
    for message in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"):
        key = hmac.digest(key, message.encode(), "sha256")
    return key.hex()
