"""Where a bucket is: a store's address, and the path of an object name below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp_s3_client.sigv4 import uri_encode

if TYPE_CHECKING:
    from yarl import URL

__all__ = ("DEFAULT_REGION", "Endpoint")

# What stores without regions expect in a signature.
DEFAULT_REGION: Final = "us-east-1"

_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# A bucket that fits into a host name under a wildcard certificate: one label, so no dots.
_DNS_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_AWS = r"\.amazonaws\.(?:com|com\.cn|eu)"
_REGION_LABEL = r"(?P<region>[a-z]{2,4}(?:-[a-z]+)+-\d+)"
# The host names that say which bucket or region they stand for; the first that fits counts.
_HOSTS = tuple(
    re.compile(pattern)
    for pattern in (
        # PrivateLink: "bucket" is part of the host's own name, not the name of a bucket.
        rf"(?:(?P<bucket>.+)\.)?bucket\.vpce-[^.]+\.s3\.{_REGION_LABEL}\.vpce{_AWS}",
        rf"(?:(?P<bucket>.+)\.)?s3(?:-accelerate|-fips)?(?:\.dualstack)?(?:[.-]{_REGION_LABEL})?{_AWS}",
        rf"(?:(?P<bucket>.+)\.)?s3\.{_REGION_LABEL}\..+",
        r"(?:(?P<bucket>.+)\.)?(?P<region>[a-z]{3}\d)\.digitaloceanspaces\.com",
        r"(?:(?P<bucket>.+)\.)?[0-9a-f]{32}(?:\.(?:eu|fedramp))?\.r2\.cloudflarestorage\.com",
        r"(?:(?P<bucket>.+)\.)?storage\.(?:googleapis\.com|yandexcloud\.net)",
    )
)
# How most other stores write a bucket in front; a guess, which `bucket=` overrules.
_GUESSED_HOST = re.compile(r"(?P<bucket>.+)\.s3\.(?!svc\.).+")
# Stores that sign for a region which their host names do not say.
_REGIONS = {".r2.cloudflarestorage.com": "auto", "storage.yandexcloud.net": "ru-central1"}
# By the beginning of a region's name; source: the endpoint tables of the AWS General Reference.
_AWS_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address that object names are below.

    Attributes:
        scheme: ``http`` or ``https``.
        authority: Host, and the port where it is not the scheme's own: what the ``Host`` header says.
        base_path: The encoded path above every object name, without a slash at its end; empty where there is none.
        bucket: The bucket that the address is in; None when an object name begins with its bucket.
        in_subdomain: Whether the host name says the bucket, so that the path is all key.
        region: The region that the host name says, or None.

    """

    scheme: str
    authority: str
    base_path: str = ""
    bucket: str | None = None
    in_subdomain: bool = False
    region: str | None = None

    @classmethod
    def from_url(cls, url: URL, bucket: str | None = None) -> Endpoint:
        """Read a store's URL; the bucket is a subdomain, the last segment of the path, or else ``bucket``.

        Userinfo is left out. Hosts that are known to carry a bucket are recognised; for any other, ``bucket`` says
        that the host's beginning is one.

        Raises:
            ValueError: no http(s) scheme or no host, an unescaped secret, a query or a fragment, or two buckets.

        """
        if not url.host:
            raise ValueError("the URL has no scheme or no host: write it as https://host[:port][/bucket]")
        if "@" in str(url.relative()):
            raise ValueError("the URL has an @ behind its host: in credentials, write / as %2F, ? as %3F, # as %23")
        if url.scheme not in {"http", "https"}:
            raise ValueError(f"{_shown(url)!r} is not a store's URL: write it as https://host[:port][/bucket]")
        if url.raw_query_string or url.raw_fragment:
            raise ValueError(f"the URL {_shown(url)!r} has a query or a fragment: a store's URL ends with its path")
        host_bucket, region = _host_says(url.host, bucket)
        # Not as yarl encodes it, which leaves more characters alone than a signature does.
        path = uri_encode(url.path.rstrip("/"), keep_slash=True)
        path_bucket = None if host_bucket or not path else url.path.rstrip("/").rpartition("/")[2]
        found = host_bucket or path_bucket
        if bucket and found not in {None, bucket}:
            raise ValueError(
                f"the URL {_shown(url)!r} is in the bucket {found!r}, and bucket={bucket!r} is another: give one"
            )
        if bucket and not found:
            path = _bucket_path(bucket)
        return cls(
            scheme=url.scheme,
            authority=url.host_port_subcomponent or "",
            base_path=path,
            bucket=found or bucket,
            in_subdomain=bool(host_bucket),
            region=region,
        )

    @classmethod
    def for_aws(cls, region: str, bucket: str | None = None) -> Endpoint:
        """Give AWS's address in ``region``: the bucket as subdomain, or as path where it is no DNS label.

        Raises:
            ValueError: ``region`` does not look like one, or ``bucket`` does not.

        """
        if not _REGION.fullmatch(region):
            raise ValueError(f"{region!r} is not a region: write it like 'eu-west-1'")
        domain = next((name for start, name in _AWS_DOMAINS.items() if region.startswith(start)), "amazonaws.com")
        host = f"s3.{region}.{domain}"
        if bucket and _DNS_LABEL.fullmatch(bucket):
            return cls("https", f"{bucket}.{host}", bucket=bucket, in_subdomain=True, region=region)
        return cls("https", host, _bucket_path(bucket) if bucket else "", bucket=bucket, region=region)

    @property
    def url(self) -> str:
        """The address as text, without a slash at its end."""
        return f"{self.scheme}://{self.authority}{self.base_path}"

    def names_object(self, object_name: str) -> bool:
        """Tell whether a name goes as far as a key: if not, it is the bucket's, or the service's."""
        if self.bucket:
            return bool(_without_slash(object_name).strip("/"))
        bucket, _, key = _without_slash(object_name).partition("/")
        return bool(bucket and key.strip("/"))

    def path(self, object_name: str) -> str:
        """Give the encoded path of an object name; an empty name is the bucket's, or the service's, own path.

        One leading slash of the name is passed over. All else is encoded as it stands: ``//``, ``.`` and ``..`` are
        part of a key.

        Raises:
            TypeError: ``object_name`` is no str.

        """
        key = _without_slash(object_name)
        if not key:
            return self.base_path or "/"
        return f"{self.base_path}/{uri_encode(key, keep_slash=True)}"

    def copy_source(self, object_name: str) -> str:
        """Give ``/bucket/key``, encoded, for ``x-amz-copy-source``."""
        if self.in_subdomain:
            return f"/{self.bucket}{self.path(object_name)}"
        bucket_path = f"/{uri_encode(self.bucket)}" if self.bucket else ""
        return f"{bucket_path}/{uri_encode(_without_slash(object_name), keep_slash=True)}"


