"""The identity in a URL's userinfo: ``https://KEY:SECRET@host``."""

from __future__ import annotations

from yarl import URL

from aiohttp_s3_client.credentials.base import KnownCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials

__all__ = ("URLCredentials", "parse_url")


def parse_url(url: str | URL) -> URL:
    """Parse a URL that may have a secret in it: the error does not show it, as yarl's own would.

    Raises:
        TypeError: It is neither a str nor a ``yarl.URL``.
        ValueError: It is no URL; the message shows it without its userinfo.

    """
    if not isinstance(url, str | URL):
        raise TypeError(f"url is a {type(url).__name__}, not a str or a yarl.URL")
    parsed: URL | None
    try:
        parsed = URL(url)
    except ValueError:
        parsed = None
    # Raised out here, since an exception keeps the one in whose handler it is raised: with the secret.
    if parsed is None:
        raise ValueError(
            f"{_without_userinfo(str(url))!r} is not a URL; in its key and secret, write '/' as %2F and '@' as %40"
        )
    return parsed


def _without_userinfo(url: str) -> str:
    """Cut out all that can be a secret, also where a slash in it makes the rest look like a path."""
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        scheme, rest = "", url
    _, at, address = rest.rpartition("@")
    # Without an @, what follows a colon is a port, or a secret whose host was forgotten.
    shown = address if at else f"{rest.partition(':')[0]}..."
    return f"{scheme}{slashes}{shown}"


class URLCredentials(KnownCredentials):
    """The identity in a URL's userinfo, percent-decoded; either half may be missing.

    Raises:
        ValueError: It is no URL; the message shows it without its userinfo.

    """

    __slots__ = ()

    def __init__(self, url: str | URL) -> None:
        """Read the URL's userinfo."""
        parsed = parse_url(url)
        looked = ("URL: no KEY:SECRET@ in front of the host",)
        super().__init__(PartialCredentials("URL", parsed.user, parsed.password, looked=looked))
