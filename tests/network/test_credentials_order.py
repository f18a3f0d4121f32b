"""The order in which identities are looked for when nobody says who asks."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import pytest

from aiohttp_s3_client.credentials import ChainCredentials, KnownCredentials, collect_credentials

if TYPE_CHECKING:
    from pathlib import Path

# Each source's part of the config file, of the credentials file, and of the environment, and its provider; in order.
SOURCES: Final[dict[str, tuple[str, str, dict[str, str], str]]] = {
    "environment": (
        "",
        "",
        {"AWS_ACCESS_KEY_ID": "of-environment", "AWS_SECRET_ACCESS_KEY": "s"},
        "of-environment",
    ),
    "role": ("role_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n", "", {}, "AssumeRoleCredentials"),
    "web identity": (
        "",
        "",
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"},
        "WebIdentityCredentials",
    ),
    "sso": (
        "sso_account_id = 1\nsso_role_name = r\nsso_start_url = https://start\nsso_region = eu-west-1\n",
        "",
        {},
        "SSOCredentials",
    ),
    "keys in the credentials file": (
        "",
        "aws_access_key_id = of-credentials-file\naws_secret_access_key = s\n",
        {},
        "of-credentials-file",
    ),
    "process": ("credential_process = /bin/false\n", "", {}, "ProcessCredentials"),
    "keys in the config file": (
        "aws_access_key_id = of-config-file\naws_secret_access_key = s\n",
        "",
        {},
        "of-config-file",
    ),
    "container": ("", "", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}, "ContainerCredentials"),
    "instance": ("", "", {}, "MetadataCredentials"),
}


@pytest.mark.parametrize(("first", "second"), list(combinations(SOURCES, 2)))
def test_of_two_sources_the_first_counts(tmp_path: Path, first: str, second: str) -> None:
    """As in AWS's own tools."""
    environ = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    config, credentials = "[default]\n", "[default]\n"
    for name in (second, first):
        in_config, in_credentials, variables, _ = SOURCES[name]
        config += in_config
        credentials += in_credentials
        environ |= variables
    (tmp_path / "config").write_text(config)
    (tmp_path / "credentials").write_text(credentials)
    assert asked_first(collect_credentials(environ=environ)) == SOURCES[first][3]


def asked_first(found: object) -> str:
    """Name the provider that is asked first: by its class, or by its key where it has one."""
    providers = found._providers if isinstance(found, ChainCredentials) else [found]
    provider = next(one for one in providers if not isinstance(one, KnownCredentials) or one.found.parts)
    return provider.found.access_key_id or "" if isinstance(provider, KnownCredentials) else type(provider).__name__
