"""A simulated world with a PostgreSQL and a Valkey in which nothing has failed yet."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg

from reliability.simulated.loop import SimulatedLoop
from reliability.simulated.network import Network
from reliability.simulated.postgres import Database
from reliability.simulated.postgres_catalog import Catalog
from reliability.simulated.redis import Cache
from reliability.simulated.world import World

RIGHT = "right"


class Place:
    """A world with the two servers; `RIGHT` is the writer's password."""

    def __init__(self) -> None:
        self.world = World(1)
        self.network = Network(self.world, lambda *_: False)
        catalog = Catalog(self.world)
        self.tables = catalog.tables
        self.database = catalog.server = Database(self.world, catalog.plan, {"writer": RIGHT})
        self.cache = Cache(self.world, "")
        self.postgres = self.network.host("postgres", self.database.accept)
        self._open: list[object] = []
        self.valkey = self.network.host("valkey", self.cache.accept)

    def process(self, work: Coroutine[Any, Any, Any], name: str = "process") -> "asyncio.Task[Any]":
        return SimulatedLoop(self.world, self.network, name).create_task(work)

    def run(self, work: Coroutine[Any, Any, Any], *, seconds: float = 60.0) -> Any:
        task = self.process(work)
        assert self.world.run(task.done, deadline=self.world.now + seconds)
        return task.result()

    async def connect(self, password: str = RIGHT) -> "asyncpg.Connection[asyncpg.Record]":
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            host="postgres", user="writer", password=password, database="catalog", ssl=False
        )
        self._open.append(connection)  # freed, it would complain
        return connection
