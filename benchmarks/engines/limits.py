"""What no client can beat: the same rows with the least work, and decoding with the least checks.

They are engines like the others, so that they run in the same way and in the same run.
"""

import asyncio
import binascii
import io
from typing import Any

import asyncpg
import msgspec
import psycopg

from benchmarks.engine import Addresses, Engine
from benchmarks.engines.unnest_chunks import FROM_ARRAYS, arrays, blind_upsert
from benchmarks.rows import TYPES, Changes, prepared, rows
from processor.adapters.upsert import COLUMNS, FROM_TEXTS, columns


class CopyLimit(Engine):
    """COPY of ready bytes into a table without an index or a constraint: the rows' way to the disk."""

    name = "limit_copy"

    def open(self, addresses: Addresses) -> None:
        self._connection = psycopg.connect(addresses.postgres.dsn, autocommit=True)
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, TYPES, strict=True))
        self._connection.execute(f"CREATE TABLE copied ({columns})")

    def prepare(self, event: dict[str, Any]) -> tuple[bytes, int]:
        changes = prepared(event)
        text = io.StringIO()
        for row in rows(changes):
            text.write("\t".join("\\N" if value is None else str(value) for value in row) + "\n")
        return text.getvalue().encode(), len(changes)

    def run(self, prepared: tuple[bytes, int]) -> int:
        data, count = prepared
        with self._connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write(data)
        return count

    def close(self) -> None:
        self._connection.close()


class BareUnnest(Engine):
    """One upsert of ready arrays that compares no versions, by the driver we use."""

    name = "limit_bare_unnest"
    statement = blind_upsert(FROM_ARRAYS)

    def open(self, addresses: Addresses) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(addresses.postgres.dsn))

    def prepare(self, event: dict[str, Any]) -> tuple[list[Any], int]:
        changes = prepared(event)
        return self.parameters(changes), len(changes)

    def parameters(self, changes: Changes) -> list[Any]:
        """Return what the statement takes."""
        return arrays(changes)

    def run(self, prepared: tuple[list[Any], int]) -> int:
        parameters, count = prepared
        self._runner.run(self._connection.execute(self.statement, *parameters))
        return count

    def close(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()


class BareTexts(BareUnnest):
    """The same with the values as ours sends them: a ready text per column."""

    name = "limit_bare_texts"
    statement = blind_upsert(FROM_TEXTS)

    def parameters(self, changes: Changes) -> list[Any]:
        return columns(changes)


class _Update(msgspec.Struct):
    product_id: str
    event_time: str
    inventory: int | None = None
    price: msgspec.Raw = msgspec.Raw(b"null")


class DecodeLimit(Engine):
    """Base64 and a typed decode of each record; the price stays as it was sent, nothing is checked."""

    name = "limit_decode"

    def open(self, addresses: Addresses) -> None:
        self._decode = msgspec.json.Decoder(_Update).decode

    def run(self, prepared: dict[str, Any]) -> int:
        decode, from_base64 = self._decode, binascii.a2b_base64
        updates = [decode(from_base64(record["kinesis"]["data"])) for record in prepared["Records"]]
        return len(updates)

    def close(self) -> None:
        """Nothing is open."""
