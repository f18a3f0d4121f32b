"""Plain TCP, and TLS with a certificate of the tests' own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import trustme

if TYPE_CHECKING:
    from typing import Self

    from aiohttp_s3_client import S3Client

__all__ = ("Link",)


@dataclass(slots=True)
class Link:
    """Whether the server speaks TLS, and who trusts it."""

    server: ssl.SSLContext | None = None
    client: ssl.SSLContext | None = None

    @classmethod
    def over_tls(cls) -> Self:
        """Make a certificate, and trust it."""
        authority = trustme.CA()
        server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
        authority.issue_cert("127.0.0.1").configure_cert(server)
        authority.configure_trust(client)
        return cls(server, client)

    def let_trust(self, client: S3Client) -> None:
        """Let a client trust the server."""
        session = client._transport._session
        assert session is not None
        assert isinstance(session.connector, aiohttp.TCPConnector)
        if self.client is not None:
            session.connector._ssl = self.client
