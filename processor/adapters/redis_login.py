"""Passwords for the cache: from a secret, or short-lived ones signed with the function's IAM role."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from processor.adapters.aws_signature import AwsCredentials, Scope, signed_query
from processor.errors import SettingsError, reason_of

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


def iam_login(
    find_credentials: Callable[[], Awaitable[AwsCredentials | None]],
    *,
    username: str,
    cluster_id: str,
    region: str,
) -> AsyncPassword:
    """Return a login as this user, with a new token per connection from the credentials of that time."""

    async def fetch() -> tuple[str, str]:
        credentials = await find_credentials()
        if credentials is None:
            raise SettingsError(
                f"the cache's user {username} logs in with IAM, and there are no AWS credentials"
            )
        return username, iam_token(credentials, username=username, cluster_id=cluster_id, region=region)

    return AsyncPassword(fetch)


def iam_token(credentials: AwsCredentials, *, username: str, cluster_id: str, region: str) -> str:
    """Return a password for an IAM-authenticated user, valid for new connections for 15 minutes.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html: a presigned request to connect.
    """
    query = signed_query(
        {"Action": "connect", "User": username},
        host=cluster_id,
        expires_seconds=TOKEN_SECONDS,
        credentials=credentials,
        scope=Scope("elasticache", region, datetime.now(UTC)),
    )
    return f"{cluster_id}/?{query}"
