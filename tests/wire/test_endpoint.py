"""Where a store and its buckets are: what a URL says, and the path that an object name gets below it."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from aiohttp_s3_client import S3Client
from aiohttp_s3_client.endpoint import Endpoint

R2_ACCOUNT = "0123456789abcdef0123456789abcdef"
# No character of it may come back in a message; it is no part of any word there.
SECRET_PART = "S3CR3T"

any_name = st.text(st.characters(codec="utf-8"))


def endpoint(url: str, bucket: str | None = None) -> Endpoint:
    """Read a URL."""
    return Endpoint.from_url(URL(url), bucket)


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1:9000"),
        ("http://store.example:80", "store.example"),
        ("https://store.example:443", "store.example"),
        ("http://store.example:443", "store.example:443"),
        ("https://store.example:80", "store.example:80"),
        ("http://[::1]:8333", "[::1]:8333"),
        ("https://[2001:db8::1]", "[2001:db8::1]"),
        ("https://bücher.example:9000", "xn--bcher-kva.example:9000"),
        ("https://Store.EXAMPLE", "store.example"),
        ("https://KEY:SECRET@store.example:9000", "store.example:9000"),
        ("https://KEY:SE%2FCRET@[::1]:9000", "[::1]:9000"),
    ],
)
def test_the_authority_is_what_the_host_header_says(url: str, authority: str) -> None:
    """A scheme's own port, userinfo and the Unicode form of a host are left out."""
    assert endpoint(url).authority == authority
    assert endpoint(url).url == f"{URL(url).scheme}://{authority}"


@pytest.mark.parametrize("slashes", ["", "/", "//"])
@pytest.mark.parametrize("path", ["", "/photos", "/proxied/s3/photos"])
def test_slashes_at_the_end_of_a_url_say_nothing(path: str, slashes: str) -> None:
    """With and without them it is the same address."""
    assert endpoint(f"https://store.example{path}{slashes}") == endpoint(f"https://store.example{path}")


@pytest.mark.parametrize(
    ("url", "bucket", "base_path"),
    [
        ("https://store.example", None, ""),
        ("https://store.example/photos", "photos", "/photos"),
        ("https://store.example/proxied/s3/photos", "photos", "/proxied/s3/photos"),
        ("https://store.example/a.b.c", "a.b.c", "/a.b.c"),
        ("https://store.example/odd%20name", "odd name", "/odd%20name"),
        ("https://store.example/odd+(name)", "odd+(name)", "/odd%2B%28name%29"),
        ("https://store.example/bücher", "bücher", "/b%C3%BCcher"),
    ],
)
def test_the_last_segment_of_the_path_is_the_bucket(url: str, bucket: str | None, base_path: str) -> None:
    """The path is encoded as a signature wants it, which is more than a URL needs."""
    found = endpoint(url)
    assert (found.bucket, found.base_path, found.in_subdomain) == (bucket, base_path, False)


