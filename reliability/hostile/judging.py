"""What is wrong with how the processor treats an event: its verdicts, what is kept of them, and their time.

The plain reading of `reliability.events`, `aggregates` and `rules` says which verdicts are right.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from local.feed_lines import AMOUNTS, read_lines
from processor.archive_lines import judge as replay_line
from processor.archive_lines import read_line
from processor.errors import EventError
from processor.records import Record, expand, read_event
from processor.s3_objects import ACCEPTED, archive_line, quarantine_line
from processor.slices import decode_all
from processor.updates import Rejection, Update, decode
from reliability import aggregates, events
from reliability.rules import Judgement, judge

CPU_SECONDS = 0.050
"""What 64 KiB may take; an aggregate of more bytes, as much for each 64 KiB."""
_PART_BYTES = 65_536
_TRIES = 3
_MESSAGE_CHARACTERS = 250
# Of an aggregate, which may hold 30,839, each end.
_JUDGED_RECORDS = 100
_T = TypeVar("_T")


@dataclass(slots=True)
class Judged:
    """Figures of judged events; `outcomes`: verdict → records; `slowest`: CPU seconds, and for what."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    problems: list[str] = field(default_factory=list)

    def timed(self, what: str, size: int, work: Callable[[], _T]) -> _T:
        """Return what the work returns; note its time, the best of three if it is long."""
        parts = max(1.0, size / _PART_BYTES)
        began = time.perf_counter()
        result = work()
        # Never less than the CPU time, and cheaper to ask for.
        if time.perf_counter() - began > parts * min(CPU_SECONDS, self.slowest[0]):
            seconds = min(_cpu_seconds(work) for _ in range(_TRIES)) / parts
            self.slowest = max(self.slowest, (seconds, what))
            if seconds > CPU_SECONDS:
                self.problems.append(f"to {what} takes {seconds * 1000:.0f} ms of CPU time for 64 KiB")
        return result

    def expect(self, is_right: bool, problem: str) -> None:  # noqa: FBT001
        """Note a problem unless everything is right."""
        if not is_right:
            self.problems.append(problem)


def problems_of(event: Any) -> list[str]:
    """Return what is wrong with how an event is treated."""
    judged = Judged()
    judge_event(event, judged)
    return judged.problems


def judge_event(event: Any, judged: Judged) -> None:
    """Judge all that the processor makes of an event, up to the lines that it keeps."""
    try:
        _judge_event(event, judged)
    except Exception as error:  # noqa: BLE001 that none escapes is what is judged
        judged.problems.append(f"{type(error).__name__} escapes: {error}")


def _judge_event(event: Any, judged: Judged) -> None:
    right = events.read_event(event)
    size = sum(len(one.text) for one in right or ())
    received = judged.timed("read an event", size, lambda: _read(event))
    if isinstance(received, EventError):
        judged.outcomes["event refused"] += 1
        judged.expect(right is None, f"a right event is refused: {received}")
        judged.expect(_is_one_line(str(received)), f"a refusal in several lines: {received!r}")
        return
    if right is None:
        judged.problems.append("an event is read that no mapping sends")
        return
    for record, plain in zip(received, right, strict=True):
        data = plain.text.encode("utf-8", "surrogatepass") if plain.data is None else plain.data
        identity = (plain.shard, plain.sequence_number, 0, plain.partition_key, plain.arrival_ms, data)
        judged.expect(record[:6] == identity, f"read as {record[:5]}, not as {identity[:5]}")
        if plain.data is None:
            _judge_record(record, Judgement(frozenset({"invalid_base64"})), judged)
        else:
            _judge_received(record, judged)


def _read(event: Any) -> list[Record] | EventError:
    try:
        return read_event(event)
    except EventError as error:
        return error


def _judge_received(received: Record, judged: Judged) -> None:
    """Judge a Kinesis record: how it is unpacked, and what is in it."""
    data = received.data
    records = judged.timed("unpack a record", len(data), lambda: list(expand(received)))
    is_aggregate = data.startswith(aggregates.MAGIC)
    right = aggregates.unpack(data) if is_aggregate else None
    if is_aggregate and right is None:
        judged.expect(len(records) == 1 and records[0][:6] == received[:6], "a broken aggregate is changed")
        _judge_record(records[0], Judgement(frozenset({"bad_aggregate"})), judged)
        return
    expected = [
        (received.shard, received.sequence_number, place, key, received.arrival_ms, content)
        for place, (key, content) in enumerate(right or [(received.partition_key, data)])
    ]
    judged.expect([one[:6] for one in records] == expected, "an aggregate is unpacked in another way")
    for record in {*records[:_JUDGED_RECORDS], *records[-_JUDGED_RECORDS:]}:
        _judge_record(record, judge(record.data, record.arrival_ms), judged)


