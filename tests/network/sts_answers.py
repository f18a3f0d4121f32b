"""What a scripted server says that plays STS, and how it judges a request's signature."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

import botocore.credentials
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from aiohttp_s3_client import Credentials
from tests.network.clients import NOON
from tests.scripted import Reply

if TYPE_CHECKING:
    from tests.scripted import Received

__all__ = ("HTML", "ROLE", "form_of", "granted", "refused", "role_credentials", "signature_is_right")

ROLE: Final = "arn:aws:iam::123456789012:role/reader"
HTML: Final = Reply(403, {"Content-Type": "text/html"}, b"<html><body>Who are you?<br></body></html>")
_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"


def role_credentials(name: str = "role", *, lasting: float = 3600) -> Credentials:
    """Give what a client must have after ``granted`` of the same arguments."""
    expiration = datetime.fromtimestamp(NOON, UTC) + timedelta(seconds=lasting)
    return Credentials(f"{name}-id", f"{name}-secret", f"{name}/token+=", expiration)


def granted(action: str, name: str = "role", *, lasting: float = 3600) -> Reply:
    """Answer with a role's credentials, which end ``lasting`` seconds after noon."""
    given = role_credentials(name, lasting=lasting)
    assert given.expiration is not None
    document = (
        f'<{action}Response xmlns="{_NAMESPACE}">\n  <{action}Result>\n    <AssumedRoleUser><Arn>{ROLE}</Arn>'
        f"</AssumedRoleUser>\n    <Credentials>\n      <AccessKeyId>{given.access_key_id}</AccessKeyId>\n"
        f"      <SecretAccessKey>{given.secret_access_key}</SecretAccessKey>\n"
        f"      <SessionToken>{given.session_token}</SessionToken>\n"
        f"      <Expiration>{given.expiration:%Y-%m-%dT%H:%M:%SZ}</Expiration>\n    </Credentials>\n"
        f"  </{action}Result>\n  <ResponseMetadata><RequestId>R</RequestId></ResponseMetadata>\n</{action}Response>"
    )
    return Reply(200, {"Content-Type": "text/xml"}, document.encode())


def refused(status: int, code: str, message: str = "no") -> Reply:
    """Answer with an error in STS's form."""
    document = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{message}</Message></Error><RequestId>R</RequestId></ErrorResponse>"
    )
    return Reply(status, {"Content-Type": "text/xml"}, document.encode())


def form_of(request: Received) -> dict[str, str]:
    """Read the parameters in a request's body."""
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
    pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def signature_is_right(request: Received, credentials: Credentials, region: str) -> bool:
    """Let botocore sign what came over the wire for the service ``sts``, and compare."""
    authorization = request.headers["Authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signer = SigV4Auth(
        botocore.credentials.Credentials(
            credentials.access_key_id, credentials.secret_access_key, credentials.session_token
        ),
        "sts",
        region,
    )
    again = AWSRequest(
        method=request.method,
        url=f"http://{request.headers['Host']}{request.target}",
        headers={name: request.headers[name] for name in names if name != "x-amz-content-sha256"},
        data=request.body,
    )
    again.context["timestamp"] = request.headers["X-Amz-Date"]
    # So that botocore hashes the body itself, and also finds the header that was signed.
    again.headers["X-Amz-Content-SHA256"] = signer.payload(again)
    signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return (
        authorization.endswith(f"Signature={signature}")
        and f"Credential={signer.scope(again)}," in authorization
        and request.headers.get("X-Amz-Security-Token") == credentials.session_token
    )