@pytest.mark.parametrize(
    ("host", "bucket", "region"),
    [
        ("s3.amazonaws.com", None, None),
        ("photos.s3.amazonaws.com", "photos", None),
        ("s3.eu-west-1.amazonaws.com", None, "eu-west-1"),
        ("photos.s3.eu-west-1.amazonaws.com", "photos", "eu-west-1"),
        ("www.photos.example.s3.eu-west-1.amazonaws.com", "www.photos.example", "eu-west-1"),
        ("s3-us-west-2.amazonaws.com", None, "us-west-2"),
        ("photos.s3-us-west-2.amazonaws.com", "photos", "us-west-2"),
        ("photos.s3.dualstack.ap-southeast-2.amazonaws.com", "photos", "ap-southeast-2"),
        ("photos.s3-accelerate.amazonaws.com", "photos", None),
        ("photos.s3-accelerate.dualstack.amazonaws.com", "photos", None),
        ("s3-fips.dualstack.us-gov-west-1.amazonaws.com", None, "us-gov-west-1"),
        ("photos.s3.cn-north-1.amazonaws.com.cn", "photos", "cn-north-1"),
        ("photos.s3.eusc-de-east-1.amazonaws.eu", "photos", "eusc-de-east-1"),
        ("photos.s3.us-iso-east-1.c2s.ic.gov", "photos", "us-iso-east-1"),
        ("bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", None, "us-east-1"),
        ("photos.bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", "photos", "us-east-1"),
        (f"{R2_ACCOUNT}.r2.cloudflarestorage.com", None, "auto"),
        (f"{R2_ACCOUNT}.eu.r2.cloudflarestorage.com", None, "auto"),
        (f"photos.{R2_ACCOUNT}.r2.cloudflarestorage.com", "photos", "auto"),
        (f"photos.{R2_ACCOUNT}.eu.r2.cloudflarestorage.com", "photos", "auto"),
        ("s3.us-west-004.backblazeb2.com", None, "us-west-004"),
        ("photos.s3.us-west-004.backblazeb2.com", "photos", "us-west-004"),
        ("nyc3.digitaloceanspaces.com", None, "nyc3"),
        ("photos.nyc3.digitaloceanspaces.com", "photos", "nyc3"),
        ("storage.googleapis.com", None, None),
        ("photos.storage.googleapis.com", "photos", None),
        ("storage.yandexcloud.net", None, "ru-central1"),
        ("photos.storage.yandexcloud.net", "photos", "ru-central1"),
        ("s3.eu-central-1.wasabisys.com", None, "eu-central-1"),
        ("photos.s3.eu-central-1.wasabisys.com", "photos", "eu-central-1"),
        ("s3.localhost", None, None),
        ("photos.s3.localhost", "photos", None),
        ("minio.example", None, None),
        ("localhost", None, None),
    ],
)
def test_a_known_host_says_its_bucket_and_its_region(host: str, bucket: str | None, region: str | None) -> None:
    """The names that stores give their buckets' hosts are recognised, and only those."""
    found = endpoint(f"https://{host}:8333")
    assert (found.bucket, found.region, found.in_subdomain) == (bucket, region, bucket is not None)
    assert (found.authority, found.base_path) == (f"{host}:8333", "")


@pytest.mark.parametrize("host", ["photos.store.example", "photos.localhost:8333"])
def test_any_host_can_begin_with_a_bucket_that_is_named(host: str) -> None:
    """Where no pattern says so, ``bucket`` does."""
    found = endpoint(f"http://{host}", "photos")
    assert (found.in_subdomain, found.bucket, found.url) == (True, "photos", f"http://{host}")


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("s3.eu-west-1.amazonaws.com", "s3"),
        ("storage.googleapis.com", "storage"),
        ("nyc3.digitaloceanspaces.com", "nyc3"),
        ("bucket.vpce-1a2b-3c4d.s3.us-east-1.vpce.amazonaws.com", "bucket"),
    ],
)
def test_a_service_whose_name_begins_like_a_bucket_is_still_the_service(host: str, bucket: str) -> None:
    """A bucket called ``s3`` at AWS is in the path, not in the host's name."""
    assert endpoint(f"https://{host}", bucket).url == f"https://{host}/{bucket}"


@pytest.mark.parametrize("bucket", ["photos", "a.b.c", "odd name"])
def test_a_bucket_that_the_url_does_not_say_comes_behind_it(bucket: str) -> None:
    """It is the first segment of the path."""
    found = endpoint("https://store.example/", bucket)
    assert (found.bucket, found.base_path, found.in_subdomain) == (bucket, f"/{quote(bucket)}", False)


@pytest.mark.parametrize("url", ["https://photos.s3.amazonaws.com", "https://store.example/photos"])
def test_a_bucket_may_be_said_twice_but_not_two_buckets(url: str) -> None:
    """The same one is no contradiction."""
    assert endpoint(url, "photos") == endpoint(url)
    with pytest.raises(ValueError, match="'photos', and bucket='films' is another: give one"):
        endpoint(url, "films")


def test_a_path_behind_a_bucket_in_the_host_is_the_beginning_of_every_key() -> None:
    """So a client can stay in a folder."""
    found = endpoint("https://photos.s3.amazonaws.com/2026/may+june/")
    assert (found.bucket, found.in_subdomain) == ("photos", True)
    assert found.path("a b") == "/2026/may%2Bjune/a%20b"
    assert found.copy_source("a b") == "/photos/2026/may%2Bjune/a%20b"


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "s3.us-east-1.amazonaws.com"),
        ("eu-west-1", "s3.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "s3.eusc-de-east-1.amazonaws.eu"),
        ("us-iso-east-1", "s3.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "s3.us-isob-east-1.sc2s.sgov.gov"),
        ("us-isof-south-1", "s3.us-isof-south-1.csp.hci.ic.gov"),
        ("eu-isoe-west-1", "s3.eu-isoe-west-1.cloud.adc-e.uk"),
    ],
)
def test_a_region_is_enough_for_aws(region: str, host: str) -> None:
    """Each partition has its own domain, over TLS, and what is made is recognised again."""
    for_aws = Endpoint.for_aws(region, "photos")
    assert (for_aws.scheme, for_aws.authority, for_aws.region) == ("https", f"photos.{host}", region)
    assert for_aws == endpoint(for_aws.url)
    assert Endpoint.for_aws(region).url == f"https://{host}"


