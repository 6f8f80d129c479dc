"""`explain --at`, `replay --as-of` and `diff` give one answer: what the table said, whatever came first."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.archive_lines import Damage
from catalog.connections import Connections
from catalog.product_history import history
from catalog.product_repairs import with_repairs
from catalog.product_search import Span, search
from catalog.repair.marks import record_name
from catalog.replay.as_of import SourceWithout, left_out
from catalog.replay.sources import BucketSource
from processor.archive_replay import ObjectFolder, ReplayReport, Selection
from processor.fold import ROW_COLUMNS, Change
from processor.reasons import Reason, of_register
from processor.records import Record
from processor.s3_objects import (
    ACCEPTED,
    ARCHIVE_PREFIX,
    QUARANTINE_PREFIX,
    archive_line,
    object_key,
    quarantine_line,
)
from processor.updates import Rejection, Update, decode
from tests.support.events import ARRIVAL_MS, ARRIVAL_TIME, aggregate, record
from tests.support.fake_s3 import ARCHIVE, QUARANTINE, FakeS3, connections_to

PRICE = of_register("price")
ARRIVED = datetime.fromisoformat(ARRIVAL_TIME)
MINUTE = timedelta(minutes=1)
MINUTES = range(12)
KINDS = (
    "accepted", "bad", "bad, fixed", "bad, fix begun", "bad, fix sent without a mark",
    "bad, fix refused", "bad, fix refused, redriven", "condemned", "condemned, redriven",
    "refused", "refused, redriven", "of another product, fixed", "fixed to another product",
    "aggregate condemned", "aggregate condemned, redriven", "condemned, redriven without a mark",
    "aggregate condemned, record refused, redriven",
)  # fmt: skip


@dataclass(frozen=True)
class Fate:
    """What happens to a record. `event`, `arrival`, `again`: minutes, of when it is sent again."""

    kind: str
    event: int
    arrival: int
    again: int


FATES = st.builds(
    Fate,
    st.sampled_from(KINDS),
    event=st.sampled_from(MINUTES[:4]),
    arrival=st.sampled_from(MINUTES[:4]),
    again=st.sampled_from(MINUTES[4:-1]),
)


@dataclass
class Past:
    """The buckets that these fates leave; `known`: since when the table has which versions."""

    s3: FakeS3 = field(default_factory=FakeS3)
    known: list[tuple[datetime, str]] = field(default_factory=list)

    def archive(self, one: Record, verdict: str, at: datetime) -> None:
        body = archive_line(one, verdict) + b"\n"
        key = object_key(ARCHIVE_PREFIX, [one], body, ".ndjson.gz")
        self.s3.put(ARCHIVE, key, gzip.compress(body, mtime=0), at)

    def reject(self, one: Record, reason: Reason, at: datetime) -> None:
        body = quarantine_line(Rejection(one, reason, "why")) + b"\n"
        self.s3.put(QUARANTINE, object_key(QUARANTINE_PREFIX, [one], body, ".ndjson"), body, at)

    def claim(self, one: Record, at: datetime) -> None:
        name = record_name(one[:3])
        body = {"record": name, "sha256": hashlib.sha256(one.data).hexdigest(), "by": "me"}
        body |= {"at": at.isoformat(), "reason": "why", "operation": "20260131T083000000000-00000000"}
        key = f"operations/fixed/{hashlib.sha256(name.encode()).hexdigest()}.json"
        self.s3.put(QUARANTINE, key, json.dumps(body).encode(), at)

    def mark(self, one: Record, at: datetime, *, fixed: bool) -> None:
        body = json.dumps({"record": record_name(one[:3]), "fixed": fixed}).encode()
        self.s3.put(
            QUARANTINE, f"operations/redriven/{at:%Y-%m-%d/%H%M%S}-{record_name(one[:3])}.ndjson", body, at
        )

    def add(self, position: int, fate: Fate) -> None:
        """Add a record: what arrived, what became of it then, and what when it was sent again."""
        arrived, again = (ARRIVED + MINUTE * minutes for minutes in (fate.arrival, fate.again))
        # Marks say to the second when.
        again = again.replace(microsecond=0)
        event_time = (ARRIVED + MINUTE * (fate.event - 60)).isoformat(timespec="seconds")
        good = {"product_id": "a", "price": position + 1, "event_time": event_time}
        arrival_ms = ARRIVAL_MS + fate.arrival * 60_000
        accepted = record(good, position, arrival_ms=arrival_ms)
        bad = record(good | {"price": 1.999}, position, arrival_ms=arrival_ms)
        self._first(fate, accepted, bad, arrived)
        if fate.kind.endswith(("fixed", "another product", "fix refused, redriven")):
            self._fix(fate, accepted, again)
        elif "fix" in fate.kind:
            self.claim(accepted, again)
            if "begun" not in fate.kind:
                self.archive(accepted, ACCEPTED, again)
            if "refused" in fate.kind:
                self.reject(accepted, Reason.CATALOG_REFUSED, again)
        elif "redriven" in fate.kind:
            self._redrive(fate, accepted, again)
        since = arrived if fate.kind == "accepted" else None
        if fate.kind.endswith((", fixed", "redriven", "without a mark")):
            since = again
        outcome = decode(accepted)
        assert isinstance(outcome, Update)
        if since is not None:
            self.known.append((since, outcome.version))

    def _first(self, fate: Fate, accepted: Record, bad: Record, arrived: datetime) -> None:
        if fate.kind == "of another product, fixed":
            bad = bad._replace(data=bad.data.replace(b'"a"', b'"b"'))
        if fate.kind.startswith(("accepted", "refused")):
            self.archive(accepted, ACCEPTED, arrived)
        if fate.kind.startswith("refused"):
            self.reject(accepted, Reason.CATALOG_REFUSED, arrived)
        if fate.kind.startswith(("bad", "of another", "fixed to")):
            self.archive(bad, PRICE, arrived)
            self.reject(bad, PRICE, arrived)
        if "condemned" in fate.kind:
            first = accepted
            if "aggregate" in fate.kind:
                first = accepted._replace(sub_sequence=-1, data=aggregate([("k", accepted.data)]))
            self.archive(first, Reason.KILLED_PROCESS, arrived)
            self.reject(first, Reason.KILLED_PROCESS, arrived)

    def _fix(self, fate: Fate, accepted: Record, again: datetime) -> None:
        sent = accepted
        if fate.kind == "fixed to another product":
            sent = accepted._replace(data=accepted.data.replace(b'"a"', b'"b"'))
        refused = "refused" in fate.kind
        self.claim(sent, again - 2 * MINUTE)
        self.archive(sent, ACCEPTED, again - 2 * MINUTE if refused else again)
        if refused:
            self.reject(sent, Reason.CATALOG_REFUSED, again - 2 * MINUTE)
        self.mark(sent, again, fixed=not refused)

    def _redrive(self, fate: Fate, accepted: Record, again: datetime) -> None:
        self.archive(accepted, ACCEPTED, again - MINUTE if "record refused" in fate.kind else again)
        whole = accepted._replace(sub_sequence=-1)
        match fate.kind:
            case "condemned, redriven without a mark":
                self.claim(accepted, again)
            case "aggregate condemned, record refused, redriven":
                self.reject(accepted, Reason.CATALOG_REFUSED, again - MINUTE)
                self.mark(accepted, again, fixed=False)
                self.mark(whole, again + MINUTE, fixed=False)
            case "aggregate condemned, redriven":
                self.mark(whole, again, fixed=False)
            case _:
                self.mark(accepted, again, fixed=False)

    def said(self, moment: datetime | None) -> str | None:
        """Return the version that the table had."""
        return max((version for at, version in self.known if moment is None or at <= moment), default=None)


async def explained(connections: Connections, moment: datetime | None) -> str | None:
    damage = Damage()
    found = await search(connections, "a", Span(None, moment), damage=damage, advance=lambda _: None)
    holder = history(await with_repairs(connections, "a", found, moment, damage)).state["price"]
    assert damage.count == 0, damage.first
    return None if holder is None else holder.version


async def replayed(connections: Connections, moment: datetime | None) -> str | None:
    end_ms = 2**63 if moment is None else round(moment.timestamp() * 1000) + 1
    selection = Selection(0, end_ms, frozenset({"a"}))
    source = SourceWithout(
        BucketSource(await connections.aws("s3"), ARCHIVE), await left_out(connections, moment, selection)
    )
    folded: list[Change] = []

    async def write(changes: list[Change]) -> None:
        folded.extend(changes)

    keys = [found.key async for found in source.found(selection)]
    await ObjectFolder(source, selection, ReplayReport(), write).run(keys)
    rows = [dict(zip(ROW_COLUMNS, change.row, strict=True)) for change in folded]
    return str(rows[0]["price_version"]) if rows else None


async def check(fates: Sequence[Fate]) -> None:
    past = Past()
    for position, fate in enumerate(fates):
        past.add(position, fate)
    connections = connections_to(past.s3)
    for moment in (None, *(ARRIVED + MINUTE * minutes for minutes in MINUTES)):
        answers = [await answer(connections, moment) for answer in (explained, replayed)]
        assert answers == [past.said(moment)] * 2, moment


@settings(deadline=None, max_examples=60)
@given(st.lists(FATES, min_size=1, max_size=4))
def test_the_past_has_one_answer(fates: Sequence[Fate]) -> None:
    asyncio.run(check(fates))


def test_every_fate_alone() -> None:
    for kind in KINDS:
        asyncio.run(check([Fate(kind, 0, 1, 6)]))
