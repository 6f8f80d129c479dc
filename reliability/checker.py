"""The checker of I1–I6. It shares no code with the processor: its own decoder, order and fold of the feed.

It knows what was put on the stream, and looks at the stores: rows, objects, cached values.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from local.feed_lines import DEFAULTS, Identity, fields_of, read_lines
from reliability.rules import judge

WHOLE_AGGREGATE = -1
# How long a value may be cached after it is old: its time to live, a lease's, and the drain's own allowance.
_TIME_TO_LIVE_SECONDS = 300
STALE_SECONDS = _TIME_TO_LIVE_SECONDS + 10 + 20
# After so many deaths of processes that worked on a record alone, it may be taken for their cause.
_DEATHS = 3


class Violation(NamedTuple):
    """A broken invariant, and how; `at`: when it was found, in seconds."""

    invariant: str
    what: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A user record as it was put: its own contents, and what becomes of it.

    `fields`: what it says of its product; empty if it is no update. `order`: what orders updates of a field.
    `is_refused`: the table does not take it. `is_poison`: it kills every process that works on it.
    """

    identity: Identity
    data: bytes
    product: str
    fields: Mapping[str, Any]
    order: tuple[datetime, int, int, str]
    is_refused: bool = False
    is_poison: bool = False

    @property
    def is_good(self) -> bool:
        """Whether its fields belong in the catalog."""
        return bool(self.fields) and not self.is_refused and not self.is_poison


class State(NamedTuple):
    """A product's fields from a time on."""

    since: float
    fields: Mapping[str, Any]


class Stores(Protocol):
    """What the checker looks at, simulated or real."""

    def now(self) -> float:
        """Return the time in seconds."""

    def states(self, product: str) -> Sequence[State]:
        """Return all states of a product's row, the newest last."""

    def products(self) -> Sequence[str]:
        """Return the products that have a row."""

    def pending(self) -> set[str]:
        """Return the products that have a pending invalidation."""

    def cached(self) -> Mapping[str, bytes]:
        """Return the cached values by product, without those whose deletion a failover of the cache lost."""

    def seconds_to_live(self, product: str) -> float:
        """Return how long a product will be cached."""

    def objects(self, kind: str) -> Mapping[str, bytes]:
        """Return the objects of the `archive` or of the `quarantine`, by key."""


def decode(
    identity: Identity,
    data: bytes,
    arrived_at: datetime,
    *,
    refuses: Callable[[Mapping[str, Any]], bool],
    poison: str | None,
) -> Received:
    """Return what a record of the feed says, by the rules for suppliers."""
    shard, number, sub_sequence = identity
    judged = judge(data, round(arrived_at.timestamp() * 1000))
    return Received(
        identity=identity,
        data=data,
        product=judged.product_id,
        fields=judged.fields,
        order=(judged.event_time, int(number), sub_sequence, shard),
        is_refused=bool(judged.fields) and refuses(judged.fields),
        is_poison=judged.product_id == poison,
    )


