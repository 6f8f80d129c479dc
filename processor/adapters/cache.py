"""The shop's cache in Redis or Valkey."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from processor.cache_keys import lease_key, value_key
from processor.errors import CacheUnavailableError, reason_of
from processor.ports import INVALIDATION_SECONDS

# Connecting may take two thirds of the time, which leaves a third for the commands.
_CONNECT_SHARE = 2 / 3
_PRODUCTS_PER_COMMAND = 333  # three keys each; 1,000 keys block the server only briefly


class RedisCache:
    def __init__(self, client: Redis) -> None:
        self._client = client

    async def invalidate(
        self, product_ids: Sequence[str], *, within_seconds: float = INVALIDATION_SECONDS
    ) -> None:
        try:
            async with asyncio.timeout(within_seconds):
                async with asyncio.timeout(within_seconds * _CONNECT_SHARE):
                    await self._connect()
                await self._unlink(product_ids)
        except (RedisError, OSError) as error:
            raise CacheUnavailableError(f"cache: {reason_of(error)}") from error

    async def _connect(self) -> None:
        pool = self._client.connection_pool
        await pool.release(await pool.get_connection())  # type: ignore[no-untyped-call]

    async def _unlink(self, product_ids: Sequence[str]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(product_ids), _PRODUCTS_PER_COMMAND):
                some = product_ids[start : start + _PRODUCTS_PER_COMMAND]
                pipeline.unlink(*map(value_key, some), *map(lease_key, some), *map(_old_lease_key, some))
            await pipeline.execute()


def _old_lease_key(product_id: str) -> str:
    """Return where readers of the previous release take leases, which must not outlive an invalidation.

    The next release can drop this (ADR 15), when no such reader is left.
    """
    return f"{value_key(product_id)}:lease"
