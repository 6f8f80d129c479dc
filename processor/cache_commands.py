"""Readers' commands to the cache: a silent, slow or missing cache does not keep them from the database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from processor.background_tasks import Background
from processor.time_limits import TimeBudget, TimeLimits

if TYPE_CHECKING:
    from redis.asyncio import Redis

CACHE_TIMEOUT_SECONDS = 0.3
# A reader that waits longer for its turn goes to the database and leaves the cache to the others.
TURN_TIMEOUT_SECONDS = 0.1
# How long a silent cache gets no commands. After each such pause one command tries it.
SILENCE_SECONDS = 0.5
# A cache that is near needs no more, and more concurrent logins might take longer than a command may.
_FIRST_TURNS = 16
# Concurrent commands: enough for 600 per second to a cache that takes 0.1 s for each.
MAX_CACHE_COMMANDS = 64

NO_ANSWER = object()
# The cache holds something that the command cannot read.
NO_USE = b""
# The last two: writing to a connection that was reset, https://github.com/python/cpython/issues/136234.
_CLOSED = (RedisConnectionError, AttributeError, TypeError)


class CacheCommands:
    """Sends a limited number of concurrent commands, and none for a moment to a cache that was silent.

    The limit begins low and rises by one whenever a reader has given up waiting for its turn. A command that
    was begun runs to its end, within its own time limit, even if the reader stops waiting: otherwise its
    connection would have to be dropped.
    """

    def __init__(self, redis: "Redis", background: Background) -> None:
        # Not more than the pool's limit: redis-py's default pool raises there instead of waiting.
        self._pool = redis.connection_pool
        self._most_turns = min(redis.connection_pool.max_connections, MAX_CACHE_COMMANDS)
        self._begin_with_few()
        self._background = background
        self._limits = TimeLimits()
        self._replies = 0
        self._silent = False
        self._try_again_at = 0.0

    async def begin(
        self, command: Callable[[], Awaitable[Any]], budget: TimeBudget
    ) -> "asyncio.Task[Any] | None":
        """Begin the command and return its task; None if it was not begun and never will be."""
        if self._is_left_alone():
            return None
        turns = self._turns
        try:
            async with self._limits.within(budget), self._limits.within(TimeBudget(TURN_TIMEOUT_SECONDS)):
                await turns.acquire()
        except TimeoutError:
            if self._more_turns > 0:
                self._more_turns -= 1
                self._turns.release()
            return None
        if self._is_left_alone():  # the cache went silent during the wait
            turns.release()
            return None
        if self._silent:
            self._leave_alone()  # the others; this one tries
        return self._background.start(self._run(command, turns))

    async def reply(self, begun: "asyncio.Task[Any] | None", budget: TimeBudget) -> Any:
        """Return the command's reply, `NO_USE` or `NO_ANSWER`."""
        if begun is None:
            return NO_ANSWER
        try:
            async with self._limits.within(budget):
                return await asyncio.shield(begun)
        except TimeoutError:
            return NO_ANSWER

    async def _run(self, command: Callable[[], Awaitable[Any]], turns: asyncio.Semaphore) -> Any:
        replies = self._replies
        try:
            async with self._limits.within(TimeBudget(CACHE_TIMEOUT_SECONDS)):
                reply = await _twice_if_closed(command)
        except UnicodeDecodeError:
            reply = NO_USE
        except (TimeoutError, RedisTimeoutError):
            # If others were answered meanwhile, only this connection is dead.
            if self._replies == replies:
                self._silent = True
                self._leave_alone()
                self._begin_with_few()
                self._background.start(self._drop_idle())
            return NO_ANSWER
        except (RedisError, OSError, *_CLOSED) as error:
            if not isinstance(error, ResponseError) or not str(error).startswith("WRONGTYPE"):
                return NO_ANSWER
            reply = NO_USE
        finally:
            turns.release()
        self._replies += 1
        self._silent = False
        return reply

    async def _drop_idle(self) -> None:
        """Drop idle connections: they may be dead too, and the next commands would try each in turn."""
        with suppress(RedisError, OSError):
            await self._pool.disconnect(inuse_connections=False)

    def _begin_with_few(self) -> None:
        few = min(_FIRST_TURNS, self._most_turns)
        self._turns = asyncio.Semaphore(few)
        self._more_turns = self._most_turns - few

    def _is_left_alone(self) -> bool:
        return self._silent and asyncio.get_running_loop().time() < self._try_again_at

    def _leave_alone(self) -> None:
        self._try_again_at = asyncio.get_running_loop().time() + SILENCE_SECONDS


async def _twice_if_closed(command: Callable[[], Awaitable[Any]]) -> Any:
    """Return the reply; try again if redis-py handed out a closed connection, as it does with RESP3."""
    try:
        return await command()
    except _CLOSED as error:
        if isinstance(error, RedisConnectionError) and type(error) is not RedisConnectionError:
            raise  # for example, a login that failed
    return await command()
