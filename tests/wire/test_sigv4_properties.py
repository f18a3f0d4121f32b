"""Signatures of random requests, with botocore as the oracle."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from unittest import mock

from botocore.auth import SIGNED_HEADERS_BLACKLIST, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as OracleCredentials
from botocore.utils import percent_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from aiohttp_s3_client import sigv4
from aiohttp_s3_client.models import Credentials

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Pairs = list[tuple[str, str]]

SET_BY_THE_SIGNATURE: Final = frozenset({"x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
# The oracle writes a Date of its own in place of the caller's, and leaves X-Amz-Date out then.
REWRITTEN_BY_THE_ORACLE: Final = frozenset({"date"})

many_examples: Final = settings(max_examples=200, deadline=None)

any_text: Final = st.text(st.characters(codec="utf-8"), max_size=12)
awkward_text: Final = st.lists(
    st.sampled_from(["/", "//", ".", "..", "./", "/../", "%", "%2F", "+", "~", " ", "  ", "&", "=", "?", "#", "\0"])
    | st.sampled_from(
        ["\t", "\r", "\n", "\x7f", "\x85", "\xa0", "é", "e\u0301", "日本", "\U0001f600", "\uffff", "a-b_c"]
    )
    | any_text,
    max_size=6,
).map("".join)
queries: Final = st.lists(
    st.tuples(
        st.sampled_from(["prefix", "a", "a-", "A", "a b", "uploads", "é", ""]) | any_text, st.just("") | any_text
    ).filter(lambda pair: not pair[0].lower().startswith("x-amz-")),
    max_size=6,
)
header_names: Final = (
    st.sampled_from(["Content-Type", "Range", "X-Amz-Meta-A", "x-amz-meta-a", "x-amz-meta-a-b", "If-None-Match"])
    | st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
).filter(lambda name: name.lower() not in sigv4.UNSIGNED_HEADERS | SET_BY_THE_SIGNATURE | REWRITTEN_BY_THE_ORACLE)
header_values: Final = st.text(
    st.sampled_from(" \t\xa0") | st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12
)
ascii_words: Final = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0189+/=-_.", min_size=1, max_size=40)
hashes: Final = st.binary(min_size=32, max_size=32).map(bytes.hex)


class Request(NamedTuple):
    """A request to be signed, in plain values."""

    method: str
    key: str
    query: Pairs
    headers: Pairs
    credentials: Credentials
    region: str
    now: float

    @property
    def moment(self) -> datetime:
        """The second in which the request is signed, for botocore."""
        return datetime.fromtimestamp(int(self.now), UTC)

    @property
    def path(self) -> str:
        """The path, encoded by the code under test."""
        return "/" + sigv4.uri_encode(self.key, keep_slash=True)

    def for_oracle(self) -> AWSRequest:
        """Give the same request to botocore, which encodes by itself."""
        url = f"https://bucket.s3.example.com/{percent_encode(self.key, safe='/~')}"
        request = AWSRequest(self.method, url, params=self.query)
        for name, value in self.headers:
            request.headers[name] = value  # Adds, and replaces nothing.
        return request

    def oracle_credentials(self) -> OracleCredentials:
        """Give the same credentials to botocore."""
        ours = self.credentials
        return OracleCredentials(ours.access_key_id, ours.secret_access_key, ours.session_token)

    def oracle_clock(self) -> AbstractContextManager[object]:
        """Stop botocore's clock at the moment of the request."""
        return mock.patch("botocore.auth.get_current_datetime", return_value=self.moment)


requests: Final = st.builds(
    Request,
    method=st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE", "OPTIONS", "get"]),
    key=awkward_text,
    query=queries,
    headers=st.lists(st.tuples(header_names, header_values), max_size=6).flatmap(
        lambda headers: st.permutations([*headers, ("hOsT", "bucket.s3.example.com")])
    ),
    credentials=st.builds(
        Credentials,
        access_key_id=ascii_words,
        secret_access_key=ascii_words | any_text.filter(bool),
        session_token=st.none() | ascii_words,
    ),
    region=st.sampled_from(["us-east-1", "eu-central-1", "auto", "ru-central1"]) | ascii_words,
    now=st.floats(min_value=0, max_value=4e9),
)


@many_examples
@given(text=awkward_text)
def test_every_text_is_encoded_as_the_oracle_encodes_it(text: str) -> None:
    """Paths keep their slashes, names and values do not; nothing is normalised."""
    assert sigv4.uri_encode(text, keep_slash=True) == percent_encode(text, safe="/~")
    assert sigv4.uri_encode(text) == percent_encode(text)


