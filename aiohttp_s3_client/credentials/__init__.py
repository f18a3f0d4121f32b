"""Where an identity comes from: the providers, and the ways to put them together."""

from aiohttp_s3_client.credentials.assume_role import AssumeRoleCredentials
from aiohttp_s3_client.credentials.base import AbstractCredentials, KnownCredentials
from aiohttp_s3_client.credentials.chain import ChainCredentials
from aiohttp_s3_client.credentials.collect import collect_credentials
from aiohttp_s3_client.credentials.config_file import ConfigCredentials
from aiohttp_s3_client.credentials.container import ContainerCredentials
from aiohttp_s3_client.credentials.environment import EnvironmentCredentials
from aiohttp_s3_client.credentials.function import CallableCredentials
from aiohttp_s3_client.credentials.merge import merge_credentials
from aiohttp_s3_client.credentials.metadata import MetadataCredentials
from aiohttp_s3_client.credentials.partial import PartialCredentials
from aiohttp_s3_client.credentials.process import ProcessCredentials
from aiohttp_s3_client.credentials.refresh import RefreshingCredentials
from aiohttp_s3_client.credentials.sso import SSOCredentials
from aiohttp_s3_client.credentials.static import AnonymousCredentials, StaticCredentials
from aiohttp_s3_client.credentials.url import URLCredentials, parse_url
from aiohttp_s3_client.credentials.web_identity import WebIdentityCredentials

__all__ = (
    "AbstractCredentials",
    "AnonymousCredentials",
    "AssumeRoleCredentials",
    "CallableCredentials",
    "ChainCredentials",
    "ConfigCredentials",
    "ContainerCredentials",
    "EnvironmentCredentials",
    "KnownCredentials",
    "MetadataCredentials",
    "PartialCredentials",
    "ProcessCredentials",
    "RefreshingCredentials",
    "SSOCredentials",
    "StaticCredentials",
    "URLCredentials",
    "WebIdentityCredentials",
    "collect_credentials",
    "merge_credentials",
    "parse_url",
)
