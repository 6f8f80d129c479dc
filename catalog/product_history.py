"""Every update received of one product: applied or not, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from catalog.objects import Identity
from catalog.repair.repairs import Repair
from processor.product import REGISTERS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one field of an update.

    `state`: `newest` of all; `current`, if the row was read and holds it, or `missing` if it does not;
    `replaced` by a newer one after it was applied; `older` than one that was there already; `same version` as
    one that was. `by`: the number of the other update.
    """

    state: str
    by: int | None = None


@dataclass(kw_only=True, slots=True)
class Received:
    """One record of the product. `number`: its place in version order, from 1.

    `values`: register → value inside; `reason`, `message`: why it was rejected; then it has no values.
    `version`: what orders it; of a rejected record, as if it had happened when it arrived. `digest`: of its
    bytes; `is_whole`: they are an aggregate. `written_at`: when its first archive object was. `repair`: how
    it was accepted after it had been rejected. `became`: the updates that a rejected one was repaired to.
    `moved_to`, `moved_from`: the other product, if a fix changed that.
    """

    shard: str
    sequence_number: str
    sub_sequence: int
    partition_key: str | None
    arrival_ms: int
    version: str
    supplier: str | None
    values: Mapping[str, object]
    reason: str | None
    message: str | None
    key: str
    line: int
    digest: str
    is_whole: bool
    written_at: datetime
    repair: Repair | None = None
    became: "list[Received]" = field(default_factory=list)
    moved_to: str | None = None
    moved_from: str | None = None
    number: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """The record's identity."""
        return self.shard, self.sequence_number, self.sub_sequence

    @property
    def known_at(self) -> datetime:
        """When the catalog got it: its arrival, but of a repaired record when it was repaired."""
        return self.repair.at if self.repair else _EPOCH + timedelta(milliseconds=self.arrival_ms)

    @property
    def event_time(self) -> str | None:
        """The update's event time in UTC; None if it was rejected."""
        return self.version.partition(" ")[0] if self.reason is None else None


@dataclass(frozen=True, slots=True)
class History:
    """Every update of a product, in version order, and what they make of it.

    `state`: register → the update that set it; None if none did.
    """

    received: Sequence[Received]
    state: Mapping[str, Received | None]


def history(received: Sequence[Received]) -> History:
    """Return the updates in version order, each with what became of it in the order of arrival.

    The catalog ends the same in any order. That of arrival says what the catalog went through; within a
    batch, or between shards, it may have gone another way.
    """
    ordered = sorted(received, key=_place)
    for number, one in enumerate(ordered, 1):
        one.number, one.outcomes = number, {}
    state: dict[str, Received | None] = dict.fromkeys(REGISTERS)
    for one in sorted(ordered, key=_arrived):
        for name in one.values:
            holder = state[name]
            if holder is None or one.version > holder.version:
                if holder is not None:
                    holder.outcomes[name] = Outcome("replaced", one.number)
                one.outcomes[name], state[name] = Outcome("newest"), one
            elif one.version == holder.version:
                one.outcomes[name] = Outcome("same version", holder.number)
            else:
                one.outcomes[name] = Outcome("older", holder.number)
    return History(ordered, state)


def column_value(name: str, inside: object) -> object:
    """Return a register's value inside as its column holds it."""
    # The registers of money are the only ones in another unit: whole cents (ADR 5).
    if name in REGISTERS and REGISTERS[name].parameter == "bigint" and isinstance(inside, int):
        return Decimal(inside).scaleb(-2)
    return inside


def shown_value(name: str, inside: object) -> str:
    """Return the same as text."""
    value = column_value(name, inside)
    if value is None:
        return "no value"
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(state: Mapping[str, Received | None], row: asyncpg.Record | None) -> list[str]:
    """Return how a row differs from what the updates make of the product: a sentence for each field."""
    if row is None:
        return ["the catalog has no row"] if any(state.values()) else []
    found = [] if any(state.values()) else ["the catalog has a row, and nothing was received that made it"]
    for name, holder in state.items():
        if _is_held(name, holder, row):
            continue
        expected = (
            "unset" if holder is None else f"{shown_value(name, holder.values[name])} by {holder.number}"
        )
        is_ = shown_value(name, row[name])
        found.append(f"{name} is {is_} by {row[f'{name}_version'] or 'no update'}; expected {expected}")
    return found


def mark_held(told: History, row: asyncpg.Record | None) -> None:
    """Note of the newest update of each field whether the row holds it."""
    for name, holder in told.state.items():
        if holder is not None:
            is_held = row is not None and _is_held(name, holder, row)
            holder.outcomes[name] = Outcome("current" if is_held else "missing")


def _is_held(name: str, holder: Received | None, row: asyncpg.Record) -> bool:
    version = row[f"{name}_version"]
    if holder is None:
        return version is None
    return version == holder.version and holds(name, row[name], holder.values[name])


def holds(name: str, stored: Any, inside: object) -> bool:
    """Return whether a column holds this value inside."""
    register = REGISTERS[name]
    try:
        return register.read(register.to_cache(stored)) == inside
    except Exception:  # noqa: BLE001 a column that somebody else has written may hold anything
        return False


def _place(one: Received) -> tuple[str, bool]:
    """Return the place in the list; what was repaired stands before what it became."""
    return min((each.version for each in one.became), default=one.version), not one.became


def _arrived(one: Received) -> tuple[datetime, str, int, str, int]:
    return one.known_at, one.shard, len(one.sequence_number), one.sequence_number, one.sub_sequence
