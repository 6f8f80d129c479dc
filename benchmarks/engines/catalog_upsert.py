"""Ours, the database's part: the processor's upsert, one statement a chunk, or two at the same time."""

import asyncio
from typing import Any

from benchmarks.engine import Addresses, Engine
from benchmarks.rows import Changes, prepared
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.postgres import Database, Login


class CatalogUpsert(Engine):
    """`PostgresCatalog.upsert`, with its pool, its time limits and its reactions to errors."""

    name = "catalog_upsert"

    def open(self, addresses: Addresses) -> None:
        address = addresses.postgres
        login = Login(
            host=address.host,
            port=address.port,
            database=address.database,
            user=address.user,
            password=address.password,
        )

        async def source() -> Login:
            return login

        self._runner = asyncio.Runner()
        self._database = Database(source, None, 2)
        self._catalog = PostgresCatalog(self._database, process_id="benchmark")

    def prepare(self, event: dict[str, Any]) -> Changes:
        return prepared(event)

    def run(self, prepared: Changes) -> int:
        self._runner.run(self._catalog.upsert(prepared, within_seconds=60.0))
        return len(prepared)

    def close(self) -> None:
        self._database.terminate()
        self._runner.close()
