"""The search for an identity: the caller's arguments first, then the environment, then where AWS's tools look."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from aiohttp_s3_client.credentials.assume_role import AssumeRoleCredentials
from aiohttp_s3_client.credentials.base import AbstractCredentials, KnownCredentials
from aiohttp_s3_client.credentials.chain import ChainCredentials
from aiohttp_s3_client.credentials.config_file import ConfigCredentials, profile_identity
from aiohttp_s3_client.credentials.container import ContainerCredentials
from aiohttp_s3_client.credentials.environment import EnvironmentCredentials
from aiohttp_s3_client.credentials.function import CallableCredentials
from aiohttp_s3_client.credentials.merge import combine, merge_credentials
from aiohttp_s3_client.credentials.metadata import MetadataCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials
from aiohttp_s3_client.credentials.profile_chain import profile_provider
from aiohttp_s3_client.credentials.profiles import read_profile_files
from aiohttp_s3_client.credentials.url import URLCredentials
from aiohttp_s3_client.credentials.web_identity import WebIdentityCredentials
from aiohttp_s3_client.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from yarl import URL

__all__ = ("collect_credentials",)

# Either of them says that a container's service is there.
_CONTAINER: Final = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")

_logger = logging.getLogger(__name__)


def collect_credentials(
    *,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
    region: str | None = None,
    url: str | URL | None = None,
    credentials: AbstractCredentials | Callable[[], Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> AbstractCredentials:
    """Find the identity to sign with: in the keywords, the URL, the environment, then wherever AWS's tools look.

    The first three are merged as ``merge_credentials`` says, and where they have a part of an identity, with the
    profile in AWS's files. Where they have none, these are asked in this order, once a request needs it: a profile's
    role, a role for an OpenID token (``AWS_WEB_IDENTITY_TOKEN_FILE``), whatever else the profile says, the service of
    a container, and the metadata service of an instance. The first that has credentials is kept.

    ``credentials`` stands for all of them: a provider comes back as it is, whatever userinfo the URL has, and a
    ``region`` beside it is the caller's to keep; a function that gives ``Credentials`` is called when they are needed.

    The files are not read when the identity and the region are known before. When only the region is missing, they
    are read for that alone: then a malformed file is logged as a warning, and does not stop a program that has its
    keys; a profile that was named (``AWS_PROFILE``) and does not exist still does.

    Where nothing is found, asking the result raises a ``CredentialsError`` that says where was looked.

    Raises:
        CredentialsError: A file is malformed, or the profile that was named does not exist or cannot be followed.
        TypeError: ``credentials`` is no provider, or a part is not a str.
        ValueError: A part of the identity is missing, or ``credentials`` is given beside other keywords for it, or
            the URL is none.

    """
    keywords = _keywords(access_key_id, secret_access_key, session_token, region)
    if credentials is not None:
        return _given(credentials, keywords)
    environ = os.environ if environ is None else environ
    sources = [keywords]
    if url is not None:
        sources.append(URLCredentials(url).found)
    sources.append(EnvironmentCredentials(environ).found)
    known = combine(sources).found
    if not known.parts:
        return ChainCredentials([KnownCredentials(known), *_searched(environ)])
    if not known.is_complete:
        sources.append(ConfigCredentials(environ=environ).found)
    elif known.region is None:
        sources.append(PartialCredentials("profile", region=_configured_region(environ)))
    return merge_credentials(*sources)


def _searched(environ: Mapping[str, str]) -> Iterator[AbstractCredentials]:
    """Give the providers to search when nobody said who asks; those whose variables are not set are left out.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
    """
    files = read_profile_files(environ)
    profile = files.profile(None, environ)
    provider = profile_provider(files, profile, environ) or KnownCredentials(profile_identity(profile, None))
    if isinstance(provider, KnownCredentials) and provider.found.parts:
        # Half an identity is an error now, and not only once a request needs it.
        merge_credentials(provider)
    if isinstance(provider, AssumeRoleCredentials):
        yield provider
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "").strip():
        yield WebIdentityCredentials(environ=environ)
    if not isinstance(provider, AssumeRoleCredentials):
        yield provider
    # The region of a profile counts, whoever then gives the identity.
    yield KnownCredentials(PartialCredentials("profile", region=profile.region))
    if any(environ.get(name, "").strip() for name in _CONTAINER):
        yield ContainerCredentials(environ=environ)
    yield MetadataCredentials(environ=environ)


def _keywords(
    access_key_id: str | None, secret_access_key: str | None, session_token: str | None, region: str | None
) -> PartialCredentials:
    """Take the caller's keywords as a source."""
    looked = () if access_key_id or secret_access_key else ("keyword arguments: no access_key_id=",)
    return PartialCredentials(
        "keyword arguments", access_key_id, secret_access_key, session_token, region, looked=looked
    )


def _given(credentials: AbstractCredentials | Callable[[], Any], keywords: PartialCredentials) -> AbstractCredentials:
    """Check the provider that the caller gives."""
    if callable(credentials) and not isinstance(credentials, type | AbstractCredentials):
        credentials = CallableCredentials(credentials)
    if isinstance(credentials, type):
        raise TypeError(f"credentials is the class {credentials.__name__}: give one of its objects")
    if not isinstance(credentials, AbstractCredentials):
        raise TypeError(f"credentials is a {type(credentials).__name__}, not a provider such as StaticCredentials")
    if keywords.parts:
        raise ValueError(f"{', '.join(keywords.parts)} beside credentials= makes two identities: give one of them")
    if isinstance(credentials, KnownCredentials) and credentials.found.parts and not credentials.found.is_complete:
        raise ValueError(credentials.found.problem)
    return credentials


def _configured_region(environ: Mapping[str, str]) -> str | None:
    """Look for the region in the profile, for an identity that is known without it."""
    try:
        files = read_profile_files(environ)
    except CredentialsError as error:
        _logger.warning("no region was given, and it cannot be taken from the profile: %s", error)
        return None
    return files.profile(None, environ).region
