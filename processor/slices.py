"""A batch's user records, unpacked and decoded slice by slice, which bounds the memory they take.

An unexpected error rejects the one record that raised it and is added to `warnings`.
"""

from collections.abc import Iterator, Sequence

from processor.aggregation import MAGIC
from processor.characters import MOST_ESCAPED_BYTES
from processor.common_records import decode_common
from processor.reasons import Reason
from processor.records import Defect, Record, expand
from processor.updates import Rejection, Update, decode

SLICE_RECORDS = 20_000
# Bytes of lines in one object of the archive or quarantine; four times as much is in memory at the same time.
# A batch without aggregates reaches it only with hostile partition keys.
SLICE_BYTES = 16 * 1024 * 1024
# What a line holds besides key and data: the identity, and in quarantine the message.
_LINE_OVERHEAD_BYTES = 400
# A batch may hold thousands of records that raise the same error; the metrics count them all.
_MAX_WARNINGS = 20


def slices(batch: Sequence[Record], warnings: list[Exception]) -> Iterator[list[Record]]:
    """Yield the batch's user records, in order, in lists that each end with the record that reaches a limit.

    A slice may end within an aggregate. Where it ends depends on the records alone, so that the same batch
    has the same slices again and makes the same objects.
    """
    records: list[Record] = []
    left = SLICE_BYTES
    for received in batch:
        is_aggregate = received.data.startswith(MAGIC)
        for record in _expand(received, warnings) if is_aggregate else (received,):
            records.append(record)
            left -= _line_bytes(record)
            if left <= 0 or len(records) >= SLICE_RECORDS:
                yield records
                records, left = [], SLICE_BYTES
    if records:
        yield records


def decode_all(records: Sequence[Record], warnings: list[Exception]) -> list[Update | Rejection]:
    """Return the outcome of each record."""
    return [_decode(record, warnings) for record in records]


def _line_bytes(record: Record) -> int:
    """Estimate the bytes of a record's line: its data in base64, its partition key in JSON."""
    key = record.partition_key or ""
    escaped = len(key) if key.isascii() and key.isprintable() else len(key) * MOST_ESCAPED_BYTES
    return _LINE_OVERHEAD_BYTES + escaped + len(record.data) * 4 // 3


def _expand(record: Record, warnings: list[Exception]) -> list[Record]:
    try:
        return list(expand(record))
    except (MemoryError, OSError, ImportError):
        raise  # a momentary shortage, or protobuf cannot be imported: that says nothing about the record
    except Exception as error:  # noqa: BLE001 an error in one record must not stop the others
        return [record._replace(defect=_internal_error(error, warnings))]


def _decode(record: Record, warnings: list[Exception]) -> Update | Rejection:
    try:
        return decode_common(record) or decode(record)
    except MemoryError:
        raise  # as above
    except Exception as error:  # noqa: BLE001 an error in one record must not stop the others
        defect = _internal_error(error, warnings)
        return Rejection(record, defect.reason, defect.message)


def _internal_error(error: Exception, warnings: list[Exception]) -> Defect:
    if len(warnings) < _MAX_WARNINGS:
        # Its traceback would keep everything alive that was made of the record.
        warnings.append(error.with_traceback(None))
    return Defect(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
