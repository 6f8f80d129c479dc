"""An archive object's lines, from bytes of which nothing is taken for granted.

An object that is not ours may unpack to terabytes or be one endless line, so both are bounded here.
"""

import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from catalog.objects import NUMBER, SHARD
from catalog.terminal_text import escaped
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE, Record
from processor.s3_objects import ACCEPTED
from processor.slices import decode_all
from processor.timestamps import utc_text
from processor.updates import Rejection

LARGEST_OBJECT_BYTES = 64 * 1024 * 1024
"""The processor's slices end at 16 MiB of lines, so no object of ours is as large, even compressed."""
MOST_DAMAGED_LINES = 1_000
"""After so many in one object the others are not looked at: a small object may hold millions of bad lines."""
_LARGEST_UNPACKED = 1024 * 1024 * 1024
# A record has at most 10 MiB, a third more in base64, and a partition key beside it.
_LONGEST_LINE = 16 * 1024 * 1024
_PIECE = 256 * 1024
_GZIP = b"\x1f\x8b"
_WITH_GZIP_HEADER = 31
_SHARD = re.compile(SHARD)
_SEQUENCE_NUMBER = re.compile(NUMBER)
_DATA = b',"data":'
_DATA_BASE64 = b',"data_base64":"'
SUB_SEQUENCES = range(WHOLE_AGGREGATE, 10_000_000)
"""A version has seven digits for one."""
VERDICTS = frozenset({ACCEPTED, *map(str, Reason)})


class DamageError(Exception):
    """What is wrong with an object or a line, as a sentence without its place."""


class ArchivedLine(NamedTuple):
    """A line's record, and the processor's verdict on it: `accepted`, or the reason for its rejection.

    Lines of the first releases have none; today's rules say it.
    """

    record: Record
    verdict: str


class _Head(msgspec.Struct, frozen=True):
    shard: str
    sequence_number: str
    sub_sequence: int
    partition_key: str | None
    arrival_time: str
    verdict: str | None = None


_read_head = msgspec.json.Decoder(_Head).decode
_check_json = msgspec.json.Decoder(msgspec.Raw).decode


class Unpacked:
    """The lines of a gzip object, unpacked piece by piece; `digest` is of what was unpacked so far."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """The first 12 hex digits of SHA-256, as a key has them."""
        return self._hash.hexdigest()[:12]

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line without its end. Raises: DamageError where the object cannot be read further."""
        rest = b""
        for piece in self._pieces():
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
            if len(rest) > _LONGEST_LINE:
                raise DamageError(f"a line is longer than {_LONGEST_LINE:,} bytes")
        if rest:
            yield rest
            raise DamageError("the last line has no end: the object is cut off")

    def _pieces(self) -> Iterator[bytes]:
        packed, unpacked = self._body, 0
        while packed:
            if not packed.startswith(_GZIP):
                raise DamageError("it is not gzip, or something follows its end")
            member = zlib.decompressobj(_WITH_GZIP_HEADER)
            while not member.eof:
                try:
                    piece = member.decompress(packed, _PIECE)
                except zlib.error as error:
                    raise DamageError(f"its gzip is broken: {error}") from error
                packed = member.unconsumed_tail
                self._hash.update(piece)
                unpacked += len(piece)
                if unpacked > _LARGEST_UNPACKED:
                    raise DamageError(f"it unpacks to more than {_LARGEST_UNPACKED:,} bytes")
                if piece:
                    yield piece
                elif not packed and not member.eof:
                    raise DamageError("its gzip ends too early: the object is cut off")
            packed = member.unused_data


def read_line(line: bytes) -> ArchivedLine:
    """Return what a line holds. Raises: DamageError."""
    head, data = _divided(line)
    try:
        members = _read_head(head)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _not_a_line(line, str(error)) from error
    if members.verdict is not None and members.verdict not in VERDICTS:
        raise DamageError(f"no verdict is {shorten(members.verdict)}")
    record = _record(members, data)
    return ArchivedLine(record, members.verdict or _judged(record))


def shorten(text: str, most: int = 60) -> str:
    """Return text of a record for a message, between quotation marks."""
    return repr(escaped(text, most))


def _judged(record: Record) -> str:
    """Return today's verdict, for a line of a release that wrote none."""
    (outcome,) = decode_all([record], [])
    return outcome.reason if isinstance(outcome, Rejection) else ACCEPTED


def _record(members: _Head, data: bytes) -> Record:
    if not _SHARD.fullmatch(members.shard):
        raise DamageError(f"shard is {shorten(members.shard)}")
    if not _SEQUENCE_NUMBER.fullmatch(members.sequence_number):
        raise DamageError(f"sequence_number is {shorten(members.sequence_number)}")
    if members.sub_sequence not in SUB_SEQUENCES:
        raise DamageError(f"sub_sequence is {members.sub_sequence}")
    return Record(
        members.shard,
        members.sequence_number,
        members.sub_sequence,
        members.partition_key,
        _arrival_ms(members.arrival_time),
        data,
    )


def _arrival_ms(text: str) -> int:
    try:
        arrival_ms = round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        arrival_ms = -1
    if arrival_ms < 0 or utc_text(arrival_ms) != text:
        raise DamageError(f"arrival_time is {shorten(text)}; such as 2026-01-31T08:30:00.123Z is written")
    return arrival_ms


def _divided(line: bytes) -> tuple[bytes, bytes]:
    """Return the members before the data, as an object, and the data's bytes."""
    head, found, rest = line.partition(_DATA)
    if found and _DATA_BASE64 not in head:
        data = rest[:-1]
        if not rest.endswith(b"}") or not _is_json(data):
            raise _not_a_line(line, "its data is cut off")
        return head + b"}", data
    head, found, rest = line.partition(_DATA_BASE64)
    if not found:
        raise _not_a_line(line, "it has no data")
    if not rest.endswith(b'"}'):
        raise _not_a_line(line, "its data is cut off")
    try:
        return head + b"}", binascii.a2b_base64(rest[:-2], strict_mode=True)
    except ValueError as error:
        raise DamageError(f"data_base64 is not base64: {error}") from error


def _is_json(data: bytes) -> bool:
    try:
        _check_json(data)
    except (msgspec.DecodeError, RecursionError):
        return _is_json_to_python(data)
    return True


def _is_json_to_python(data: bytes) -> bool:
    # It reads what msgspec does not, such as half of a surrogate pair, as the processor's careful way does.
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _not_a_line(line: bytes, otherwise: str) -> DamageError:
    """Return the error for a line: that it is not JSON, if that is so."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return DamageError(f"it is not JSON: {shorten(line[:80].decode('utf-8', 'backslashreplace'))}")
    if not isinstance(value, dict):
        return DamageError("it is JSON, but not an object")
    missing = [
        name for name in ("shard", "sequence_number", "sub_sequence", "arrival_time") if name not in value
    ]
    if missing:
        return DamageError(f"it has no identity: {', '.join(missing)} missing")
    return DamageError(otherwise)
