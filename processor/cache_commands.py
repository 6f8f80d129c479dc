"""Readers' commands to the cache: one that is silent, slow or gone keeps nobody from the database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from processor.background import Background
from processor.patience import Limits, Patience

if TYPE_CHECKING:
    from redis.asyncio import Redis

CACHE_TIMEOUT_SECONDS = 0.3
# Who has others in front for so long leaves the cache to them.
TURN_TIMEOUT_SECONDS = 0.1
# How long a cache that was silent is left alone, but for one command each time this is over.
SILENCE_SECONDS = 0.5
# A cache that is near needs no more, and the logins of more at once might take longer than a command may.
_FIRST_TURNS = 16
# Enough for 600 commands a second to a cache that takes 0.1 s for each.
CACHE_COMMANDS_AT_ONCE = 64

NO_ANSWER = object()
# What the cache holds is not what the command is for.
NO_USE = b""
# The latter two: writing to a connection that was reset, https://github.com/python/cpython/issues/136234.
_CLOSED = (RedisConnectionError, AttributeError, TypeError)


class CacheCommands:
    """Sends commands, so many at once, and none for a moment to a cache that was silent.

    They begin with a few at once, and are one more whenever somebody has left before its turn.
    A command that was begun is done to the end, within a limit of its own, whoever stops waiting for it:
    otherwise, its connection would have to be dropped.
    """

    def __init__(self, redis: "Redis", background: Background) -> None:
        # redis-py's default pool raises at its limit instead of waiting.
        self._pool = redis.connection_pool
        self._most_turns = min(redis.connection_pool.max_connections, CACHE_COMMANDS_AT_ONCE)
        self._begin_with_few()
        self._background = background
        self._limits = Limits()
        self._answers = 0
        self._silent = False
        self._ask_again_at = 0.0

    async def begin(
        self, command: Callable[[], Awaitable[Any]], patience: Patience
    ) -> "asyncio.Task[Any] | None":
        """The command, begun; None if it was not, and never will be."""
        if self._is_left_alone():
            return None
        turns = self._turns
        try:
            async with self._limits.within(patience), self._limits.within(Patience(TURN_TIMEOUT_SECONDS)):
                await turns.acquire()
        except TimeoutError:
            if self._more_turns > 0:
                self._more_turns -= 1
                self._turns.release()
            return None
        if self._is_left_alone():  # since this began to wait
            turns.release()
            return None
        if self._silent:
            self._leave_alone()  # but for this one
        return self._background.start(self._run(command, turns))

    async def answer(self, begun: "asyncio.Task[Any] | None", patience: Patience) -> Any:
        """The command's reply, `NO_USE` or `NO_ANSWER`."""
        if begun is None:
            return NO_ANSWER
        try:
            async with self._limits.within(patience):
                return await asyncio.shield(begun)
        except TimeoutError:
            return NO_ANSWER

    async def _run(self, command: Callable[[], Awaitable[Any]], turns: asyncio.Semaphore) -> Any:
        answers = self._answers
        try:
            async with self._limits.within(Patience(CACHE_TIMEOUT_SECONDS)):
                reply = await _twice_if_closed(command)
        except UnicodeDecodeError:
            reply = NO_USE
        except (TimeoutError, RedisTimeoutError):
            # Where others were answered meanwhile, it is one connection that is dead.
            if self._answers == answers:
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
        self._answers += 1
        self._silent = False
        return reply

    async def _drop_idle(self) -> None:
        """Idle connections may be as dead: the next command gets a new one, not each of them in turn."""
        with suppress(RedisError, OSError):
            await self._pool.disconnect(inuse_connections=False)

    def _begin_with_few(self) -> None:
        few = min(_FIRST_TURNS, self._most_turns)
        self._turns = asyncio.Semaphore(few)
        self._more_turns = self._most_turns - few

    def _is_left_alone(self) -> bool:
        return self._silent and asyncio.get_running_loop().time() < self._ask_again_at

    def _leave_alone(self) -> None:
        self._ask_again_at = asyncio.get_running_loop().time() + SILENCE_SECONDS


async def _twice_if_closed(command: Callable[[], Awaitable[Any]]) -> Any:
    """The reply; asked for again where redis-py handed out a closed connection, as it does under RESP3."""
    try:
        return await command()
    except _CLOSED as error:
        if isinstance(error, RedisConnectionError) and type(error) is not RedisConnectionError:
            raise  # a login that fails, for one
    return await command()
