"""Where an identity comes from: the providers, and the ways to put them together."""

from aiohttp_s3_client.credentials.base import AbstractCredentials, KnownCredentials
from aiohttp_s3_client.credentials.collect import collect_credentials
from aiohttp_s3_client.credentials.config_file import ConfigCredentials
from aiohttp_s3_client.credentials.environment import EnvironmentCredentials
from aiohttp_s3_client.credentials.merge import merge_credentials
from aiohttp_s3_client.credentials.partial import PartialCredentials
from aiohttp_s3_client.credentials.static import AnonymousCredentials, StaticCredentials
from aiohttp_s3_client.credentials.url import URLCredentials, parse_url

__all__ = (
    "AbstractCredentials",
    "AnonymousCredentials",
    "ConfigCredentials",
    "EnvironmentCredentials",
    "KnownCredentials",
    "PartialCredentials",
    "StaticCredentials",
    "URLCredentials",
    "collect_credentials",
    "merge_credentials",
    "parse_url",
)
