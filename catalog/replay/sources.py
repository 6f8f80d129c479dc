"""Where the archive's objects are: the bucket, or a folder with a copy of it."""

import os
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from catalog.errors import UsageError
from catalog.objects import FILE_NAME, READ_TRIES, Foreign, cut_off, list_keys, parse_key
from processor.adapters.archived_lines import verified_lines
from processor.adapters.s3 import S3Archive
from processor.archive_replay import Selection
from processor.errors import DamagedObjectError, DependencyError
from processor.ports import ArchivedObjects
from processor.s3_objects import ARCHIVE_PREFIX

_FILE_NAME = re.compile(FILE_NAME)
_DAY = re.compile(r"(?:^|/)dt=([0-9]{4}-[0-9]{2}-[0-9]{2})/")
# An object is filed under the day of its first record. A batch of a quiet shard, or after an outage, may hold
# records of as many days as the stream keeps them.
_DAYS_IN_ONE_OBJECT = 8


class Found(NamedTuple):
    """An object: its key, or its path below the folder, and its size in bytes."""

    key: str
    size: int


class Source(ArchivedObjects, Protocol):
    """The archive's objects, in order of their keys."""

    @property
    def foreign(self) -> Foreign:
        """What `found` came upon beside the archive's objects."""

    def found(self, selection: Selection, *, after: str = "") -> AsyncIterator[Found]:
        """Return an iterator over the objects that may hold lines of the selection, after a key."""


class BucketSource(S3Archive):
    """The archive's bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        super().__init__(client, bucket)
        self.foreign = Foreign()

    async def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        """Yield the object's lines, some at a time; a download that is cut off is repeated.

        Raises: DamagedObjectError, DependencyError.
        """
        for left in reversed(range(READ_TRIES)):
            try:
                async for lines in super().lines(key):
                    yield lines
            except DependencyError as error:
                if _code(error.__cause__) == "NoSuchKey":
                    raise DamagedObjectError(f"{key}: it was deleted after it was listed") from error
                raise
            except cut_off():
                # An object is downloaded before its first line.
                if not left:
                    raise
            else:
                return

    async def found(self, selection: Selection, *, after: str = "") -> AsyncIterator[Found]:
        first, last = _days(selection)
        start = max(after, f"{ARCHIVE_PREFIX}dt={first}" if first else "")
        self.foreign = Foreign()
        async for found in list_keys(self._client, self._bucket, ARCHIVE_PREFIX, after=start or ""):
            name = parse_key(found["Key"])
            if name is None:
                self.foreign.note(found["Key"])
                continue
            if last is not None and name.day > last:
                return
            # It was written after all of its records had arrived.
            if _ms(found["LastModified"]) + 60_000 >= selection.begin_ms:
                yield Found(name.key, found["Size"])


class FolderSource:
    """A folder of objects, such as a copy of the bucket or of a part of it."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"--source is {str(folder)!r}; a folder with objects of the archive is accepted")
        self._folder = folder
        self.foreign = Foreign()

    async def found(self, selection: Selection, *, after: str = "") -> AsyncIterator[Found]:
        first, last = _days(selection)
        self.foreign = Foreign()
        for found in self._walk(""):
            day = _DAY.search(found.key)
            is_outside = day is not None and (
                (first is not None and day[1] < first.isoformat())
                or (last is not None and day[1] > last.isoformat())
            )
            if found.key > after and not is_outside:
                yield found

    async def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        with (self._folder / key).open("rb") as file:
            for lines in verified_lines(key, file):
                yield lines

    def _walk(self, below: str) -> Iterator[Found]:
        # A folder sorts with the slash that its objects' keys have.
        with os.scandir(self._folder / below) as entries:
            ordered = sorted(
                (entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries
            )
        for name, entry in ordered:
            if name.endswith("/"):
                yield from self._walk(f"{below}{name}")
            elif numbers_in(name) is None:
                self.foreign.note(f"{below}{name}")
            elif entry.is_file():
                yield Found(f"{below}{name}", entry.stat().st_size)


def numbers_in(key: str) -> tuple[int, int] | None:
    """Return the first and last sequence number in an object's name, wherever it is; None if it has none."""
    matched = _FILE_NAME.fullmatch(key.rpartition("/")[2])
    return None if matched is None else (int(matched["first"]), int(matched["last"]))


def _days(selection: Selection) -> tuple[date | None, date | None]:
    """Return the first and the last day under which objects of the selection may be; None: any."""
    epoch = date(1970, 1, 1)
    first = last = None
    if selection.begin_ms > 0:
        first = epoch + timedelta(days=selection.begin_ms // 86_400_000 - _DAYS_IN_ONE_OBJECT)
    if selection.end_ms < Selection().end_ms:
        # A line may say that it arrived on the last day there is; a day after it would be none.
        last = epoch + timedelta(days=min((selection.end_ms - 1) // 86_400_000, (date.max - epoch).days))
    return first, last


def _code(error: BaseException | None) -> str | None:
    """Return the code of an answer of AWS."""
    code: str | None = getattr(error, "response", {}).get("Error", {}).get("Code")
    return code


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