def _without_slash(object_name: str) -> str:
    """Pass over the leading slash of an object name."""
    if not isinstance(object_name, str):
        raise TypeError(f"the object name {object_name!r} is a {type(object_name).__name__}: give it as str")
    return object_name.removeprefix("/")


def _host_says(host: str, bucket: str | None) -> tuple[str | None, str | None]:
    """Give the bucket and the region that a host name stands for, where it says so."""
    patterns = _HOSTS if bucket else (*_HOSTS, _GUESSED_HOST)
    matches = (pattern.fullmatch(host) for pattern in patterns)
    said = next((match.groupdict() for match in matches if match), {})
    region = said.get("region") or next((name for end, name in _REGIONS.items() if host.endswith(end)), None)
    is_service = bool(said) and said["bucket"] is None
    if bucket and host.startswith(f"{bucket}.") and not is_service:
        return bucket, region
    return said.get("bucket"), region


def _bucket_path(bucket: str) -> str:
    if "/" in bucket:
        raise ValueError(f"bucket={bucket!r} has a slash, which no bucket has: say a key's beginning in object names")
    return f"/{uri_encode(bucket)}"


def _shown(url: URL) -> str:
    """Give what may be shown of a URL: nothing of its userinfo or query, which can hold secrets."""
    return str(url.with_user(None).with_query(None).with_fragment(None))
