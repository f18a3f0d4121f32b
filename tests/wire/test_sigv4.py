"""What a signature covers and what it leaves out, what it refuses, and what it never shows."""

from __future__ import annotations

from typing import Final, cast

import pytest

from aiohttp_s3_client import sigv4
from aiohttp_s3_client.models import Credentials

NOW: Final = 1369353600.0
SECRET: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS: Final = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET)
HOST: Final = ("Host", "bucket.s3.example.com")
LONE_SURROGATE: Final = "caf\udce9"


def sign(*headers: tuple[str, str], credentials: Credentials = CREDENTIALS, now: float = NOW) -> dict[str, str]:
    """Sign a plain GET with the given headers."""
    return sigv4.sign_headers(
        "GET", "/key", "", headers, sigv4.UNSIGNED_PAYLOAD, credentials, region="us-east-1", now=now
    )


def presign(
    *headers: tuple[str, str],
    query: tuple[tuple[str, str], ...] = (),
    credentials: Credentials = CREDENTIALS,
    payload_hash: str = sigv4.UNSIGNED_PAYLOAD,
    expires: int = 60,
) -> str:
    """Presign a plain PUT with the given headers."""
    return sigv4.presign(
        "PUT",
        "/key",
        query,
        headers,
        credentials,
        region="us-east-1",
        now=NOW,
        expires=expires,
        payload_hash=payload_hash,
    )


@pytest.mark.parametrize("name", sorted(sigv4.UNSIGNED_HEADERS))
def test_a_header_that_changes_on_the_way_is_not_signed(name: str) -> None:
    """Hop-by-hop headers and those that libraries rewrite do not take part in a header signature."""
    assert sign(HOST, (name.title(), "value")) == sign(HOST)


@pytest.mark.parametrize("name", ["Content-Length", "Accept", "User-Agent", "Content-Type"])
def test_every_header_that_is_given_is_presigned(name: str) -> None:
    """A presigned URL binds its holder to all headers that its maker names."""
    names = "%3B".join(sorted(["host", name.lower()]))
    assert f"&X-Amz-SignedHeaders={names}&" in presign(HOST, (name, "1"))


@pytest.mark.parametrize("name", ["X-Amz-Date", "X-Amz-Content-SHA256", "X-Amz-Security-Token", "Authorization"])
def test_a_header_that_the_signature_sets_is_replaced(name: str) -> None:
    """What an earlier signature left behind does not get into the next one."""
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET, "token")
    assert sign(HOST, (name, "stale"), credentials=credentials) == sign(HOST, credentials=credentials)


def test_the_session_token_is_sent_and_signed() -> None:
    """Temporary credentials add one header, which the signature covers."""
    added = sign(HOST, credentials=Credentials("AKIAIOSFODNN7EXAMPLE", SECRET, "token"))
    assert added["x-amz-security-token"] == "token"
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token," in added["authorization"]


@pytest.mark.parametrize("session_token", [None, ""])
def test_without_a_session_token_no_token_is_sent(session_token: str | None) -> None:
    """An empty token, as environments have it, is none."""
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", SECRET, session_token)
    assert "x-amz-security-token" not in sign(HOST, credentials=credentials)
    assert "X-Amz-Security-Token" not in presign(HOST, credentials=credentials)


def test_a_fraction_of_a_second_does_not_count() -> None:
    """Two requests within one second carry the same date, and the next second another one."""
    assert sign(HOST, now=NOW + 0.999)["x-amz-date"] == "20130524T000000Z"
    assert sign(HOST, now=NOW + 1)["x-amz-date"] == "20130524T000001Z"


def test_the_day_of_the_signing_key_is_that_of_the_date() -> None:
    """At midnight UTC the scope changes together with the date."""
    assert "/20130523/" in sign(HOST, now=NOW - 0.5)["authorization"]
    assert "/20130524/" in sign(HOST, now=NOW)["authorization"]


def test_a_presigned_body_hash_is_part_of_the_url() -> None:
    """The server learns from the URL which body may be sent; without a hash any body may."""
    assert "&X-Amz-Content-Sha256=e3b0c44298fc1c14" in presign(HOST, payload_hash=sigv4.EMPTY_PAYLOAD_HASH)
    assert "X-Amz-Content-Sha256" not in presign(HOST)


def test_a_body_hash_among_the_presigned_headers_counts() -> None:
    """A hash that comes as a header means the same as one that comes as an argument."""
    query = presign(HOST, ("x-amz-content-sha256", sigv4.EMPTY_PAYLOAD_HASH))
    assert query == presign(
        HOST, ("x-amz-content-sha256", sigv4.EMPTY_PAYLOAD_HASH), payload_hash=sigv4.EMPTY_PAYLOAD_HASH
    )


