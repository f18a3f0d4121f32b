"""The verbs: one request each, answered with aiohttp's own response, and presigned URLs."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

from yarl import URL

from aiohttp_s3_client.body import EMPTY_BODY, FileBody, body_of
from aiohttp_s3_client.config import ClientConfig
from aiohttp_s3_client.credentials import AbstractCredentials, AnonymousCredentials, collect_credentials, parse_url
from aiohttp_s3_client.endpoint import Endpoint
from aiohttp_s3_client.errors import CredentialsError
from aiohttp_s3_client.headers import checked_headers, copy_headers, put_headers
from aiohttp_s3_client.sigv4 import UNSIGNED_PAYLOAD, canonical_query, check_expires, presign, uri_encode
from aiohttp_s3_client.transport import ResponseContext, S3Request, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    import aiohttp
    from multidict import CIMultiDict

    from aiohttp_s3_client.body import Body, Data
    from aiohttp_s3_client.models import Credentials

__all__ = ("Verbs",)


class Verbs:
    """A client's session, and one method for each way to send one request; see ``S3Client``."""

    def __init__(
        self,
        url: str | URL | None = None,
        session: aiohttp.ClientSession | None = None,
        *,
        bucket: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        credentials: AbstractCredentials | Callable[[], Any] | None = None,
        anonymous: bool = False,
        config: ClientConfig | None = None,
    ) -> None:
        """Say which store, who asks, and how.

        Args:
            url: The store's address; needed unless ``region`` says that it is AWS.
            session: The aiohttp session to use; the client never closes it.
            bucket: The bucket, where the URL does not say it.
            region: The region to sign for. By default what the host name says, then the environment or the config
                file, then ``us-east-1``.
            access_key_id: Who asks; by default from the URL, the environment, or wherever AWS's tools look, in that
                order; see ``credentials.collect_credentials``.
            secret_access_key: The secret that belongs to ``access_key_id``.
            session_token: The token of a temporary identity.
            credentials: Where to get the identity from, instead of all of these: a provider, or a function, sync or
                async, that gives ``Credentials``.
            anonymous: Send requests unsigned.
            config: Retries and timeouts.

        Raises:
            ValueError: The URL cannot be used, it names another bucket, or half an identity is given.
            TypeError: An argument is of the wrong type.
            CredentialsError: A profile was asked for that does not exist, or AWS's files cannot be read.

        """
        location = None if url is None else _parsed(url)
        if anonymous and (access_key_id or secret_access_key or session_token or credentials):
            raise ValueError("anonymous=True sends requests unsigned: leave it out, or the credentials")
        endpoint = None if location is None else Endpoint.from_url(location, bucket)
        identity = (
            AnonymousCredentials()
            if anonymous
            else collect_credentials(
                access_key_id=access_key_id,
                secret_access_key=secret_access_key,
                session_token=session_token,
                region=region or (endpoint.region if endpoint else None),
                url=location,
                credentials=credentials,
            )
        )
        if endpoint is None:
            endpoint = _aws_endpoint(region or identity.region, bucket)
        self._transport = Transport(
            endpoint,
            identity,
            region=region or endpoint.region or identity.region,
            config=config or ClientConfig(),
        )
        self._owns_credentials = not isinstance(credentials, AbstractCredentials)
        self._own_session: aiohttp.ClientSession | None = None
        self._needs_session = session is None
        if session is not None:
            self._transport.attach(session)

    def __repr__(self) -> str:
        """Show where the client asks; no secret."""
        return f"<{type(self).__name__} {self.url} region={self._transport.region}>"

    @property
    def url(self) -> URL:
        """The address that object names are below; without credentials."""
        return URL(self._transport.endpoint.url, encoded=True)

    @property
    def credentials(self) -> AbstractCredentials:
        """Who asks: ``await client.credentials.get()`` fetches what must be there before a URL can be signed."""
        return self._transport.credentials

    async def __aenter__(self) -> Self:
        """Make a session, unless one was given.

        Raises:
            RuntimeError: The client is entered already.

        """
        if self._own_session is not None:
            raise RuntimeError("this client is entered already: use it inside of that block, or make another client")
        if self._needs_session:
            self._own_session = self._transport.open_session()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the session, unless it was given."""
        await self.close()

    async def close(self) -> None:
        """Close the session that the client made, and end its search for credentials; what was given goes on."""
        try:
            if self._owns_credentials:
                await self._transport.credentials.stop()
        finally:
            if self._own_session is not None:
                self._transport.detach()
                await self._own_session.close()
                self._own_session = None

    def request(
        self,
        method: str,
        object_name: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        data: Data | None = None,
        data_length: int | None = None,
        content_sha256: str | None = None,
    ) -> ResponseContext:
        """Send any request: await it, or enter it with ``async with``, for aiohttp's response.

        Args:
            method: The HTTP method.
            object_name: The path below the client's URL; empty is the bucket, or the service, itself.
            headers: Headers to send; all of them are signed that no intermediary may change.
            params: The query; an empty value is a bare name, as in ``{"acl": ""}``.
            data: The body: str, bytes, a binary file, a sync or async iterable of bytes (stepped on the event loop),
                or a callable that gives one, anew for every attempt.
            data_length: The body's length in bytes, where ``data`` cannot tell it. Without it, an iterable is held in
                memory, and may have 8 MiB.
            content_sha256: The body's hex SHA-256, where it is known. By default up to 16 KiB in memory are hashed
                and all else is sent as ``UNSIGNED-PAYLOAD``.

        Raises:
            ValueError: An argument cannot be sent; nothing was.
            TypeError: An argument is of the wrong type; nothing was sent.
            BodyLengthError: The body has another length than was said.
            CredentialsError: There is nobody to sign as, and the client is not anonymous.
            S3ConnectionError: No answer came.
            S3ResponseError: S3 answered with an error, and the session was made with ``raise_for_status``.

        """
        body = EMPTY_BODY if data is None else body_of(data, data_length)
        return self._send(_checked_method(method), object_name, checked_headers(headers), params, body, content_sha256)

    def get(
        self, object_name: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> ResponseContext:
        """Read an object (``GetObject``); see ``request``."""
        return self._send("GET", object_name, checked_headers(headers), params)

    def head(
        self, object_name: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> ResponseContext:
        """Describe an object without reading it (``HeadObject``); see ``request``."""
        return self._send("HEAD", object_name, checked_headers(headers), params)

    def put(
        self,
        object_name: str,
        data: Data,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        data_length: int | None = None,
        content_sha256: str | None = None,
    ) -> ResponseContext:
        """Write an object (``PutObject``); see ``request``.

        Its Content-Type is guessed from the name unless ``headers`` say it.

        Raises:
            ValueError: The name is empty, and so would be the bucket's own.

        """
        completed = put_headers(headers, self._named(object_name))
        return self._send("PUT", object_name, completed, params, body_of(data, data_length), content_sha256)

    def put_file(
        self,
        object_name: str,
        file_path: str | os.PathLike[str],
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content_sha256: str | None = None,
    ) -> ResponseContext:
        """Write the file at ``file_path`` as one object (``PutObject``); see ``put``.

        The file is read in threads, a piece at a time, and opened anew for every attempt.

        Raises:
            TypeError: ``file_path`` is no path.
            OSError: The file cannot be read.
            BodyLengthError: The file grew or shrank while it was sent; the store did not keep it.

        """
        if not isinstance(file_path, str | os.PathLike):
            raise TypeError(f"file_path is a {type(file_path).__name__}: give a path, or an open file to put()")
        completed = put_headers(headers, self._named(object_name))
        return self._send("PUT", object_name, completed, params, FileBody(file_path), content_sha256)

    def post(
        self,
        object_name: str,
        data: Data | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        data_length: int | None = None,
        content_sha256: str | None = None,
    ) -> ResponseContext:
        """Ask for something to be done with an object, as ``params`` say; see ``request``.

        Raises:
            ValueError: The name is empty, and so would be the bucket's own.

        """
        body = EMPTY_BODY if data is None else body_of(data, data_length)
        return self._send("POST", self._named(object_name), checked_headers(headers), params, body, content_sha256)

    def delete(
        self, object_name: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, str] | None = None
    ) -> ResponseContext:
        """Delete an object (``DeleteObject``); one that does not exist is no error. See ``request``.

        Raises:
            ValueError: The name is empty, and so would be the bucket's own.

        """
        return self._send("DELETE", self._named(object_name), checked_headers(headers), params)

    def copy(self, source: str, destination: str, *, headers: Mapping[str, str] | None = None) -> ResponseContext:
        """Copy an object inside the store (``CopyObject``); see ``request``.

        Metadata in ``headers`` (Content-Type, ``x-amz-meta-*``, ...) replaces the source's. The answer is read before
        it is given, since S3 can say 200 and then fail.

        Raises:
            ValueError: A name is empty.
            S3ResponseError: S3 answered 200 and then an error.

        """
        return self._transport.send(self._copy_request(source, destination, headers))

    def presign_url(
        self,
        method: str,
        url: str | URL,
        headers: Mapping[str, str] | None = None,
        content_sha256: str | None = None,
        expires: int = 86400,
        *,
        params: Mapping[str, str] | None = None,
    ) -> URL:
        """Make a URL that lets whoever has it send one kind of request, without credentials, for a while.

        Args:
            method: The HTTP method.
            url: An object name as str, or the whole address as ``yarl.URL``.
            headers: Headers that the request must carry, exactly so.
            content_sha256: The hex SHA-256 that its body must have; it becomes a part of the URL.
            expires: How many seconds it holds, 1 to 604800 (7 days); no longer than the credentials, which warns.
            params: More query parameters, such as ``versionId`` or ``response-content-type``.

        Raises:
            ValueError: ``expires`` is out of bounds, a header or the URL cannot be used, or the client is anonymous.
            TypeError: An argument is of the wrong type.
            CredentialsError: There are no credentials at hand.

        """
        transport, now = self._transport, self._transport.clock()
        credentials = transport.credentials.current
        if credentials is None:
            raise ValueError("an anonymous client has nothing to sign a URL with: give it credentials")
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            raise ValueError(
                "give a whole address as yarl.URL; an object name that begins so is written with a slash before"
            )
        location = _encoded_as_signed(url) if isinstance(url, URL) else transport.url_of(url)
        authority = location.host_port_subcomponent or ""
        query = presign(
            _checked_method(method),
            location.raw_path,
            [*location.query.items(), *_checked_params(params)],
            [("host", authority), *checked_headers(headers).items()],
            credentials,
            region=transport.region,
            now=now,
            expires=_within(credentials, check_expires(expires), now),
            payload_hash=content_sha256 or UNSIGNED_PAYLOAD,
        )
        return URL.build(
            scheme=location.scheme,
            authority=authority,
            path=location.raw_path,
            query_string=query,
            encoded=True,
        )

    def _send(
        self,
        method: str,
        object_name: str,
        headers: CIMultiDict[str],
        params: Mapping[str, str] | None,
        body: Body = EMPTY_BODY,
        content_sha256: str | None = None,
    ) -> ResponseContext:
        query = canonical_query(_checked_params(params)) if params else ""
        return self._transport.send(S3Request(method, object_name, query, headers, body, content_sha256))

    def _copy_request(self, source: str, destination: str, headers: Mapping[str, str] | None) -> S3Request:
        copy_source = self._transport.endpoint.copy_source(self._named(source))
        headers = copy_headers(headers, copy_source)
        return S3Request("PUT", self._named(destination), headers=headers, may_fail_late=True)

    def _named(self, object_name: str) -> str:
        """Let only a name through that addresses an object."""
        endpoint = self._transport.endpoint
        if not endpoint.names_object(object_name):
            form = "key" if endpoint.bucket else "bucket/key"
            raise ValueError(
                f"the object name {object_name!r} has no key, and would address the bucket or the whole service: "
                f"write it as {form!r}, or say so with request()"
            )
        return object_name


def _parsed(url: str | URL) -> URL:
    """Read a URL without ever showing it: it may hold a secret."""
    if not isinstance(url, str | URL):
        raise TypeError(f"url is a {type(url).__name__}: give str or yarl.URL, and a session as session=")
    return parse_url(url)


def _encoded_as_signed(url: URL) -> URL:
    """Encode a path as a signature does: yarl leaves more characters alone.

    Raises:
        ValueError: There is no host.

    """
    if not url.absolute:
        raise ValueError(f"the URL {str(url)!r} has no host: give the whole address, or an object name as str")
    return url.with_path(uri_encode(url.path, keep_slash=True), encoded=True, keep_query=True)


def _checked_method(method: str) -> str:
    """Give a method as it is sent.

    Raises:
        ValueError: It is none; what follows a space would become part of the request line.

    """
    if not (method.isascii() and method.isalpha()):
        raise ValueError(f"{method!r} is no HTTP method: give GET, PUT, POST, ...")
    return method.upper()


def _checked_params(params: Mapping[str, str] | None) -> Iterable[tuple[str, str]]:
    """Give the parameters of a query.

    Raises:
        TypeError: A value is no str.

    """
    for name, value in (params or {}).items():
        if not isinstance(value, str):
            raise TypeError(f"the parameter {name} is a {type(value).__name__}: write its value as str")
        yield name, value


def _within(credentials: Credentials, expires: int, now: float) -> int:
    """Shorten the life of a URL to that of its credentials, and warn of it.

    Raises:
        CredentialsError: They have ended.

    """
    if credentials.expiration is None:
        return expires
    remaining = int(credentials.expiration.timestamp() - now)
    if remaining < 1:
        raise CredentialsError("the credentials have expired: await their get() first")
    if expires > remaining:
        warnings.warn(
            f"the URL holds for {remaining} s instead of {expires}: its credentials end then, and it with them",
            stacklevel=3,
        )
    return min(expires, remaining)


def _aws_endpoint(region: str | None, bucket: str | None) -> Endpoint:
    if region is None:
        raise ValueError("where is the store? Give url=, or region= for AWS")
    return Endpoint.for_aws(region, bucket)
