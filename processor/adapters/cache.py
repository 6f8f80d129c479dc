"""The shop's cache in Redis or Valkey."""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ReadOnlyError, RedisError

from processor.errors import CacheUnavailable
from processor.product import lease_key, value_key

SOCKET_TIMEOUT_SECONDS: Final = 0.3
# A batch of 10,000 products takes a few milliseconds; what takes this long is no cache.
INVALIDATION_TIMEOUT_SECONDS: Final = 1.5
_PRODUCTS_A_COMMAND: Final = 500  # two keys each: at most 1,000 keys block the server at once


def redis_client(*, host: str, port: int, tls: bool, login: CredentialProvider | None) -> Redis:
    """A client that gives up soon: redis-py's own defaults hang on a stalled server for over 20 s."""
    return Redis(
        host=host,
        port=port,
        ssl=tls,
        credential_provider=login,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
        protocol=2,  # nothing here needs the third, and every connection is a round trip sooner ready
        driver_info=None,
    )


class RedisCache:
    """See `ports.Cache`."""

    def __init__(self, client: "Redis") -> None:
        self._client = client

    async def invalidate(
        self, product_ids: Sequence[str], *, within_seconds: float = INVALIDATION_TIMEOUT_SECONDS
    ) -> None:
        """See `ports.Cache`."""
        try:
            async with asyncio.timeout(within_seconds):
                try:
                    await self._unlink(product_ids)
                except ReadOnlyError:
                    # This connection leads to what was the primary before a failover.
                    await self._client.connection_pool.disconnect(inuse_connections=True)
                    await self._unlink(product_ids)
        except (RedisError, OSError) as error:
            raise CacheUnavailable(f"cache: {type(error).__name__}: {error}") from error

    async def _unlink(self, product_ids: Sequence[str]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(product_ids), _PRODUCTS_A_COMMAND):
                some = product_ids[start : start + _PRODUCTS_A_COMMAND]
                pipeline.unlink(*map(value_key, some), *map(lease_key, some))
            await pipeline.execute()
