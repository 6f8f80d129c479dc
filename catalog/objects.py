"""Objects of the buckets: listing them by day and shard, and reading many at the same time, in order."""

import asyncio
import base64
import gzip
import io
import json
import re
import zlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from catalog.errors import CatalogError, UnreachableError
from catalog.terminal_text import safe
from processor.records import MAX_SEQUENCE_DIGITS
from processor.s3_objects import ARCHIVE_PREFIX, QUARANTINE_PREFIX, archived_data

# Each is on its way or in memory at the same time.
_CONCURRENT_READS = 16
READ_TRIES = 3
LARGEST_UNPACKED_BYTES = 64 * 1024 * 1024
"""The processor's slices end at 16 MiB of lines; what is larger is not its, and may be a bomb."""
NUMBER = rf"(?:0|[1-9][0-9]{{0,{MAX_SEQUENCE_DIGITS - 1}}})"
SHARD = "[a-zA-Z0-9_.-]{1,128}"
FILE_NAME = rf"(?P<first>{NUMBER})-(?P<last>{NUMBER})-(?P<digest>[0-9a-f]{{12}})(?P<suffix>\.ndjson(?:\.gz)?)"
"""Regular expressions: for sequence numbers, for shards, for the last part of a key."""
_NAME = re.compile(rf"dt=(?P<day>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/(?P<shard>{SHARD})/{FILE_NAME}")
_SUFFIXES = {ARCHIVE_PREFIX: ".ndjson.gz", QUARANTINE_PREFIX: ".ndjson"}


class DamagedObjectError(CatalogError):
    """An object of archive or quarantine that cannot be unpacked."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"damaged object {key}: {reason}")
        self.reason = reason


class GoneError(DamagedObjectError):
    """An object that was deleted between its listing and its reading, such as by a lifecycle rule."""


Identity = tuple[str, str, int]
"""Of a record: shard, sequence number, sub-sequence."""


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What the key of an object of archive or quarantine says.

    `<prefix>dt=<day>/<shard>/<first>-<last>-<digest><suffix>`; `first`, `last`: sequence numbers; `digest`:
    the beginning of its lines' hash.
    """

    key: str
    day: date
    shard: str
    first: int
    last: int
    digest: str


@dataclass(slots=True)
class Foreign:
    """Objects with names that the processor does not write. They count nowhere."""

    count: int = 0
    first: str = ""

    def note(self, key: str) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or key

    def text(self) -> str:
        """Return a note about them, for people."""
        what = "1 object with a name" if self.count == 1 else f"{self.count:,} objects with names"
        others = f", and {self.count - 1:,} more" if self.count > 1 else ""
        return f"not read: {what} that the processor does not write: {safe(self.first, 300)}{others}"


def parse_key(key: str) -> ObjectName | None:
    """Return the parts of a key of archive or quarantine; None if the processor does not write such a key."""
    for prefix, suffix in _SUFFIXES.items():
        matched = _NAME.fullmatch(key.removeprefix(prefix)) if key.startswith(prefix) else None
        if matched is None or matched["suffix"] != suffix:
            continue
        try:
            day = date.fromisoformat(matched["day"])
        except ValueError:
            return None
        first, last = int(matched["first"]), int(matched["last"])
        return ObjectName(key, day, matched["shard"], first, last, matched["digest"])
    return None


def days(begin: date, end: date) -> list[date]:
    """Return every day from `begin` to `end`, both included."""
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


async def list_keys(s3: Any, bucket: str, prefix: str, *, after: str = "") -> AsyncIterator[dict[str, Any]]:
    """Yield what S3 lists of each object under a prefix (`Key`, `Size`, `LastModified`), ordered by key.

    `after`: a key, or its beginning; only later keys are listed.
    """
    later = {"StartAfter": after} if after else {}
    async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **later):
        for found in page.get("Contents", []):
            yield found


async def read_objects(
    s3: Any,
    bucket: str,
    keys: Sequence[str],
    *,
    unpacked: bool = True,
    on_damage: Callable[[str, str], None] | None = None,
) -> AsyncGenerator[tuple[str, bytes]]:
    """Yield each key and its object's bytes, in the order of the keys.

    `unpacked`: of gzip, what it holds; False: as it is stored, for who must not trust it. `on_damage`: called
    with key and reason of an object that cannot be unpacked or was deleted meanwhile, which is then left out.

    Raises: DamagedObjectError, unless there is `on_damage` or the object was deleted. UnreachableError.
    """
    waiting: deque[asyncio.Task[bytes]] = deque()
    try:
        for position, key in enumerate(keys):
            while len(waiting) < _CONCURRENT_READS and position + len(waiting) < len(keys):
                ahead = keys[position + len(waiting)]
                waiting.append(asyncio.create_task(_read(s3, bucket, ahead, unpacked=unpacked)))
            try:
                body = await waiting.popleft()
            except DamagedObjectError as error:
                if on_damage is not None:
                    on_damage(key, error.reason)
                elif not isinstance(error, GoneError):
                    raise
            else:
                yield key, body
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def parse_line(line: bytes) -> dict[str, Any]:
    """Return the members of a line of archive or quarantine; `data`: the record's bytes as received."""
    members: dict[str, Any] = json.loads(line)
    if "data_base64" in members:
        members["data"] = base64.b64decode(members.pop("data_base64"))
    else:
        members["data"] = archived_data(line)
    return members


def identity_of(members: dict[str, Any]) -> Identity:
    """Return the identity of a line's record."""
    return members["shard"], members["sequence_number"], members["sub_sequence"]


def cut_off() -> tuple[type[Exception], ...]:
    """Return the errors of an answer whose body ends too early, for an `except` clause.

    botocore repeats a request, but not the reading of what it answers.
    """
    import aiohttp
    from botocore.exceptions import HTTPClientError

    return aiohttp.ClientError, HTTPClientError, OSError


async def _read(s3: Any, bucket: str, key: str, *, unpacked: bool) -> bytes:
    body = await _downloaded(s3, bucket, key)
    if not (unpacked and key.endswith(".gz")):
        return body
    try:
        unpacked_body = await asyncio.to_thread(_unpack, body)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedObjectError(key, f"it cannot be unpacked: {error}") from error
    if len(unpacked_body) > LARGEST_UNPACKED_BYTES:
        raise DamagedObjectError(key, f"it unpacks to more than {LARGEST_UNPACKED_BYTES:,} bytes")
    return unpacked_body


async def _downloaded(s3: Any, bucket: str, key: str) -> bytes:
    for left in reversed(range(READ_TRIES)):
        try:
            answer = await s3.get_object(Bucket=bucket, Key=key)
        except s3.exceptions.NoSuchKey as error:
            raise GoneError(key, "it was deleted after it was listed") from error
        try:
            body: bytes = await answer["Body"].read()
        except cut_off() as error:
            if not left:
                reason = f"{key} was cut off {READ_TRIES} times on its way ({type(error).__name__})"
                raise UnreachableError(f"{reason}: is there a proxy between? Run it again") from error
        else:
            return body
    raise ValueError("READ_TRIES is not positive")


def _unpack(body: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
        return file.read(LARGEST_UNPACKED_BYTES + 1)
