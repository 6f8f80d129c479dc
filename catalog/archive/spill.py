"""A DuckDB database on disk for one command's work: it holds more than memory does, and goes away with it.

DuckDB keeps to `memory_limit` and writes what does not fit beside the database. It reads no file but ours and
loads no extension, whatever a query says.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog.errors import CatalogError

if TYPE_CHECKING:
    import duckdb

MEMORY = "512MB"
_BUFFERED_BYTES = 8 * 1024 * 1024


class Spill:
    """The database, and a way to put many rows into it quickly; `folder`: its own."""

    def __init__(self, folder: Path, connection: "duckdb.DuckDBPyConnection") -> None:
        self.folder = folder
        self.connection = connection
        self._buffers: dict[str, list[bytes]] = {}
        self._bytes: dict[str, int] = {}

    def add(self, table: str, row: bytes) -> None:
        """Add a row, as a line of CSV whose values need no quotes."""
        self._buffers.setdefault(table, []).append(row)
        self._bytes[table] = self._bytes.get(table, 0) + len(row)
        if self._bytes[table] >= _BUFFERED_BYTES:
            self.flush(table)

    def flush(self, *tables: str) -> None:
        """Put what was added into the tables."""
        for table in tables:
            rows = self._buffers.pop(table, [])
            self._bytes[table] = 0
            if not rows:
                continue
            file = self.folder / f"{table}.csv"
            file.write_bytes(b"\n".join(rows) + b"\n")
            self.connection.execute(
                f"COPY {table} FROM '{file}' (FORMAT csv, HEADER false, AUTO_DETECT false)"
            )
            file.unlink()

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """Yield a query's rows, a few thousand in memory at a time."""
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(2_000):
            yield from rows


@contextmanager
def open_spill(beside: Path | None = None, readable: Sequence[Path] = ()) -> Iterator[Spill]:
    """Open a database in a new folder; `readable`: folders whose files queries may read, too."""
    import duckdb  # slow to import

    with tempfile.TemporaryDirectory(prefix="catalog-", dir=beside, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        connection = duckdb.connect(
            str(folder / "work.duckdb"),
            config={
                "memory_limit": MEMORY,
                "temp_directory": str(folder),
                "max_temp_directory_size": f"{shutil.disk_usage(folder).free * 9 // 10}B",
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET allowed_directories = ?", [[str(each) for each in (folder, *readable)]])
            connection.execute("SET enable_external_access = false")
            yield Spill(folder, connection)
        except duckdb.Error as error:
            raise CatalogError(f"DuckDB: {str(error).strip().splitlines()[0]}") from error
        finally:
            connection.close()
