"""Passwords for the cache: from a secret, or short-lived ones signed with the function's IAM role."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from processor.errors import SettingsError, reason_of

if TYPE_CHECKING:
    import aioboto3
    from aiobotocore.credentials import AioCredentials

TOKEN_SECONDS = 900


class AsyncPassword(CredentialProvider):
    """Credentials that are fetched for each new connection."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, str] | tuple[str]]]) -> None:
        self._fetch = fetch

    def get_credentials(self) -> tuple[str, str] | tuple[str]:
        """Raise: asynchronous clients call `get_credentials_async`."""
        raise TypeError("this provider serves redis.asyncio only")

    async def get_credentials_async(self) -> tuple[str, str] | tuple[str]:
        """Return user name and password, or only the password.

        Raises: AuthenticationError, which redis-py treats as any failed login: the cache is unavailable.
        """
        try:
            return await self._fetch()
        except Exception as error:  # without credentials no connection can be made, whatever the reason
            raise AuthenticationError(reason_of(error)) from error


def iam_login(session: "aioboto3.Session", *, username: str, cluster_id: str, region: str) -> AsyncPassword:
    """Return a login as this user, with a new token per connection, signed with the session's credentials."""

    async def fetch() -> tuple[str, str]:
        # The stubs are wrong: aiobotocore's session returns a coroutine.
        pending = cast("Awaitable[AioCredentials | None]", session.get_credentials())
        credentials = await pending
        if credentials is None:
            raise SettingsError(
                f"the cache's user {username} logs in with IAM, and there are no AWS credentials"
            )
        frozen = await credentials.get_frozen_credentials()
        return username, iam_token(frozen, username=username, cluster_id=cluster_id, region=region)

    return AsyncPassword(fetch)


def iam_token(credentials: ReadOnlyCredentials, *, username: str, cluster_id: str, region: str) -> str:
    """Return a password for an IAM-authenticated user, valid for new connections for 15 minutes.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html: a presigned request to connect.
    """
    query = urlencode({"Action": "connect", "User": username})
    request = AWSRequest(method="GET", url=f"http://{cluster_id}/?{query}")
    SigV4QueryAuth(credentials, "elasticache", region, expires=TOKEN_SECONDS).add_auth(request)
    return str(request.url).removeprefix("http://")