def test_the_callers_query_is_not_written_into() -> None:
    """The parameters of a signature go into a copy."""
    query = [("partNumber", "1")]
    sigv4.presign("PUT", "/key", query, [HOST], CREDENTIALS, region="us-east-1", now=NOW, expires=60)
    assert query == [("partNumber", "1")]


@pytest.mark.parametrize("expires", [1, 604800])
def test_a_presigned_url_may_live_from_a_second_to_seven_days(expires: int) -> None:
    """Both bounds are allowed."""
    assert f"&X-Amz-Expires={expires}&" in presign(HOST, expires=expires)


@pytest.mark.parametrize("expires", [0, 604801, -1])
def test_a_life_out_of_bounds_is_refused(expires: int) -> None:
    """The error names the value and the bounds."""
    with pytest.raises(ValueError, match=rf"expires is {expires} seconds, and S3 allows 1 to 604800"):
        presign(HOST, expires=expires)


@pytest.mark.parametrize("expires", [60.0, "60", None, True])
def test_a_life_that_is_no_whole_number_is_refused(expires: object) -> None:
    """The error names the value and the unit."""
    with pytest.raises(TypeError, match=rf"expires is {expires!r}, and counts whole seconds"):
        presign(HOST, expires=cast("int", expires))


@pytest.mark.parametrize("name", ["X-Amz-Signature", "x-amz-date", "X-Amz-Expires", "X-Amz-Content-Sha256"])
def test_a_presigned_query_is_not_presigned_again(name: str) -> None:
    """Two values of a signature's parameter would leave it to the server which one counts."""
    with pytest.raises(ValueError, match=f"only the signature sets {name}"):
        presign(HOST, query=(("partNumber", "1"), (name, "1")))


def test_a_signature_without_a_host_is_refused() -> None:
    """The error lists the headers that there are."""
    with pytest.raises(ValueError, match=r"must cover the Host header, and the headers have only \['range'\]"):
        sign(("Range", "bytes=0-9"))
    with pytest.raises(ValueError, match="must cover the Host header"):
        presign()


def test_a_lone_surrogate_in_a_name_is_named() -> None:
    """A key that was decoded wrongly is quoted by the error."""
    with pytest.raises(ValueError, match=r"'caf\\udce9' has a lone surrogate"):
        sigv4.uri_encode(LONE_SURROGATE)
    with pytest.raises(ValueError, match=r"'caf\\udce9' has a lone surrogate"):
        sigv4.canonical_query([("prefix", LONE_SURROGATE)])


@pytest.mark.parametrize(
    ("credentials", "headers", "subject"),
    [
        (Credentials("AKIA", "hidden" + LONE_SURROGATE), [HOST], "the secret access key"),
        (Credentials("AKIA", "x", "hidden" + LONE_SURROGATE), [HOST], "the session token|a header"),
        (Credentials("AKIA", "x", "hidden"), [HOST, ("x-amz-meta-a", LONE_SURROGATE)], "a header"),
    ],
)
def test_an_error_does_not_carry_what_may_be_secret(
    credentials: Credentials, headers: list[tuple[str, str]], subject: str
) -> None:
    """Neither the error's text nor an exception behind it holds the secret or the token."""
    for attempt in (sign, presign):
        with pytest.raises(ValueError, match=rf"^({subject}) has a lone surrogate") as caught:
            attempt(*headers, credentials=credentials)
        assert "hidden" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_signing_keys_are_kept_but_not_for_ever() -> None:
    """A key is derived once, and the cache of keys has an end."""
    assert sigv4.signing_key(SECRET, "20130524", "us-east-1", "s3") is sigv4.signing_key(
        SECRET, "20130524", "us-east-1", "s3"
    )
    for number in range(1000):
        sigv4.signing_key(f"secret {number}", "20130524", "us-east-1", "s3")
        sigv4.amz_date(number)
    for cache in (sigv4.signing_key, sigv4.amz_date):
        information = cache.cache_info()
        assert information.maxsize is not None
        assert information.currsize <= information.maxsize < 1000


def test_no_repr_shows_a_secret() -> None:
    """Neither the module's state, nor its caches, nor a signing key gives the secret away."""
    sign(HOST)
    key = sigv4.signing_key(SECRET, "20130524", "us-east-1", "s3")
    for state in (vars(sigv4), sigv4.signing_key, key, *(getattr(key, name) for name in key.__slots__)):
        assert SECRET not in repr(state)
