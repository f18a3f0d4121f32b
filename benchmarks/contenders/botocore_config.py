"""The settings that boto3 and aioboto3 are given: both take botocore's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.job import Job, Target


def config_options(job: Job) -> Mapping[str, object]:
    """Give botocore's ``Config``: a connection for every request in flight, and checksums only where S3 needs them."""
    return {
        "max_pool_connections": job.concurrency,
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "s3": {"addressing_style": "path", **_unsigned(job)},
    }


def _unsigned(job: Job) -> Mapping[str, bool]:
    return {} if job.hashes_bodies else {"payload_signing_enabled": False}


def client_options(target: Target) -> Mapping[str, str | None]:
    """Say where the store is, whom to trust, and who asks."""
    return {
        "endpoint_url": target.endpoint,
        "verify": target.ca_file,
        "region_name": target.region,
        "aws_access_key_id": target.access_key_id,
        "aws_secret_access_key": target.secret_access_key,
    }
