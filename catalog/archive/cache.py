"""Archive objects on this machine, as Parquet files that SQL reads: immutable, bounded, removed by age.

A day's objects are in a few files of its folder. A file's name is a hash of its objects' keys and of S3's
hashes of their contents, which another file beside it lists. A file is useless once the archive lacks one of
them, or has it with another content; a day with many small files is read again as a whole.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from catalog.archive.lines import LARGEST_OBJECT_BYTES, MOST_DAMAGED_LINES, DamageError, Unpacked, read_line
from catalog.archive.rows import COLUMNS, LARGEST_ROW_BYTES, row_of, unreadable_row
from catalog.archive.spill import Spill
from catalog.archive.verify import Scope
from catalog.connections import Connections
from catalog.errors import UsageError
from catalog.objects import list_keys, parse_key, read_objects
from processor.s3_objects import ARCHIVE_PREFIX

_MOST_FILES_PER_DAY = 8
_BUFFERED_BYTES = 64 * 1024 * 1024
_KEPT_SECONDS = 14 * 24 * 60 * 60
_MOST_CACHED_BYTES = 20 * 1024**3
# Part of the folder's name: files of another form are not found, and removed by age.
_FORM = hashlib.sha256(json.dumps({"damaged": "counted", **COLUMNS}).encode()).hexdigest()[:8]
_TYPES = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
_GB = 1024**3

Progress = Callable[[int], None]
Member = tuple[str, str]
"""An object's key, and S3's hash of its content (ETag)."""


@dataclass(frozen=True, slots=True)
class Cached:
    """The files that hold the chosen objects; `damaged`: of how many objects not every line could be read."""

    files: list[Path]
    damaged: int


def cache_folder() -> Path:
    """Return the folder of all environments' files, of which only this user may read."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base).expanduser() / "product-catalog" / "archive"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


async def download(
    connections: Connections, scope: Scope, spill: Spill, *, most_gb: float, progress: Progress
) -> Cached:
    """Bring the chosen days' objects, of every shard, to this machine, unless they are here.

    Raises: UsageError if more than `most_gb` would have to be read.
    """
    root = cache_folder()
    _remove_old(root)
    folder = root / f"{connections.environment.archive_bucket}-{_FORM}"
    files: list[Path] = []
    missing: dict[date, dict[Member, int]] = {}
    damaged = 0
    for day, members in (await _listed(connections, scope)).items():
        here = _usable(folder / day.isoformat(), members)
        files += here
        for file in here:
            damaged += _damaged_of(file)
            for member in _members_of(file):
                members.pop(member, None)
        if members:
            missing[day] = members
    size = sum(sum(members.values()) for members in missing.values())
    if size > most_gb * _GB:
        raise UsageError(
            f"{size / _GB:,.3g} GB of objects would be read, and --max-gb is {most_gb:g}: choose days with "
            "--from and --to, raise --max-gb, or ask Athena (--athena)"
        )
    for day, members in missing.items():
        writer = _Writer(spill, folder / day.isoformat(), day)
        damaged += await _convert(connections, list(members), writer, progress)
        files += writer.files
    return Cached(files, damaged)


async def _listed(connections: Connections, scope: Scope) -> dict[date, dict[Member, int]]:
    """Return the chosen objects and their sizes by day."""
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    by_day: dict[date, dict[Member, int]] = {}
    for prefix in scope.prefixes(ARCHIVE_PREFIX):
        async for found in list_keys(s3, bucket, prefix):
            name = parse_key(found["Key"])
            if name is not None and found["Size"] <= LARGEST_OBJECT_BYTES:
                by_day.setdefault(name.day, {})[found["Key"], found["ETag"]] = found["Size"]
    return by_day


async def _convert(
    connections: Connections, members: Sequence[Member], writer: "_Writer", progress: Progress
) -> int:
    s3: Any = await connections.aws("s3")
    bucket, hashes, damaged = connections.environment.archive_bucket, dict(members), 0
    async for key, body in read_objects(s3, bucket, list(hashes), unpacked=False):
        damaged += not writer.add(key, hashes[key], body)
        progress(1)
    writer.close()
    return damaged


