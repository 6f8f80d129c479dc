"""Trouble for a kept run: what can be stopped, cut or changed under it, and how it is.

    .venv/bin/python -m local trouble stop-cache

The console page's switches ask for the same.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg

from local.demo.control import WORDS
from local.demo.kept_state import KeptRunError
from local.demo.pipeline import Pipeline, migrate
from local.emulated_aws.account import APPLICATION_ROLE
from local.emulated_aws.event_source_mapping import FunctionError
from local.servers import Server, ServerError

_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1"
_CONNECT_SECONDS = 5.0


class Trouble:
    """The running parts of a kept run. A cut network is silent: connections stay open and get no answer."""

    def __init__(self, pipeline: Pipeline, on_log: Callable[[str], None]) -> None:
        self._pipeline = pipeline
        self._on_log = on_log
        self._servers: dict[str, Server] = {
            "cache": pipeline.servers.valkey,
            "database": pipeline.servers.postgres,
        }
        self._is_cut = False
        self._one_at_a_time = asyncio.Lock()
        self._actions: dict[str, Callable[[], Awaitable[None]]] = {
            "stop-cache": lambda: self._stop("cache"),
            "start-cache": lambda: self._start("cache"),
            "stop-database": lambda: self._stop("database"),
            "start-database": lambda: self._start("database"),
            "cut-network": self._cut,
            "heal-network": self._heal,
            "rotate-password": self._rotate,
            "fail-after-60s": lambda: self._fail_after(60),
            "fail-after-24h": lambda: self._fail_after(24 * 60 * 60),
        }

    async def answer(self, word: str) -> Mapping[str, Any]:
        """Do what a word says, and return how all is then; `state`: only that. Raises: KeptRunError."""
        if word != "state":
            action = self._actions.get(word)
            if action is None:
                raise KeptRunError(f"no such word: {word!r}; accepted: {', '.join(WORDS)}")
            async with self._one_at_a_time:
                try:
                    await action()
                except (ServerError, FunctionError, asyncpg.PostgresError, OSError) as error:
                    raise KeptRunError(f"{word}: {error or 'no answer'}") from error
        return self._state()

    def _state(self) -> Mapping[str, Any]:
        progress = self._pipeline.mapping.progress
        return {
            **{name: "running" if server.is_running else "stopped" for name, server in self._servers.items()},
            "network": "cut" if self._is_cut else "whole",
            "fails_after_seconds": self._pipeline.mapping.settings.maximum_record_age_in_seconds,
            "iterator_age_ms": progress.iterator_age_ms,
            "function_errors": progress.function_errors,
            "reported_failures": progress.reported_failures,
        }

    async def _stop(self, name: str) -> None:
        await asyncio.to_thread(self._servers[name].stop)

    async def _start(self, name: str) -> None:
        self._refuse_if_cut()
        if not self._servers[name].is_running:
            await asyncio.to_thread(self._servers[name].start)

    async def _cut(self) -> None:
        self._is_cut = True
        for server in self._servers.values():
            if server.is_running:
                await asyncio.to_thread(server.pause)

    async def _heal(self) -> None:
        for server in self._servers.values():
            if server.is_running:
                await asyncio.to_thread(server.resume)
        self._is_cut = False

    async def _rotate(self) -> None:
        """Give the processor's role another password as a deploy does, and end its sessions.

        Those keep their old login otherwise, and nothing would be seen.
        """
        self._refuse_if_cut()
        account, dsn = self._pipeline.account, self._pipeline.servers.postgres.address.dsn
        administration = await asyncpg.connect(dsn, ssl=False, timeout=_CONNECT_SECONDS)
        try:
            login = {"username": APPLICATION_ROLE, "password": secrets.token_urlsafe(24)}
            await account.secrets.put_secret_value(
                SecretId=account.variables["DB_SECRET_ARN"], SecretString=json.dumps(login)
            )
            await migrate(account.variables, self._on_log)
            await administration.execute(_END_SESSIONS, APPLICATION_ROLE)
        finally:
            await administration.close()

    async def _fail_after(self, seconds: int) -> None:
        """Let Lambda give up on records that are older, as the mapping's maximum record age says."""
        self._pipeline.mapping.update(maximum_record_age_in_seconds=seconds)

    def _refuse_if_cut(self) -> None:
        if self._is_cut:
            raise KeptRunError("the network is cut: heal-network first")
