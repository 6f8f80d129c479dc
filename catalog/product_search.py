"""Finding every record of one product in the archive, and what only quarantine knows of them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from catalog.archive_lines import Damage, Line, keys_of_days, numbered, read_line
from catalog.connections import Connections
from catalog.errors import UsageError
from catalog.objects import Identity, identity_of, list_keys, parse_key, parse_line, read_objects
from catalog.product_history import Received
from processor.aggregation import MAGIC, AggregateError, unpack
from processor.reasons import Reason
from processor.records import Record
from processor.s3_objects import ACCEPTED, ARCHIVE_PREFIX, QUARANTINE_PREFIX
from processor.slices import decode_all
from processor.timestamps import utc_text
from processor.updates import Update, version_text

MOST_UPDATES = 100_000
"""More of one product are not kept in memory."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BASE64 = b',"data_base64":"'


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when records arrived, both included; None: without a limit."""

    begin: datetime | None = None
    end: datetime | None = None

    def holds(self, arrival_ms: int) -> bool:
        """Return whether a record arrived within it."""
        arrived = _EPOCH + timedelta(milliseconds=arrival_ms)
        return (self.begin is None or arrived >= self.begin) and (self.end is None or arrived <= self.end)

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day."""
        return self.begin and self.begin.date(), self.end and self.end.date()


async def count_objects(connections: Connections, span: Span) -> int:
    """Return how many objects a search reads."""
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    return sum([len(chunk) async for chunk in keys_of_days(s3, bucket, ARCHIVE_PREFIX, *span.days)])


async def search(
    connections: Connections,
    product_id: str,
    span: Span,
    *,
    damage: Damage,
    advance: Callable[[int], None],
) -> list[Received]:
    """Return every record of the product, once for each identity and content. `advance`: objects read.

    Which product a record is of, its own data says; the partition key is never asked. What is not a valid
    update is of the product if its `product_id` can be read. Raises: UsageError above `MOST_UPDATES`.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    found: dict[tuple[Identity, bytes], Received] = {}
    async for keys in keys_of_days(s3, bucket, ARCHIVE_PREFIX, *span.days):
        async for key, body in read_objects(s3, bucket, keys, on_damage=damage.note):
            for line in _candidates(key, body, product_id, damage):
                if span.holds(line.record.arrival_ms):
                    for one in judge(line, product_id):
                        _add(found, one, line.record.data)
            advance(1)
            if len(found) > MOST_UPDATES:
                raise UsageError(
                    f"more than {MOST_UPDATES:,} updates of this product: narrow it with --from and --to"
                )
    return list(found.values())


def judge(line: Line, product_id: str) -> Iterator[Received]:
    """Yield what a line says of the product: nothing, one record, or those of an aggregate kept whole."""
    record = line.record
    (outcome,) = decode_all([record], [])
    if isinstance(outcome, Update):
        if outcome.product_id != product_id:
            return
        reason = None if line.verdict in (None, ACCEPTED) else line.verdict
        message = reason and "today's rules accept it"
        values = {} if reason else outcome.values
        yield _received(line, record, outcome.version, outcome.supplier, values, reason, message)
        return
    reason, message = outcome.reason.value, outcome.message
    if line.verdict == ACCEPTED:
        message = f"accepted when it arrived, but not by today's rules: {message}"
    elif line.verdict not in (None, reason):
        reason, message = str(line.verdict), ""
    version = version_text(f"{utc_text(record.arrival_ms)[:-1]}000", record)
    for data in _unpacked(record.data):
        if product_id in _product_ids(data):
            yield _received(line, record, version, outcome.supplier, {}, reason, message)


async def mark_refused(connections: Connections, received: list[Received], damage: Damage) -> None:
    """Mark the updates that the table refused: they were archived, as accepted, before it was asked."""
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    accepted = {(one.shard, one.sequence_number, one.sub_sequence): one for one in received if not one.reason}
    places = {
        (one.shard, (_EPOCH + timedelta(milliseconds=one.arrival_ms)).date() - timedelta(days=earlier))
        for one in accepted.values()
        for earlier in (0, 1)
    }
    for shard, day in sorted(places):
        numbers = [int(number) for where, number, _ in accepted if where == shard]
        keys = []
        async for listed in list_keys(s3, bucket, f"{QUARANTINE_PREFIX}dt={day.isoformat()}/{shard}/"):
            name = parse_key(listed["Key"])
            if name is not None and any(name.first <= number <= name.last for number in numbers):
                keys.append(name.key)
        async for key, body in read_objects(s3, bucket, keys, on_damage=damage.note):
            for number, text in numbered(body):
                if Reason.CATALOG_REFUSED.value.encode() in text:
                    _mark(accepted, text, f"{key} line {number}", damage)


def _mark(accepted: dict[Identity, Received], text: bytes, place: str, damage: Damage) -> None:
    try:
        members = parse_line(text)
        one = accepted.get(identity_of(members))
        if one is not None and members["reason"] == Reason.CATALOG_REFUSED:
            one.reason, one.message, one.values = Reason.CATALOG_REFUSED.value, str(members["message"]), {}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        damage.note(place, f"{type(error).__name__}: {error}")


def _candidates(key: str, body: bytes, product_id: str, damage: Damage) -> Iterator[Line]:
    """Yield the lines that may be of the product; a look at the bytes rules out nearly all others.

    Its id stands in a record as it is, unless characters are escaped or the record is not UTF-8.
    """
    needle = product_id.encode("utf-8", "surrogatepass")
    if not (needle in body or b"\\" in body or _BASE64 in body):
        return
    for number, text in numbered(body):
        if needle in text or b"\\" in text or _BASE64 in text:
            line = read_line(key, number, text, damage)
            if line is not None and any(sign in line.record.data for sign in (needle, b"\\", b"\0")):
                yield line


def _add(found: dict[tuple[Identity, bytes], Received], one: Received, data: bytes) -> None:
    digest = hashlib.blake2b(data, digest_size=16).digest()
    place = ((one.shard, one.sequence_number, one.sub_sequence), digest)
    # A record that was rejected and accepted when it was redriven is an update.
    if place not in found or (found[place].reason and not one.reason):
        found[place] = one


def _received(
    line: Line,
    record: Record,
    version: str,
    supplier: str | None,
    values: Any,
    reason: str | None,
    message: str | None,
) -> Received:
    return Received(
        shard=record.shard,
        sequence_number=record.sequence_number,
        sub_sequence=record.sub_sequence,
        partition_key=record.partition_key,
        arrival_ms=record.arrival_ms,
        version=version,
        supplier=supplier,
        values=values,
        reason=reason,
        message=message,
        key=line.key,
        line=line.number,
    )


def _unpacked(data: bytes) -> list[bytes]:
    """Return the records in an aggregate that was kept whole; of anything else, itself."""
    try:
        return [data, *(inner for _, inner in unpack(data))] if data.startswith(MAGIC) else [data]
    except AggregateError:
        return [data]


class _Members(list[tuple[str, Any]]):
    """An object's members, those with the same name too."""


def _product_ids(data: bytes) -> set[str]:
    """Return what a record that is not a valid update calls its product, if that can be read."""
    try:
        members = json.loads(data, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return set()
    if not isinstance(members, _Members):
        return set()
    return {value for name, value in members if name == "product_id" and isinstance(value, str)}
