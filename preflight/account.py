"""The account that the credentials are for, as the checks query it; only operations that read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

Clients = Callable[[str], Any]

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})


class UnreachableError(Exception):
    """No credentials, or none that AWS accepts, or no way to AWS; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """`clients`: returns the client of a service in the stack's region; `id`: 12 digits.

    `is_deployed`: whether the stack has a state, so that it is there at least in part.
    """

    clients: Clients
    id: str
    is_deployed: bool

    def every(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
        """Yield the entries under a key of all pages of a list."""
        for page in self.clients(service).get_paginator(operation).paginate(**parameters):
            yield from page.get(key, ())


def connect(region: str) -> Clients:
    """Return how to get a client, with the credentials and the endpoint that botocore finds."""
    session = get_session()
    return cache(lambda service: session.create_client(service, region_name=region, config=_CONFIG))


def identify(clients: Clients) -> str:
    """Return the id of the account that the credentials are for.

    Raises: UnreachableError.
    """
    try:
        sts = clients("sts")
    except ValueError as error:
        # botocore's word for an endpoint that is no URL.
        raise UnreachableError(f"AWS_ENDPOINT_URL: {error}; a URL such as https://… is accepted") from error
    try:
        account_id: str = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise UnreachableError(" ".join(str(error).split())) from error
    return account_id


def is_deployed(clients: Clients, stack_id: str, *, bucket: str | None, folder: Path) -> bool:
    """Return whether the stack has a state: in the bucket, or in a file if there is no bucket."""
    if bucket is None:
        return (folder / f"terraform.{stack_id}.tfstate").is_file()
    try:
        clients("s3").head_object(Bucket=bucket, Key=f"product-catalog/{stack_id}.tfstate")
    except ClientError:
        # What is wrong with the bucket itself is another check's finding.
        return False
    return True