@many_examples
@given(request=requests)
def test_every_query_is_sorted_as_the_oracle_sorts_it(request: Request) -> None:
    """Empty values, repeated names and names that begin alike come in the oracle's order."""
    oracle = S3SigV4Auth(request.oracle_credentials(), "s3", request.region)
    assert sigv4.canonical_query(request.query) == oracle.canonical_query_string(request.for_oracle())


@many_examples
@given(
    request=requests,
    payload_hash=hashes | st.sampled_from([sigv4.EMPTY_PAYLOAD_HASH, sigv4.UNSIGNED_PAYLOAD]),
    service=st.sampled_from(["s3", "s3express"]),
)
def test_every_header_signature_is_the_oracles(request: Request, payload_hash: str, service: str) -> None:
    """The headers that a signature adds are those that botocore adds, to the byte."""
    oracle = S3SigV4Auth(request.oracle_credentials(), service, request.region)
    oracle.payload = lambda _: payload_hash
    signed = request.for_oracle()
    with request.oracle_clock():
        oracle.add_auth(signed)

    added = sigv4.sign_headers(
        request.method,
        request.path,
        sigv4.canonical_query(request.query),
        request.headers,
        payload_hash,
        request.credentials,
        region=request.region,
        now=request.now,
        service=service,
    )

    expected = {name.lower(): value for name, value in signed.headers.items()}
    for name, _ in request.headers:
        expected.pop(name.lower(), None)
    assert added == expected


@many_examples
@given(request=requests, expires=st.integers(1, sigv4.MAX_EXPIRES))
def test_every_presigned_query_is_the_oracles(request: Request, expires: int) -> None:
    """A presigned query has botocore's parameters and signature, whatever their order in the URL."""
    request = request._replace(query=list(dict(request.query).items()))  # The oracle drops repeated names.
    oracle = S3SigV4QueryAuth(request.oracle_credentials(), "s3", request.region, expires=expires)
    presigned = request.for_oracle()
    presigned.params = dict(request.query)
    with request.oracle_clock():
        oracle.add_auth(presigned)

    query = _presign(request, expires=expires)

    assert sorted(query.split("&")) == sorted(presigned.url.partition("?")[2].split("&"))


@many_examples
@given(request=requests, payload_hash=hashes | st.just(sigv4.UNSIGNED_PAYLOAD))
def test_repeated_names_and_a_known_body_are_presigned_as_the_oracle_signs_them(
    request: Request, payload_hash: str
) -> None:
    """The signature is right for the very query that goes on the wire."""
    signed_query, _, signature = _presign(request, payload_hash=payload_hash).rpartition("&X-Amz-Signature=")

    oracle = S3SigV4QueryAuth(request.oracle_credentials(), "s3", request.region)
    oracle.payload = lambda _: payload_hash
    presigned = request.for_oracle()
    presigned.params = None
    presigned.url += f"?{signed_query}"
    presigned.context["timestamp"] = request.moment.strftime("%Y%m%dT%H%M%SZ")
    text = oracle.string_to_sign(presigned, oracle.canonical_request(presigned))
    assert signature == oracle.signature(text, presigned)


def test_headers_that_the_oracle_does_not_sign_are_not_signed() -> None:
    """What botocore leaves out is left out here too, and so is what HTTP libraries write anew."""
    rewritten_by_libraries = {"accept", "accept-encoding", "authorization", "content-length"}
    assert rewritten_by_libraries | set(SIGNED_HEADERS_BLACKLIST) <= sigv4.UNSIGNED_HEADERS


@many_examples
@given(key=st.binary(max_size=64), text=any_text)
def test_a_signing_key_signs_with_hmac_sha256(key: bytes, text: str) -> None:
    """Hashing the key in advance changes nothing of RFC 2104."""
    assert sigv4.SigningKey(key).sign(text) == hmac.new(key, text.encode(), "sha256").hexdigest()


def _presign(request: Request, *, expires: int = 3600, payload_hash: str = sigv4.UNSIGNED_PAYLOAD) -> str:
    return sigv4.presign(
        request.method,
        request.path,
        request.query,
        request.headers,
        request.credentials,
        region=request.region,
        now=request.now,
        expires=expires,
        payload_hash=payload_hash,
    )
