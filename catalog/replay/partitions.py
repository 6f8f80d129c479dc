"""Folds and rows on disk, in files by product, so that each part fits into memory."""

import marshal
import os
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from catalog.replay.sources import Source
from catalog.replay.workers import Plan, Worker, batches
from processor.archive_replay import ObjectFolder, ReplayReport
from processor.fold import Change, Folding

# 20 million products are 160,000 in each, some 150 MB in the process that compares them.
PARTITIONS = 128


def partition_of(product_id: str) -> int:
    """Return the number of the partition of a product."""
    return zlib.crc32(product_id.encode()) % PARTITIONS


def spill(folder: Path, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add rows, whose first value is the product, to their partitions' files of this name."""
    parts: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        parts.setdefault(partition_of(row[0]), []).append(row)
    for number, part in parts.items():
        with (folder / f"{number:03d}.{name}").open("ab") as file:
            marshal.dump(part, file)


def spilled(folder: Path, number: int, kind: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a partition, some at a time, from all files whose name begins with `kind`."""
    for path in sorted(folder.glob(f"{number:03d}.{kind}*")):
        with path.open("rb") as file:
            while True:
                try:
                    yield marshal.load(file)  # noqa: S302 files that this run has written
                except EOFError:
                    break


def folded(folder: Path, number: int) -> Folding:
    """Return the fold of all the archive's updates of a partition's products."""
    folding = Folding()
    for part in spilled(folder, number, "fold"):
        folding.merge(Change(*row) for row in part)
    return folding


def spill_folder(worker: Worker) -> Path:
    """Return where the worker keeps folds."""
    if worker.plan.spill is None:
        raise ValueError("the plan has no folder for folds")
    return worker.plan.spill


async def keys_of(source: Source, plan: Plan) -> AsyncIterator[list[str]]:
    """Yield the keys of each task: objects that may hold lines of the plan's selection."""
    async for batch in batches(source, plan):
        yield [found.key for found in batch]


async def fold_objects(worker: Worker, keys: list[str]) -> ReplayReport:
    """Fold objects into the partitions' files: a worker's task."""
    report, folder = ReplayReport(), spill_folder(worker)

    async def write(changes: list[Change]) -> None:
        # A file of its own: two processes must not write to one file at the same time.
        spill(folder, f"fold-{os.getpid()}", [(change.product_id, tuple(change.row)) for change in changes])

    await ObjectFolder(await worker.source(), worker.plan.selection, report, write).run(keys)
    return report
