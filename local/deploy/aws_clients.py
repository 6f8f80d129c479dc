"""Clients for the services of the emulated account."""

from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from local.deploy.environment_variables import CREDENTIALS
from local.emulated_aws.account import REGION


class AwsClients:
    """Clients for the services at one endpoint; `endpoint_url` is the emulator's."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self._session = aioboto3.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )

    def client(self, service: str) -> Any:
        """Return a client, which is an async context manager."""
        config = AioConfig(s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={})
        return self._session.client(  # type: ignore[call-overload]  # the stubs know each service's literal name
            service, endpoint_url=self.endpoint_url, config=config
        )
