"""The processor's calls to AWS: the fast way (`ordinary_aws`), and where it declines, aioboto3."""

from collections.abc import Mapping
from typing import Any, Protocol

from processor.adapters.aws_signature import AwsCredentials
from processor.adapters.careful_aws import CarefulAws
from processor.adapters.ordinary_aws import OrdinaryAws


class S3(Protocol):
    """What is needed of S3's client, with botocore's names."""

    async def get_object(self, **request: Any) -> Any: ...
    async def put_object(self, **request: Any) -> Any: ...
    async def list_objects_v2(self, **request: Any) -> Any: ...


class SecretsManager(Protocol):
    """What is needed of Secrets Manager's client, with botocore's names."""

    async def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]: ...  # noqa: N803


class AwsClients:
    """The clients of S3 and Secrets Manager in one, and the credentials that they use.

    An object that exists is put without an error.
    """

    def __init__(self, ordinary: OrdinaryAws, careful: CarefulAws) -> None:
        self._ordinary = ordinary
        self._careful = careful

    async def put_object(self, **request: Any) -> None:
        if not await self._ordinary.put_object(request):
            client = await self._careful.client("s3")
            await client.put_object(**request)

    async def get_object(self, **request: Any) -> Any:
        client = await self._careful.client("s3")
        return await client.get_object(**request)

    async def list_objects_v2(self, **request: Any) -> Any:
        client = await self._careful.client("s3")
        return await client.list_objects_v2(**request)

    async def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803
        answer = await self._ordinary.get_secret_value(SecretId)
        if answer is None:
            client = await self._careful.client("secretsmanager")
            answer = await client.get_secret_value(SecretId=SecretId)
        return answer

    async def credentials(self) -> AwsCredentials | None:
        """Return the process's credentials, or None if it has none."""
        return self._ordinary.credentials or await self._careful.credentials()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._ordinary.aclose()
        await self._careful.aclose()
