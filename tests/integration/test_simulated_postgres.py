"""The simulated PostgreSQL answers the catalog's statements as the real one does, and has the same rows."""

import asyncio
import random
from collections.abc import Awaitable, Mapping
from typing import Any

from processor.adapters.catalog import PostgresCatalog
from processor.adapters.postgres import Database, Login
from processor.errors import CatalogRefusedError
from processor.fold import Change, fold
from processor.ports import PendingInvalidation
from processor.product import COLUMNS, REGISTERS
from processor.updates import Update, decode
from reliability.history import REFUSED_INVENTORY
from tests.support.events import record
from tests.support.real_servers import Services
from tests.support.simulated_place import RIGHT, Place

OPERATIONS = 60
# `processor.reader` reads so.
READ = f"SELECT {', '.join(COLUMNS)} FROM products WHERE product_id = $1"  # noqa: S608 our own columns
PRODUCTS = ("a", "b", "B", "\u00e4", "a:lease")
PROCESSES = ("one", "other")


async def noted(work: Awaitable[Any]) -> object:
    try:
        return await work
    except CatalogRefusedError as refused:
        return str(refused)


def changes(chance: random.Random, *, together: bool) -> list[Change]:
    """Return changes as a batch has them: one per product, or one per update; the table refuses some."""
    updates = []
    for _ in range(chance.randint(1, 5)):
        content: dict[str, Any] = {
            "product_id": chance.choice(PRODUCTS),
            "event_time": f"2026-01-{chance.randint(1, 4):02d}T00:00:00Z",
        }
        if chance.random() < 0.6:
            content["inventory"] = chance.choice((0, 7, 2_147_483_647, 8, REFUSED_INVENTORY))
        if chance.random() < 0.5:
            content["price"] = chance.choice((0, "7.5", "99999999.99"))
        if chance.random() < 0.3 or len(content) == 2:
            content["discontinued"] = chance.random() < 0.5
        decoded = decode(record(content, chance.randrange(20)))
        assert isinstance(decoded, Update), decoded
        updates.append(decoded)
    if together:
        return fold(updates).changes
    return [fold([one]).changes[0] for one in sorted(updates, key=lambda one: one.product_id)]


class Work:
    """Drawn operations of two processes; each returns what both servers must: no id, for example."""

    def __init__(self, seed: int, databases: Mapping[str, Database]) -> None:
        self._chance = random.Random(seed)
        self._catalogs = [PostgresCatalog(databases[name], process_id=name) for name in PROCESSES]
        self._read: list[PendingInvalidation] = []

    async def upsert(self, catalog: PostgresCatalog) -> object:
        return await noted(catalog.upsert(changes(self._chance, together=True)))

    async def upsert_one_by_one(self, catalog: PostgresCatalog) -> object:
        return await noted(catalog.upsert_one_by_one(changes(self._chance, together=False)))

    async def compare(self, catalog: PostgresCatalog) -> object:
        return await noted(catalog.outdated(changes(self._chance, together=True)))

    async def add(self, catalog: PostgresCatalog) -> None:
        await catalog.add_pending_invalidations(self._chance.sample(PRODUCTS, self._chance.randint(1, 3)))

    async def read(self, catalog: PostgresCatalog) -> object:
        limit, after = self._chance.randint(1, 4), self._chance.choice(("", "a"))
        found = await catalog.pending_invalidations(limit, after=after)
        self._read = found or self._read
        return found and [entry.product_id for entry in found]

    async def remove(self, catalog: PostgresCatalog) -> object:
        return await catalog.remove_pending_invalidations(self._read) if self._read else None

    async def end(self, catalog: PostgresCatalog) -> None:
        await catalog.end_drain()

    async def expire(self, catalog: PostgresCatalog) -> object:
        return await catalog.remove_expired_pending_invalidations(self._chance.choice((1_000, -1)))

    async def mark(self, catalog: PostgresCatalog) -> object:
        return await catalog.mark_attempt(record(b"", self._chance.randrange(3)))

    async def clear(self, catalog: PostgresCatalog) -> None:
        await catalog.clear_attempts(record(b"", self._chance.randrange(3)))

    async def take_back(self, catalog: PostgresCatalog) -> None:
        await catalog.take_back_marks()

    async def do(self) -> list[tuple[str, object]]:
        """Return the operations and what they returned."""
        writes = (self.upsert, self.upsert, self.upsert_one_by_one, self.compare)
        pending = (self.add, self.add, self.read, self.read, self.remove, self.end, self.expire)
        marks = (self.mark, self.clear, self.take_back)
        done = []
        for _ in range(OPERATIONS):
            operation = self._chance.choice(self._chance.choice((writes, writes, pending, marks)))
            done.append((operation.__name__, await operation(self._chance.choice(self._catalogs))))
        return done


async def everything(
    seed: int, databases: Mapping[str, Database]
) -> tuple[list[tuple[str, object]], dict[str, tuple[object, ...]]]:
    """Return what the operations return, and what a reader finds then."""
    done = await Work(seed, databases).do()
    found = {}
    for product in PRODUCTS:
        row = await databases["one"].run(
            lambda connection, product=product: connection.fetchrow(READ, product)  # type: ignore[misc]
        )
        if row is not None:
            found[product] = tuple(row.values())
    return done, found


async def simulated_login() -> Login:
    return Login(host="postgres", port=5432, database="catalog", user="writer", password=RIGHT)


def in_simulation(seed: int) -> tuple[Any, dict[str, dict[str, str]]]:
    """Return what the operations return in a simulated world, and the versions in its rows."""
    place = Place()

    async def work() -> object:
        databases = {name: Database(simulated_login, None, 2) for name in PROCESSES}
        try:
            return await everything(seed, databases)
        finally:
            for database in databases.values():
                database.terminate()

    found = place.run(work(), seconds=600.0)
    return found, {name: row.versions for name, row in place.tables.products.items()}


async def test_both_answer_alike_and_end_with_the_same_rows(services: Services) -> None:
    await services.database.execute(
        f"ALTER TABLE products ADD CONSTRAINT not_the_beast CHECK (inventory <> {REFUSED_INVENTORY})"
    )
    databases = {name: Database(services.administrator, None, 2) for name in PROCESSES}
    for seed in range(30):
        await services.database.execute(
            "TRUNCATE products, pending_invalidation, processing_attempt;"
            "UPDATE invalidation_drain SET held_by = '', held_until = '-infinity'"
        )
        real = await everything(seed, databases)
        (done, read), versions = await asyncio.to_thread(in_simulation, seed)
        for number, both in enumerate(zip(done, real[0], strict=True)):
            assert both[0] == both[1], (seed, number)
        assert read == real[1]
        stored = await services.database.fetch("SELECT * FROM products")
        assert versions == {
            row["product_id"]: {
                name: row[f"{name}_version"] for name in REGISTERS if row[f"{name}_version"] is not None
            }
            for row in stored
        }
    for database in databases.values():
        database.terminate()