@dataclass(slots=True)
class Checker:
    """Checks at each answer, at each read, and at the end."""

    stores: Stores
    received: dict[tuple[str, str], list[Received]] = field(default_factory=dict)
    whole: dict[tuple[str, str], bytes] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    deaths_alone: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _updates: dict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))
    _lines: dict[str, dict[str, list[tuple[Identity, bytes, dict[str, Any]]]]] = field(
        default_factory=lambda: {"archive": {}, "quarantine": {}}
    )

    def put(self, shard: str, number: str, whole: bytes, records: Sequence[Received]) -> None:
        """Learn what was put on the stream."""
        self.received[shard, number] = list(records)
        self.whole[shard, number] = whole
        for record in records:
            if record.is_good:
                self._updates[record.product].append(record)

    def answered(self, records: Sequence[tuple[str, str]]) -> None:
        """Check what was acknowledged at this moment (I5)."""
        archived, quarantined = self.stored("archive"), self.stored("quarantine")
        cached, pending = self.stores.cached(), self.stores.pending()
        for key in records:
            whole = (*key, WHOLE_AGGREGATE) if len(self.received[key]) > 1 else (*key, 0)
            is_condemned = self._may_be_condemned(key) and whole in quarantined
            if is_condemned and whole in archived:
                continue
            for record in self.received[key]:
                is_quarantined = record.identity in quarantined
                if record.identity not in archived:
                    self._violated("I5", f"{record.identity} was acknowledged, and is not in the archive")
                if not record.fields and not is_quarantined:
                    self._violated("I5", f"{record.identity} was acknowledged, and is not in quarantine")
                if record.is_good:
                    self._check_row(record)
                    self._check_cached(record, cached, pending)
                elif record.is_refused and not is_quarantined and not self._is_superseded(record):
                    self._violated("I5", f"{record.identity} was refused, and is not in quarantine")

    def read(self, product: str, began: float, found: Mapping[str, Any] | None) -> None:
        """Check what a reader returned that began to read then (I4)."""
        states = self.stores.states(product)
        if found is None:
            if states and states[0].since < began:
                self._violated(
                    "I4", f"a reader found no {product}, which has a row since {states[0].since:.3f}"
                )
            return
        ends = [state.since for state in states[1:]] + [float("inf")]
        allowed = [
            state.fields for state, end in zip(states, ends, strict=True) if end >= began - STALE_SECONDS
        ]
        if found not in allowed:
            self._violated("I4", f"a reader found {product} as {found}, which was not in its row lately")

    def finish(self) -> None:
        """Check the stores once everything is done and quiet (I1–I4)."""
        self._check_catalog()
        self._check_archive()
        self._check_quarantine()
        pending = self.stores.pending()
        for product, value in self.stores.cached().items():
            if self.stores.seconds_to_live(product) > _TIME_TO_LIVE_SECONDS:
                self._violated("I4", f"{product} is cached for longer than {_TIME_TO_LIVE_SECONDS} s")
            states = self.stores.states(product)
            if product not in pending and (not states or fields_of(json.loads(value)) != states[-1].fields):
                row = states[-1].fields if states else None
                self._violated("I4", f"{product} is cached as {value!r}, and its row is {row}")

    def _check_catalog(self) -> None:
        condemned = {
            identity[:2]
            for identity, (_, line) in self.stored("quarantine").items()
            if line["reason"] == "killed_process"
        }
        expected: dict[str, dict[str, Any]] = {}
        for product, updates in self._updates.items():
            for update in sorted(updates, key=lambda one: one.order):
                if update.identity[:2] not in condemned:
                    expected.setdefault(product, dict(DEFAULTS)).update(update.fields)
        actual = {product: dict(self.stores.states(product)[-1].fields) for product in self.stores.products()}
        for product in sorted(expected.keys() | actual.keys()):
            if expected.get(product) != actual.get(product):
                self._violated(
                    "I1",
                    f"{product} is {actual.get(product)}; the fold of its updates is {expected.get(product)}",
                )

    def _check_archive(self) -> None:
        archived = self.stored("archive")
        expected = {record.identity: record.data for records in self.received.values() for record in records}
        for identity, data in expected.items():
            whole = (*identity[:2], WHOLE_AGGREGATE)
            if archived.get(identity, (None,))[0] != data and whole not in archived:
                self._violated(
                    "I2", f"{identity} is in the archive as {archived.get(identity)}, not as {data!r}"
                )
        for identity, (data, _) in archived.items():
            if identity not in expected and data != self.whole.get(identity[:2]):
                self._violated("I2", f"{identity} is in the archive, and was never put")
        seen: dict[Any, str] = {}
        for key, lines in self._lines["archive"].items():
            contents = tuple((identity, data, line["verdict"]) for identity, data, line in lines)
            other = seen.setdefault(contents, key)
            if other != key:
                self._violated("I2", f"the same lines are archived twice: {other} and {key}")

    def _check_quarantine(self) -> None:
        quarantined = self.stored("quarantine")
        expected = {
            record.identity: record
            for records in self.received.values()
            for record in records
            if not record.is_good
        }
        for identity, record in expected.items():
            is_whole = (*identity[:2], WHOLE_AGGREGATE) in quarantined
            is_there = identity in quarantined and quarantined[identity][0] == record.data
            if not is_there and not is_whole and not (record.is_refused and self._is_superseded(record)):
                self._violated("I3", f"{identity} is not in quarantine: {record.data!r}")
        for identity, (_, line) in quarantined.items():
            if not (line["reason"] and line["message"]):
                self._violated("I3", f"{identity} is in quarantine without a reason")
            if identity in expected and not expected[identity].is_poison:
                continue
            if line["reason"] != "killed_process" or not self._may_be_condemned(identity[:2]):
                self._violated("I3", f"{identity} is in quarantine: {line['reason']}, {line['message']}")

    def _check_row(self, record: Received) -> None:
        states = self.stores.states(record.product)
        fields = states[-1].fields if states else {}
        if wrong := self._older(record, fields):
            self._violated(
                "I5", f"{record.identity} was acknowledged; {wrong} of {record.product} is older: {fields}"
            )

    def _check_cached(self, record: Received, cached: Mapping[str, bytes], pending: set[str]) -> None:
        value = cached.get(record.product)
        if value is None or record.product in pending:
            return
        if wrong := self._older(record, fields_of(json.loads(value))):
            self._violated(
                "I5",
                f"{record.identity} was acknowledged; {wrong} of {record.product} is cached older: {value!r}",
            )

    def _older(self, record: Received, fields: Mapping[str, Any]) -> str | None:
        """Return a field that is of no update as new as this one; None if there is none."""
        for name in record.fields:
            values = [
                one.fields[name]
                for one in self._updates[record.product]
                if name in one.fields and one.order >= record.order
            ]
            if fields.get(name) not in values:
                return name
        return None

    def _is_superseded(self, refused: Received) -> bool:
        """Whether a newer update has all of its fields, so that it may have been left out before."""
        newer = [one for one in self._all(refused.product) if one.order > refused.order]
        return all(any(name in one.fields for one in newer) for name in refused.fields)

    def _all(self, product: str) -> list[Received]:
        return [one for records in self.received.values() for one in records if one.product == product]

    def _may_be_condemned(self, key: tuple[str, str]) -> bool:
        return self.deaths_alone[key] >= _DEATHS

    def stored(self, kind: str) -> dict[Identity, tuple[bytes, dict[str, Any]]]:
        """Return data and line of each record in the `archive` or the `quarantine`."""
        known = self._lines[kind]
        for key, body in self.stores.objects(kind).items():
            if key not in known:
                known[key] = list(read_lines(body))
        return {identity: (data, line) for lines in known.values() for identity, data, line in lines}

    def _violated(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(invariant, what, self.stores.now()))