@pytest.mark.parametrize("bucket", ["www.photos.example", "Photos", "with_underscore", "a" * 64, "ab", "-photos"])
def test_a_bucket_that_is_no_single_label_is_in_the_path_at_aws(bucket: str) -> None:
    """A dot would break the certificate's wildcard, the rest the host name."""
    found = Endpoint.for_aws("eu-west-1", bucket)
    assert found.url == f"https://s3.eu-west-1.amazonaws.com/{bucket}"
    assert (found.bucket, found.in_subdomain) == (bucket, False)


@pytest.mark.parametrize("region", ["", "EU-WEST-1", "eu west 1", "eu-west-1.evil.example/", "eu-west-1\r\n", "-", "é"])
def test_a_region_that_cannot_be_one_is_refused(region: str) -> None:
    """It would become part of a host name."""
    with pytest.raises(ValueError, match="is not a region: write it like 'eu-west-1'"):
        Endpoint.for_aws(region)


def test_a_bucket_with_a_slash_is_refused() -> None:
    """A prefix belongs to the object names, and a slash in a bucket would be encoded."""
    with pytest.raises(ValueError, match=r"bucket='photos/2026' has a slash, .* object names"):
        endpoint("https://store.example", "photos/2026")
    with pytest.raises(ValueError, match=r"bucket='photos/2026' has a slash, .* object names"):
        Endpoint.for_aws("eu-west-1", "photos/2026")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "no scheme or no host"),
        ("store.example/photos", "no scheme or no host"),
        ("localhost:9000/photos", "no scheme or no host"),
        ("https://", "no scheme or no host"),
        ("https:///photos", "no scheme or no host"),
        ("https:/store.example/photos", "no scheme or no host"),
        ("ftp://store.example/photos", "'ftp://store.example/photos' is not a store's URL"),
        ("s3://photos/key", "'s3://photos/key' is not a store's URL"),
        ("//store.example/photos", "'//store.example/photos' is not a store's URL"),
        ("https://store.example/photos?versions", "'https://store.example/photos' has a query or a fragment"),
        ("https://store.example/photos#key", "'https://store.example/photos' has a query or a fragment"),
        ("https://store.example:port/photos", "is not a URL"),
        ("https://store.example:99999/photos", "is not a URL"),
        ("https://[::1/photos", "is not a URL"),
    ],
)
def test_a_url_of_no_store_is_refused_with_what_is_wrong(url: str, message: str) -> None:
    """The message names the fault, and the URL as far as it cannot hold a secret."""
    with pytest.raises(ValueError, match=message):
        S3Client(url, access_key_id="key", secret_access_key="secret")


