"""The operations: one request each, answered with a value, or with a typed error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_s3_client.errors import InvalidResponseError
from aiohttp_s3_client.sigv4 import canonical_query
from aiohttp_s3_client.transport import S3Request
from aiohttp_s3_client.verbs import Verbs
from aiohttp_s3_client.xml import parse_document, parse_objects_page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from aiohttp_s3_client.models import ObjectMeta

__all__ = ("Operations",)


class Operations(Verbs):
    """A client's operations on objects; see ``S3Client``."""

    async def rename(self, source: str, destination: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Copy an object to another name, then delete the first (``CopyObject``, ``DeleteObject``).

        S3 has no rename: for a moment both exist, and an error in between leaves both.

        Raises:
            ValueError: A name is empty, or both are the same.
            S3ResponseError: The copy or the deletion was refused; the source is there unless both succeeded.
            S3ConnectionError: No answer came.
            InvalidResponseError: The copy was answered with something that is no result; the source was not deleted.

        """
        endpoint = self._transport.endpoint
        if endpoint.path(self._named(source)) == endpoint.path(self._named(destination)):
            raise ValueError(f"{source!r} would be renamed to itself, and then deleted: give another destination")
        copied = await self._transport.fetch(self._copy_request(source, destination, headers))
        # Without a result there may be no copy: then the source must stay.
        parse_document(copied.body, "CopyObjectResult")
        await self._transport.fetch(S3Request("DELETE", source))

    def list_objects_v2(
        self,
        object_name: str = "",
        *,
        prefix: str | None = None,
        delimiter: str | None = None,
        max_keys: int | None = None,
        start_after: str | None = None,
    ) -> AsyncGenerator[tuple[list[ObjectMeta], list[str]], None]:
        """List a bucket, a page at a time, in the order of the keys (``ListObjectsV2``).

        Args:
            object_name: The bucket, where the client's URL does not say it.
            prefix: Only keys that begin so.
            delimiter: Keys that go on after ``prefix`` with this in them are summed up as one prefix.
            max_keys: At most so many keys and prefixes a page, 1 to 1000.
            start_after: Only keys after this one.

        Returns:
            An async generator of pages ``(objects, prefixes)``.

        Raises:
            ValueError: ``max_keys`` is out of bounds, or the bucket is not said, or said twice.
            S3ResponseError: The listing was refused.
            S3ConnectionError: No whole answer came.
            InvalidResponseError: A page cannot be read, or does not say how to go on.

        """
        if max_keys is not None and max_keys not in range(1, 1001):
            raise ValueError(f"max_keys is {max_keys}, and a page has 1 to 1000 keys")
        asked = {
            "list-type": "2",
            "encoding-type": "url",
            "prefix": prefix,
            "delimiter": delimiter,
            "max-keys": None if max_keys is None else str(max_keys),
            "start-after": start_after,
        }
        return self._pages(self._bucket_named(object_name), {name: value for name, value in asked.items() if value})

    def _bucket_named(self, object_name: str) -> str:
        """Let only a name through that addresses a bucket."""
        bucket = self._transport.endpoint.bucket
        name = object_name.strip("/")
        if (bucket and name) or "/" in name:
            raise ValueError(f"{name!r} below {self.url} is no bucket: to list a part of one, give prefix=")
        if not bucket and not name:
            raise ValueError(f"{self.url} is in no bucket: name the one to list, or give the client bucket=")
        return name

    async def _pages(
        self, object_name: str, query: dict[str, str]
    ) -> AsyncGenerator[tuple[list[ObjectMeta], list[str]], None]:
        """Fetch page after page; a store that does not say how to go on must not look like the end."""
        tokens: set[str] = set()
        while True:
            request = S3Request("GET", object_name, canonical_query(query.items()))
            page = parse_objects_page((await self._transport.fetch(request)).body)
            yield page.objects, page.common_prefixes
            if not page.is_truncated:
                return
            token = page.next_continuation_token
            if token is None or token in tokens:
                fault = "repeats a continuation token" if token else "does not say how to go on"
                raise InvalidResponseError(
                    f"the listing of {self.url}/{object_name} is not at its end, but {fault}: it is incomplete"
                )
            tokens.add(token)
            query = query | {"continuation-token": token}
