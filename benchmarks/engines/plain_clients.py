"""How the peers make their S3 clients: with the stub's address, else with every default."""

from typing import Any

from benchmarks.engine import Addresses


def s3_client(session: Any, addresses: Addresses) -> Any:
    """Return a client of boto3."""
    from botocore.config import Config

    return session.client("s3", **options(addresses), config=Config(s3={"addressing_style": "path"}))


def async_s3_client(session: Any, addresses: Addresses) -> Any:
    """Return a context manager that opens a client of aioboto3."""
    from aiobotocore.config import AioConfig

    return session.client("s3", **options(addresses), config=AioConfig(s3={"addressing_style": "path"}))


def options(addresses: Addresses) -> dict[str, Any]:
    """Return the options of every client of AWS."""
    return {
        "endpoint_url": addresses.s3_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "benchmark",
        "aws_secret_access_key": "benchmark",
    }