@pytest.mark.parametrize(
    "url",
    [
        f"KEY:{SECRET_PART}@store.example/photos",
        f"KEY:{SECRET_PART}/x@store.example",
        f"KEY:x?{SECRET_PART}@store.example",
        f"KEY:x#{SECRET_PART}@store.example",
        f"KEY:{SECRET_PART}?x@store.example",
        f"KEY:{SECRET_PART}",
        f"//KEY:{SECRET_PART}@store.example/photos",
        f"ftp://KEY:{SECRET_PART}@store.example",
        f"ftp://KEY:1/{SECRET_PART}@store.example",
        f"https:/KEY:{SECRET_PART}@store.example",
        f"https:KEY:{SECRET_PART}@store.example",
        f"https://KEY:{SECRET_PART}@",
        f"https://KEY:{SECRET_PART}@/photos",
        f"https://KEY:{SECRET_PART}",
        f"https://KEY:{SECRET_PART}/x@store.example/photos",
        f"https://KEY:/{SECRET_PART}@store.example/photos",
        f"https://KEY:123/{SECRET_PART}@store.example/photos",
        f"https://KEY:1?{SECRET_PART}@store.example",
        f"https://KEY:1#{SECRET_PART}@store.example",
        f"https://KEY:x[{SECRET_PART}@store.example",
        f"https://KEY:{SECRET_PART}@store.example:port",
        f"https://KEY:{SECRET_PART}@store.example?query",
        f"https://KEY:{SECRET_PART}@store.example/photos#fragment",
        f"https://store.example/photos?X-Amz-Signature={SECRET_PART}",
        f"https://:{SECRET_PART}@store.example",
    ],
)
def test_a_bad_url_never_shows_the_secret_in_it(url: str) -> None:
    """Not in the message, and not in an exception that the message's own keeps."""
    with pytest.raises(ValueError, match="URL") as caught:
        S3Client(url)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET_PART.lower() not in repr(error).lower()
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("key", "/photos/key"),
        ("a/b", "/photos/a/b"),
        ("a//b", "/photos/a//b"),
        ("./a", "/photos/./a"),
        ("a/../b", "/photos/a/../b"),
        ("..", "/photos/.."),
        ("a/", "/photos/a/"),
        ("%2F", "/photos/%252F"),
        ("a+b", "/photos/a%2Bb"),
        ("a b", "/photos/a%20b"),
        ("#", "/photos/%23"),
        ("?a=b&c", "/photos/%3Fa%3Db%26c"),
        ("~-._", "/photos/~-._"),
        ("!*'()", "/photos/%21%2A%27%28%29"),
        ("\x00\t\r\n\x7f", "/photos/%00%09%0D%0A%7F"),
        ("é", "/photos/%C3%A9"),
        ("e\u0301", "/photos/e%CC%81"),
        ("🦊", "/photos/%F0%9F%A6%8A"),
        ("/key", "/photos/key"),
        ("//key", "/photos//key"),
        ("", "/photos"),
        ("/", "/photos"),
    ],
)
def test_a_key_is_encoded_once_and_never_normalised(key: str, path: str) -> None:
    """All but one leading slash is part of it."""
    assert endpoint("https://store.example/photos").path(key) == path


@given(any_name)
def test_any_key_comes_back_from_its_path(key: str) -> None:
    """Decoding the path gives the key's bytes, and the encoding is the standard library's with SigV4's exceptions."""
    path = endpoint("https://store.example/photos").path("/" + key)
    assert unquote_to_bytes(path.removeprefix("/photos").removeprefix("/")) == key.encode()
    assert path == "/photos" + (f"/{quote(key, safe='/~')}" if key else "")


@given(any_name)
def test_all_forms_of_address_name_the_same_object_to_copy(key: str) -> None:
    """``x-amz-copy-source`` is the bucket and the key, wherever the client's URL has the bucket."""
    copy_source = f"/photos/{quote(key, safe='/~')}"
    assert endpoint("https://store.example/photos").copy_source("/" + key) == copy_source
    assert endpoint("https://store.example", "photos").copy_source("/" + key) == copy_source
    assert endpoint("https://store.example").copy_source("photos/" + key) == copy_source
    assert endpoint("https://store.example").copy_source("/photos/" + key) == copy_source
    if key:
        assert endpoint("https://photos.s3.amazonaws.com").copy_source("/" + key) == copy_source


@pytest.mark.parametrize("name", ["", "/", "//", "///"])
def test_a_name_of_slashes_names_no_object(name: str) -> None:
    """It would be the bucket's own address, or the service's."""
    assert not endpoint("https://store.example").names_object(name)
    assert not endpoint("https://store.example/photos").names_object(name)


@pytest.mark.parametrize("name", ["photos", "/photos", "photos/", "photos//", "//key"])
def test_a_name_without_a_key_names_no_object(name: str) -> None:
    """Where the URL is in no bucket, a name has two parts."""
    assert not endpoint("https://store.example").names_object(name)
    assert endpoint("https://store.example/photos").names_object(name)
    assert endpoint("https://store.example").names_object(f"photos/{name}")


@pytest.mark.parametrize("name", [None, 5, b"key", URL("key")])
def test_a_name_that_is_no_text_is_refused(name: object) -> None:
    """The message says what it is instead."""
    found = endpoint("https://store.example/photos")
    for use in (found.path, found.copy_source, found.names_object):
        with pytest.raises(TypeError, match=f"is a {type(name).__name__}: give it as str"):
            use(cast("str", name))


def test_a_lone_surrogate_in_a_key_is_refused() -> None:
    """It has no UTF-8, and the message names the key."""
    with pytest.raises(ValueError, match=r"'a\\ud800' has a lone surrogate"):
        endpoint("https://store.example/photos").path("a\ud800")
