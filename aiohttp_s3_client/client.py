"""The client: all that it can do, in one class."""

from __future__ import annotations

from aiohttp_s3_client.operations import Operations

__all__ = ("S3Client",)


class S3Client(Operations):
    """A client of one S3-compatible store.

    The store is said by ``url`` (``https://host[:port][/bucket]``, with credentials in it if one likes), or, for AWS,
    by ``region`` and perhaps ``bucket``. An *object name* is the path below that: ``"key"`` where the bucket is in the
    URL (as last segment of its path or as subdomain) or given by ``bucket``, else ``"bucket/key"``. One leading slash
    is passed over; all else of a key is sent as it stands.

    The *verbs* (``request get head put post delete copy put_file``) give aiohttp's own response and do not judge its
    status, unless the session was made with ``raise_for_status``. All else raises typed errors (``S3Error``).

    Enter it with ``async with``, and it makes a session tuned for S3 and closes it; or give it a ``session``, which it
    uses and leaves open.
    """
