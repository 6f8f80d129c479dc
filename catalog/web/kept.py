"""What the console may do to a kept local run: trouble for its servers, and records for its stream.

Servers are stopped and cut by the kept run itself, which is asked to (`local.demo.control`).
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from redis.exceptions import RedisError

from catalog.connections import Connections
from catalog.environment import kept_run
from catalog.errors import CatalogError, UsageError
from catalog.produce.bad_records import BAD
from catalog.produce.outgoing import NO_KEY, Outgoing
from catalog.produce.sending import Sender
from catalog.produce.simulation import Mix, batches, simulated
from catalog.web.live import Publish
from local.demo.control import WORDS, ask
from local.demo.kept_state import KeptRunError
from processor.reader import CatalogReader

RATE = 40
"""Records a second of the simulated suppliers."""

_READS_PER_SECOND = 25
_SECONDS = 24 * 3600
_PRODUCTS = 2_000
_SHUFFLED_PRODUCTS, _SHUFFLED_UPDATES = 25, 200
# As somebody would write them who hopes that a screen interprets them.
_HOSTILE = (
    b'{"product_id":"<img src=x onerror=alert(1)>","price":"<script>alert(1)</script>","supplier":"<b>"}',
    b'{"product_id":"escape","price":"\x1b[2J\x1b]0;owned\x07","supplier":"terminal"}',
    '{"product_id":"\u202egnp.tcudorp","inventory":1,"supplier":"bidi"}'.encode(),
    b"\x00\xff\xfe<svg onload=alert(1)>\r\n\x80",
)
_WAITING = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, RedisError)


class KeptRun:
    """The kept run of this machine, and the records that this console sends to it."""

    def __init__(self, connections: Connections, control: str | None, log: Path | None) -> None:
        self.log = log
        self.state: dict[str, Any] = {}
        self._connections = connections
        self._control = control
        self._traffic: list[asyncio.Task[None]] = []
        self._chance = random.Random()  # noqa: S311 not for secrets
        self._actions: dict[str, Callable[[], Awaitable[int | None]]] = {
            "start-traffic": self._start_traffic,
            "stop-traffic": self._stop_traffic,
            "poison": self._poison,
            "shuffle": self._shuffle,
        }

    @property
    def words(self) -> list[str]:
        """What `do` accepts."""
        return [*(WORDS if self._control else ()), *self._actions]

    @property
    def lag_seconds(self) -> float | None:
        """The age of the oldest record that is not done, as the mapping has it."""
        age_ms = self.state.get("iterator_age_ms")
        return None if age_ms is None else age_ms / 1000

    async def do(self, word: str) -> dict[str, Any]:
        """Do what a word says; return how everything is then. Raises: CatalogError."""
        if word not in self.words:
            raise UsageError(f"accepted: {', '.join(self.words)}")
        sent = None
        if word in self._actions:
            sent = await self._actions[word]()
        else:
            await self._ask(word)
        return self.document() | {"sent": sent}

    def document(self) -> dict[str, Any]:
        """Return how everything is."""
        return self.state | {"traffic": "running" if self._traffic else "stopped", "words": self.words}

    async def watch(self, publish: Publish) -> None:
        """Publish how the run is, each second; a source of `Live`."""
        before: Any = None
        while True:
            try:
                await self._ask("state")
            except CatalogError as error:
                publish("switches", {"error": str(error)})
                before = None
            else:
                now = self.document()
                switches = {name: value for name, value in now.items() if name != "iterator_age_ms"}
                if switches != before:
                    publish("switches", switches)
                    before = switches
            await asyncio.sleep(1)

    async def close(self) -> None:
        """End what sends records."""
        await self._stop_traffic()

    async def _ask(self, word: str) -> None:
        if self._control is None:
            return
        try:
            self.state = await ask(self._control, word)
        except KeptRunError as error:
            raise CatalogError(str(error)) from error

    async def _start_traffic(self) -> None:
        if not self._traffic:
            shown: list[str] = []
            self._traffic = [
                asyncio.create_task(self._again(lambda: self._supply(shown))),
                asyncio.create_task(self._again(lambda: self._shop(shown))),
            ]

    async def _stop_traffic(self) -> None:
        traffic, self._traffic = self._traffic, []
        for task in traffic:
            task.cancel()
        await asyncio.gather(*traffic, return_exceptions=True)

    @staticmethod
    async def _again(work: Callable[[], Awaitable[None]]) -> None:
        """Do it, and again after an outage."""
        while True:
            with suppress(*_WAITING, CatalogError):
                await work()
            await asyncio.sleep(1)

    async def _supply(self, shown: list[str]) -> None:
        """Send updates as suppliers do, and note the products for the shop."""
        mix = Mix(
            rate=RATE, seconds=_SECONDS, products=_PRODUCTS, seed=time.time_ns(), bad=0.01, late=0.05,
            duplicates=0.05, hot=1.0, steady=True,
        )  # fmt: skip

        async def records() -> AsyncIterator[Sequence[Outgoing]]:
            async for batch in batches(mix, datetime.now(UTC), mix.records):
                for record in batch:
                    yield [record]
                    shown.append(record.key)
                    del shown[:-_PRODUCTS]

        async for _ in (await self._sender()).send(records()):
            pass

    async def _shop(self, shown: Sequence[str]) -> None:
        """Read products as the shop does, so that some are cached."""
        reader = CatalogReader(await self._connections.database(), self._connections.cache())
        try:
            while True:
                if shown:
                    await reader.get(self._chance.choice(shown))
                await asyncio.sleep(1 / _READS_PER_SECOND)
        finally:
            await reader.aclose()

    async def _poison(self) -> int:
        """Send a record of each kind that suppliers get wrong, and hostile ones."""
        mix = Mix(
            rate=len(BAD), seconds=1, products=5, seed=time.time_ns(), bad=0, late=0, duplicates=0, hot=0,
            steady=True,
        )  # fmt: skip
        good = [json.loads(record.data) for record in simulated(mix, datetime.now(UTC))]
        made = [make(fields, self._chance) for fields, make in zip(good, BAD.values(), strict=True)]
        return await self._send([*made, *_HOSTILE])

    async def _shuffle(self) -> int:
        """Send updates of a few products two to four times each, in any order."""
        mix = Mix(
            rate=_SHUFFLED_UPDATES, seconds=1, products=_SHUFFLED_PRODUCTS, seed=time.time_ns(), bad=0,
            late=0.5, duplicates=0, hot=0, steady=True,
        )  # fmt: skip
        records = [
            record for record in simulated(mix, datetime.now(UTC)) for _ in range(self._chance.randint(2, 4))
        ]
        self._chance.shuffle(records)
        return await self._send([record.data for record in records], [record.key for record in records])

    async def _send(self, data: Sequence[bytes], keys: Sequence[str] = ()) -> int:
        records = [Outgoing(number, keys[number] if keys else NO_KEY, one) for number, one in enumerate(data)]

        async def all_at_once() -> AsyncIterator[Sequence[Outgoing]]:
            yield records

        sender = await self._sender()
        async for _ in sender.send(all_at_once()):
            pass
        return sender.sent

    async def _sender(self) -> Sender:
        environment = self._connections.environment
        return Sender(kinesis=await self._connections.aws("kinesis"), stream_name=environment.stream_name)


def find_kept_run(connections: Connections) -> KeptRun | None:
    """Return the kept run that an environment is of; None on AWS, where nothing may be changed."""
    if connections.environment.variables is None:
        return None
    known = kept_run() or {}
    log = known.get("log")
    return KeptRun(connections, known.get("control"), Path(log) if log else None)