class _Writer:
    """Writes a day's rows into Parquet files of a bounded size."""

    def __init__(self, spill: Spill, folder: Path, day: date) -> None:
        self.files: list[Path] = []
        self._spill, self._folder, self._day = spill, folder, day
        self._members: list[Member] = []
        self._rows: list[bytes] = []
        self._bytes = 0
        self._damaged = 0
        self._part = spill.folder / "rows.ndjson"

    def add(self, key: str, etag: str, body: bytes) -> bool:
        """Add an object; return whether every line could be read."""
        is_whole, damaged = True, 0
        try:
            for number, line in enumerate(Unpacked(body), 1):
                try:
                    row = row_of(self._day, key, number, read_line(line))
                except DamageError:
                    row, damaged = unreadable_row(self._day, key, number, line), damaged + 1
                    if damaged == MOST_DAMAGED_LINES:
                        break
                self._rows.append(row)
                self._bytes += len(row)
                if self._bytes >= _BUFFERED_BYTES:
                    self._flush()
        except DamageError:
            is_whole = False
        self._members.append((key, etag))
        self._damaged += not is_whole or damaged > 0
        if self._part.exists():
            self.close()
        return is_whole and not damaged

    def close(self) -> None:
        """Write the file of what was added since the last one."""
        self._flush()
        if not self._members or not self._part.exists():
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = json.dumps(sorted(self._members))
        file = self._folder / f"{hashlib.sha256(names.encode()).hexdigest()[:32]}.parquet"
        written = self._spill.folder / "rows.parquet"
        # Names of ours only.
        self._spill.connection.execute(
            f"COPY (SELECT * FROM read_json('{self._part}', columns = {{{_TYPES}}}, "  # noqa: S608
            f"format = 'newline_delimited', maximum_object_size = {LARGEST_ROW_BYTES})) "
            f"TO '{written}' (FORMAT parquet, COMPRESSION zstd)"
        )
        file.with_suffix(".json").write_text(
            json.dumps({"members": sorted(self._members), "damaged": self._damaged})
        )
        # Another process may write the same file at the same time: whichever is last, it is complete.
        ours = file.with_suffix(f".{os.getpid()}")
        shutil.move(written, ours)
        ours.replace(file)
        self._part.unlink()
        self._members, self._damaged = [], 0
        self.files.append(file)

    def _flush(self) -> None:
        if self._rows:
            with self._part.open("ab") as part:
                part.write(b"\n".join(self._rows) + b"\n")
        self._rows, self._bytes = [], 0


def _usable(folder: Path, wanted: dict[Member, int]) -> list[Path]:
    """Return files of a day all of whose objects are wanted, none of them twice; mark them as used now."""
    files, left = [], set(wanted)
    for file in sorted(folder.glob("*.parquet")):
        members = set(_members_of(file))
        if members <= left:
            files.append(file)
            left -= members
    if len(files) > _MOST_FILES_PER_DAY:
        shutil.rmtree(folder, ignore_errors=True)
        return []
    for file in files:
        os.utime(file)
    return files


def _members_of(file: Path) -> list[Member]:
    try:
        return [(key, etag) for key, etag in json.loads(file.with_suffix(".json").read_text())["members"]]
    except (OSError, ValueError, TypeError, KeyError):
        return [("", "")]


def _damaged_of(file: Path) -> int:
    """Return of how many of a file's objects not every line could be read."""
    return int(json.loads(file.with_suffix(".json").read_text())["damaged"])


def _remove_old(root: Path) -> None:
    """Remove what was not used for two weeks, and the oldest while there is too much."""
    files = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in root.glob("*/*/*.parquet"))
    total = sum(size for _, size, _ in files)
    for used, size, file in files:
        if used >= time.time() - _KEPT_SECONDS and total <= _MOST_CACHED_BYTES:
            break
        file.unlink(missing_ok=True)
        file.with_suffix(".json").unlink(missing_ok=True)
        total -= size
