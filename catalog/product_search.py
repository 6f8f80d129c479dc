"""Finding every record of one product in the archive."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from catalog.archive_lines import Damage, Line, keys_of_days, numbered, read_line
from catalog.connections import Connections
from catalog.errors import UsageError
from catalog.objects import Identity, read_objects
from catalog.product_history import Received
from catalog.product_ids import product_ids
from catalog.repair.repairs import digest_of
from processor.aggregation import MAGIC, AggregateError, unpack
from processor.s3_objects import ACCEPTED, ARCHIVE_PREFIX
from processor.slices import decode_all
from processor.timestamps import utc_text
from processor.updates import Update, version_text

MOST_UPDATES = 100_000
"""More of one product are not kept in memory."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BASE64 = b',"data_base64":"'

_Place = tuple[Identity, str, bool]


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
    """Return every record of the product, once for each identity, content and whether it was rejected.

    `advance`: objects read.

    Which product a record is of, its own data says; the partition key is never asked. What is not a valid
    update is of the product if its `product_id` can be read. Raises: UsageError above `MOST_UPDATES`.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    found: dict[_Place, Received] = {}
    async for written in keys_of_days(s3, bucket, ARCHIVE_PREFIX, *span.days):
        async for key, body in read_objects(s3, bucket, list(written), on_damage=damage.note):
            for line in _candidates(key, body, product_id, damage):
                if span.holds(line.record.arrival_ms):
                    for one in judge(line, product_id, written[key]):
                        _add(found, one)
            advance(1)
            if len(found) > MOST_UPDATES:
                raise UsageError(
                    f"more than {MOST_UPDATES:,} updates of this product: narrow it with --from and --to"
                )
    return list(found.values())


def judge(line: Line, product_id: str, written_at: datetime) -> Iterator[Received]:
    """Yield what a line says of the product: nothing, one record, or those of an aggregate kept whole."""
    record = line.record
    (outcome,) = decode_all([record], [])
    if isinstance(outcome, Update):
        if outcome.product_id != product_id:
            return
        reason = None if line.verdict == ACCEPTED else line.verdict
        message = reason and "today's rules accept it"
        values = {} if reason else outcome.values
        yield _received(line, written_at, outcome.version, outcome.supplier, values, reason, message)
        return
    reason, message = outcome.reason.value, outcome.message
    if line.verdict == ACCEPTED:
        message = f"accepted when it arrived, but not by today's rules: {message}"
    elif line.verdict != reason:
        reason, message = line.verdict, ""
    version = version_text(f"{utc_text(record.arrival_ms)[:-1]}000", record)
    for data in _unpacked(record.data):
        if product_id in product_ids(data):
            yield _received(line, written_at, version, outcome.supplier, {}, reason, message)


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


def _add(found: dict[_Place, Received], one: Received) -> None:
    place = (one.identity, one.digest, one.reason is not None)
    if place not in found or one.written_at < found[place].written_at:
        found[place] = one


def _received(
    line: Line,
    written_at: datetime,
    version: str,
    supplier: str | None,
    values: Any,
    reason: str | None,
    message: str | None,
) -> Received:
    record = line.record
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
        digest=digest_of(record.data),
        is_whole=record.data.startswith(MAGIC),
        written_at=written_at,
    )


def _unpacked(data: bytes) -> list[bytes]:
    """Return the records in an aggregate that was kept whole; of anything else, itself."""
    try:
        return [data, *(inner for _, inner in unpack(data))] if data.startswith(MAGIC) else [data]
    except AggregateError:
        return [data]
