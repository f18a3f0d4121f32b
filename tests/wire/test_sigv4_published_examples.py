"""The signatures that AWS publishes as examples.

Sources, in the Amazon S3 API reference: "Signature Calculations for the Authorization Header: Transferring Payload in
a Single Chunk" (sig-v4-header-based-auth) and "Authenticating Requests: Using Query Parameters"
(sigv4-query-string-auth).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

import pytest

from aiohttp_s3_client import sigv4
from aiohttp_s3_client.models import Credentials

MAY_24_2013: Final = 1369353600.0
CREDENTIALS: Final = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST: Final = ("Host", "examplebucket.s3.amazonaws.com")


class Example(NamedTuple):
    """One published request, and what comes of it."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    payload_hash: str
    canonical_request: str
    canonical_request_hash: str
    signed_headers: str
    signature: str


GET_OBJECT: Final = Example(
    method="GET",
    path="/test.txt",
    query="",
    headers=(HOST, ("Range", "bytes=0-9")),
    payload_hash=sigv4.EMPTY_PAYLOAD_HASH,
    canonical_request="""\
GET
/test.txt

host:examplebucket.s3.amazonaws.com
range:bytes=0-9
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date:20130524T000000Z

host;range;x-amz-content-sha256;x-amz-date
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""",
    canonical_request_hash="7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
    signed_headers="host;range;x-amz-content-sha256;x-amz-date",
    signature="f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
)
PUT_OBJECT: Final = Example(
    method="PUT",
    path=sigv4.uri_encode("/test$file.text", keep_slash=True),
    query="",
    headers=(HOST, ("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")),
    payload_hash=sha256(b"Welcome to Amazon S3.").hexdigest(),
    canonical_request="""\
PUT
/test%24file.text

date:Fri, 24 May 2013 00:00:00 GMT
host:examplebucket.s3.amazonaws.com
x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
x-amz-date:20130524T000000Z
x-amz-storage-class:REDUCED_REDUNDANCY

date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class
44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072""",
    canonical_request_hash="9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
    signed_headers="date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    signature="98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
)
GET_BUCKET_LIFECYCLE: Final = Example(
    method="GET",
    path="/",
    query=sigv4.canonical_query([("lifecycle", "")]),
    headers=(HOST,),
    payload_hash=sigv4.EMPTY_PAYLOAD_HASH,
    canonical_request="""\
GET
/
lifecycle=
host:examplebucket.s3.amazonaws.com
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date:20130524T000000Z

host;x-amz-content-sha256;x-amz-date
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""",
    canonical_request_hash="9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
    signed_headers="host;x-amz-content-sha256;x-amz-date",
    signature="fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
)
LIST_OBJECTS: Final = Example(
    method="GET",
    path="/",
    query=sigv4.canonical_query([("prefix", "J"), ("max-keys", "2")]),
    headers=(HOST,),
    payload_hash=sigv4.EMPTY_PAYLOAD_HASH,
    canonical_request="""\
GET
/
max-keys=2&prefix=J
host:examplebucket.s3.amazonaws.com
x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date:20130524T000000Z

host;x-amz-content-sha256;x-amz-date
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""",
    canonical_request_hash="df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
    signed_headers="host;x-amz-content-sha256;x-amz-date",
    signature="34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
)
EVERY_HEADER_EXAMPLE: Final = pytest.mark.parametrize(
    "example",
    [
        pytest.param(GET_OBJECT, id="GetObject"),
        pytest.param(PUT_OBJECT, id="PutObject"),
        pytest.param(GET_BUCKET_LIFECYCLE, id="GetBucketLifecycle"),
        pytest.param(LIST_OBJECTS, id="ListObjects"),
    ],
)


@EVERY_HEADER_EXAMPLE
def test_canonical_request_is_the_published_one(example: Example) -> None:
    """The canonical request is the published text, and has the published hash."""
    covered = {
        **sigv4.canonical_headers(example.headers),
        "x-amz-content-sha256": example.payload_hash,
        "x-amz-date": "20130524T000000Z",
    }
    request = sigv4.canonical_request(
        example.method, example.path, example.query, covered, sigv4.signed_headers(covered), example.payload_hash
    )
    assert request == example.canonical_request
    assert sha256(request.encode()).hexdigest() == example.canonical_request_hash


@EVERY_HEADER_EXAMPLE
def test_string_to_sign_is_the_published_one(example: Example) -> None:
    """The string to sign holds the algorithm, the moment, the scope and the canonical request's hash."""
    scope = sigv4.credential_scope("20130524", "us-east-1", "s3")
    assert sigv4.string_to_sign(example.canonical_request, sigv4.amz_date(int(MAY_24_2013)), scope) == (
        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n" + example.canonical_request_hash
    )


@EVERY_HEADER_EXAMPLE
def test_authorization_header_is_the_published_one(example: Example) -> None:
    """A header signature gives the published Authorization header, and the two headers that go with it."""
    added = sigv4.sign_headers(
        example.method,
        example.path,
        example.query,
        example.headers,
        example.payload_hash,
        CREDENTIALS,
        region="us-east-1",
        now=MAY_24_2013,
    )
    assert added == {
        "x-amz-content-sha256": example.payload_hash,
        "x-amz-date": "20130524T000000Z",
        "authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            f"SignedHeaders={example.signed_headers}, Signature={example.signature}"
        ),
    }


def test_presigned_url_is_the_published_one() -> None:
    """A presigned GET of a day's life has the published query."""
    query = sigv4.presign(
        "GET", "/test.txt", (), [HOST], CREDENTIALS, region="us-east-1", now=MAY_24_2013, expires=86400
    )
    assert query == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400"
        "&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_presigned_canonical_request_is_the_published_one() -> None:
    """The canonical request of the presigned GET has the published hash."""
    query = sigv4.canonical_query(
        [
            ("X-Amz-SignedHeaders", "host"),
            ("X-Amz-Expires", "86400"),
            ("X-Amz-Date", "20130524T000000Z"),
            ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ]
    )
    request = sigv4.canonical_request("GET", "/test.txt", query, {"host": HOST[1]}, "host", sigv4.UNSIGNED_PAYLOAD)
    assert sha256(request.encode()).hexdigest() == "3bfa292879f6447bbcda7001decf97f4a54dc650c8942174ae0a9121cf58ad04"