def _judge_record(record: Record, right: Judgement, judged: Judged) -> None:
    errors: list[Exception] = []
    (outcome,) = judged.timed("decode a record", len(record.data), lambda: decode_all([record], errors))
    judged.problems += [f"{type(error).__name__} while decoding: {error}" for error in errors]
    careful = decode(record)
    judged.expect(outcome == careful, f"decoded as {outcome[1:]}, with more care as {careful[1:]}")
    if isinstance(outcome, Update):
        judged.outcomes[ACCEPTED] += 1
        _judge_update(outcome, right, judged)
        _judge_archived(record, ACCEPTED, outcome, judged)
    else:
        judged.outcomes[outcome.reason] += 1
        _judge_rejection(outcome, right, judged)
        _judge_archived(record, outcome.reason, None, judged)


def _judge_update(update: Update, right: Judgement, judged: Judged) -> None:
    shard, number, sub_sequence, _, arrival_ms, _, _ = update.record
    if right.faults:
        judged.problems.append(f"accepted, and is {sorted(right.faults)}")
        return
    values = {
        name: Decimal(value).scaleb(-2) if name in AMOUNTS else value  # type: ignore[arg-type]
        for name, value in update.values.items()
    }
    event_time = right.event_time.isoformat(timespec="microseconds")[:26]
    version = f"{event_time}Z {len(number):03d}:{number} {sub_sequence:07d} {shard} {arrival_ms}"
    found = (update.product_id, values, update.version, update.supplier)
    expected = (right.product_id, right.fields, version, right.supplier)
    judged.expect(found == expected, f"decoded as {found}, not as {expected}")
    kinds = {type(value) for value in update.values.values()}
    judged.expect(kinds <= {int, bool}, f"values inside of other kinds: {kinds}")


def _judge_rejection(rejection: Rejection, right: Judgement, judged: Judged) -> None:
    reason, message = rejection.reason, rejection.message
    judged.expect(
        reason in right.faults,
        f"rejected as {reason}, and is {sorted(right.faults) or 'an update'}: {message}",
    )
    judged.expect(rejection.supplier == right.supplier, f"the supplier is {rejection.supplier!r}")
    judged.expect(_is_one_line(message), f"a message in several lines, or a long one: {message!r}")
    line = quarantine_line(rejection)
    _judge_line(line, rejection.record, {"reason": reason, "message": message}, judged)


def _judge_archived(record: Record, verdict: str, update: Update | None, judged: Judged) -> None:
    """Judge the archive's line, and what a replay of it would apply."""
    line = archive_line(record, verdict)
    _judge_line(line, record, {"verdict": verdict}, judged)
    read = read_line(line)
    if read is None:
        judged.problems.append(f"the archive's line cannot be read: {line[:200]!r}")
        return
    again = replay_line(read)
    same = update is None if again is None else isinstance(again, Update) and again[:4] == (update or ())[:4]
    judged.expect(same, f"replayed as {again}, not as {update}")


def _judge_line(line: bytes, record: Record, members: dict[str, Any], judged: Judged) -> None:
    judged.expect(b"\n" not in line, "a line that is two")
    for identity, data, found in read_lines(line + b"\n"):
        arrived_at = datetime.fromtimestamp(record.arrival_ms // 1000, UTC).isoformat()[:19]
        expected = {
            **members,
            "partition_key": record.partition_key,
            "arrival_time": f"{arrived_at}.{record.arrival_ms % 1000:03d}Z",
        }
        judged.expect(identity == record[:3] and data == record.data, "a line of another record")
        kept = {name: found.get(name) for name in expected}
        judged.expect(kept == expected, f"a line says {kept}, not {expected}")


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _is_one_line(text: str) -> bool:
    return text.isprintable() and len(text) <= _MESSAGE_CHARACTERS
