"""The reference's way with one connection to PostgreSQL that is kept."""

from typing import Any

import psycopg

from benchmarks.engine import Addresses
from benchmarks.engines.reference import UPSERT, Reference, row_of


class ReusedConnections(Reference):
    """As the reference, with the connection opened once."""

    name = "reused_connections"

    def open(self, addresses: Addresses) -> None:
        super().open(addresses)
        self._connection = psycopg.connect(self._dsn)

    def close(self) -> None:
        self._connection.close()
        super().close()

    def _upsert(self, data: dict[str, Any]) -> None:
        self._connection.execute(UPSERT, row_of(data))
        self._connection.commit()
