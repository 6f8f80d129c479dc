"""The keys and lines of the objects in the archive and in quarantine.

The adapters write them. Keys are deterministic: the same records always get the same key.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from json.encoder import encode_basestring_ascii

from processor.records import Record
from processor.timestamps import utc_text
from processor.updates import Rejection

# Also in stacks/archive.py, local/demo/verdict.py and kept_run.py; tests/contract compares the first.
ARCHIVE_PREFIX = "inventory/"
QUARANTINE_PREFIX = "quarantine/"
# Also in the quarantine bucket: processes that tried a record alone and survived while the database was away.
SURVIVORS_PREFIX = "survivors/"
ACCEPTED = "accepted"
"""The outcome of a record that is not rejected."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Every character at which some reader may break a line, not only the two in JSON's white space.
_LINE_BREAK = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# A search for a number takes a fifth of one for bytes.
_LINE_FEED, _RETURN = b"\n\r"
# Python's json refuses longer integers, so a line with one could not be read back.
_INTEGER_DIGITS = 4_300
_ENDLESS = re.compile(rb"(?<![0-9])[0-9]{%d}" % (_INTEGER_DIGITS + 1))
_DATA = b',"data":'
_DATA_BASE64 = b',"data_base64":"'


def archive_line(record: Record, outcome: str) -> bytes:
    """Return a line of NDJSON, without its end: identity, partition key, arrival, outcome, data as received.

    `outcome`: `ACCEPTED` or the reason for the rejection, in the member `verdict`. `data` holds an accepted
    record's JSON in place, byte for byte; `data_base64` holds anything else. Either is the last member, so
    that the bytes can be cut out again (`archived_data`).
    """
    identity, code = _identity(record), outcome.encode()
    if outcome == ACCEPTED and _is_plain(record.data):
        return b'{%s,"verdict":"%s"%s%s}' % (identity, code, _DATA, record.data)
    return b'{%s,"verdict":"%s"%s%s"}' % (identity, code, _DATA_BASE64, base64.b64encode(record.data))


def archived_data(line: bytes) -> bytes:
    """Return the data of an archive line, byte for byte as it was received."""
    # Quotes inside earlier members are escaped, so the first match is the member itself.
    _, found, rest = line.rstrip(b"\n").partition(_DATA)
    if found:
        return rest[:-1]
    return base64.b64decode(line.rstrip(b"\n").partition(_DATA_BASE64)[2][:-2])


def quarantine_line(rejection: Rejection) -> bytes:
    """Return a line of NDJSON, without its end: identity, supplier if readable, reason, message and bytes."""
    record = rejection.record
    why = json.dumps(
        {"supplier": rejection.supplier, "reason": rejection.reason, "message": rejection.message},
        separators=(",", ":"),
    )
    return b'{%s,%s%s%s"}' % (
        _identity(record),
        why[1:-1].encode(),
        _DATA_BASE64,
        base64.b64encode(record.data),
    )


def object_key(prefix: str, records: Sequence[Record], content: bytes, suffix: str) -> str:
    """Return the key `<prefix>dt=<day of first arrival>/<shard>/<first>-<last>-<12 hex of hash><suffix>`."""
    first, last = records[0], records[-1]
    digest = hashlib.sha256(content).hexdigest()[:12]
    day = (_EPOCH + timedelta(milliseconds=first.arrival_ms)).date().isoformat()
    return f"{prefix}dt={day}/{first.shard}/{first.sequence_number}-{last.sequence_number}-{digest}{suffix}"


def by_shard(records: Sequence[Record]) -> Iterator[list[int]]:
    """Yield the positions of each shard's records, in order; Lambda sends one shard's records per batch."""
    positions: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        positions.setdefault(record.shard, []).append(position)
    yield from positions.values()


def _is_plain(data: bytes) -> bool:
    """Return whether JSON fits in a line: it has no line break, and no integer too long for Python."""
    if len(data) > _INTEGER_DIGITS and _ENDLESS.search(data):
        return False
    if data.isascii():
        return _LINE_FEED not in data and _RETURN not in data
    return _LINE_BREAK.search(data.decode("utf-8")) is None


def _identity(record: Record) -> bytes:
    key = record.partition_key
    return (
        f'"shard":"{record.shard}","sequence_number":"{record.sequence_number}",'
        f'"sub_sequence":{record.sub_sequence},'
        f'"partition_key":{"null" if key is None else encode_basestring_ascii(key)},'
        f'"arrival_time":"{utc_text(record.arrival_ms)}"'
    ).encode()
