"""In-memory ports for `process_batch`, with faults on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from processor.adapters.halves import upsert_halves
from processor.batch import process_batch
from processor.errors import (
    CacheUnavailableError,
    CatalogRefusedError,
    DependencyError,
    StatementTimeoutError,
)
from processor.fold import ROW_COLUMNS, Change
from processor.ports import INVALIDATION_SECONDS, PendingInvalidation, Ports, Refusal, Upserted
from processor.product import REGISTERS
from processor.records import Record
from processor.report import BatchReport
from processor.s3_objects import archive_line
from processor.updates import Rejection
from tests.support.events import ARRIVAL_MS
from tests.support.faults import Faults, Plan
from tests.support.simulated_time import simulate

MAX_INTEGER = 2**31 - 1
MAX_CENTS = 10**10 - 1
BUDGET_SECONDS = 48.0


class FakeArchive:
    """See `ports.Archive`; `puts` holds each batch with the outcomes on its records."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.puts: list[list[tuple[Record, str]]] = []

    async def put(self, records: Sequence[Record], outcomes: Sequence[str]) -> None:
        async with self._faults.around("archive.put", DependencyError):
            self.puts.append(list(zip(records, outcomes, strict=True)))

    async def lines(self, key: str) -> AsyncIterator[list[bytes]]:
        """Yield the lines of the batch of this number."""
        async with self._faults.around("archive.lines", DependencyError):
            yield [archive_line(record, outcome) for record, outcome in self.puts[int(key)]]

    @property
    def records(self) -> set[Record]:
        return {record for put in self.puts for record, _ in put}


class FakeQuarantine:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.puts: list[list[Rejection]] = []
        self.noted: dict[tuple[str, str], set[str]] = {}

    async def put(self, rejections: Sequence[Rejection]) -> None:
        assert rejections, "an empty object in quarantine"
        async with self._faults.around("quarantine.put", DependencyError):
            self.puts.append(list(rejections))

    async def note_survival(self, record: Record, process_id: str) -> None:
        async with self._faults.around("quarantine.note_survival", DependencyError):
            self.noted.setdefault((record.shard, record.sequence_number), set()).add(process_id)

    async def survivors(self, record: Record) -> frozenset[str]:
        async with self._faults.around("quarantine.survivors", DependencyError):
            return frozenset(self.noted.get((record.shard, record.sequence_number), ()))
        raise AssertionError

    @property
    def rejections(self) -> list[Rejection]:
        return [rejection for put in self.puts for rejection in put]

    @property
    def reasons(self) -> list[str]:
        return [rejection.reason for rejection in self.rejections]


@dataclass(frozen=True)
class Row:
    """A row of `products`: the internal value and the version of each register that was set."""

    values: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    last_updated: str = ""


class FakeCatalog:
    """See `ports.Catalog`. `refuses` names further changes the table refuses, besides its CHECKs.

    `row_seconds`: how long it works on a row, `refusing_seconds`: on one that it refuses among others;
    `locked`: products whose rows another transaction has locked. `compares_nothing`: it refuses a value even
    in a comparison. `halves_from`: upserts of so many changes go in halves.
    """

    def __init__(self, faults: Faults, refuses: Callable[[Change], bool] = lambda _: False) -> None:
        self._faults = faults
        self.refuses = refuses
        self.row_seconds = 0.0
        self.refusing_seconds = 0.0
        self.locked: set[str] = set()
        self.compares_nothing = False
        self.halves_from = MAX_INTEGER
        self.rows: dict[str, Row] = {}
        self.pending: dict[str, PendingInvalidation] = {}
        self.marks: dict[tuple[str, str], set[str]] = {}
        self.process_id = "this process"
        self.drained_by: str | None = None
        self._standing: set[tuple[str, str]] = set()
        self._last_pending_id = 0

    async def upsert(self, changes: Sequence[Change], *, within_seconds: float) -> Upserted:
        assert changes, "an upsert of nothing"
        assert all(one.product_id < other.product_id for one, other in pairwise(changes)), "order, or twice"
        if len(changes) < self.halves_from:
            return await self._upsert(changes, within_seconds)
        return await upsert_halves(self._upsert, changes, within_seconds)

    async def _upsert(self, changes: Sequence[Change], within_seconds: float) -> Upserted:
        async with self._faults.around("catalog.upsert", DependencyError):
            await self._work(changes, within_seconds)
            if refused := list(filter(self._refusal, changes)):
                raise CatalogRefusedError(f"the table refuses {refused[0].product_id}")
            return Upserted(sum(map(self.apply, changes)), bool(self.pending))
        raise AssertionError

    async def upsert_one_by_one(
        self, changes: Sequence[Change], *, within_seconds: float
    ) -> tuple[Upserted, list[Refusal]]:
        names = [change.product_id for change in changes]
        assert names == sorted(names), "not in the order in which rows are locked"
        async with self._faults.around("catalog.upsert_one_by_one", DependencyError):
            more = self.refusing_seconds * sum(map(self._refusal, changes))
            await self._work(changes, within_seconds, more)
            refusals = [
                Refusal(position, f"the table refuses {change.product_id}")
                for position, change in enumerate(changes)
                if self._refusal(change)
            ]
            changed = sum(self.apply(change) for change in changes if not self._refusal(change))
            return Upserted(changed, bool(self.pending)), refusals
        raise AssertionError

    async def outdated(self, changes: Sequence[Change], *, within_seconds: float) -> list[Change]:
        async with self._faults.around("catalog.outdated", DependencyError):
            if self.compares_nothing:
                raise CatalogRefusedError("a value does not fit")
            return [change for change in changes if self._applied(change) != self.rows.get(change.product_id)]
        raise AssertionError

    async def _work(self, changes: Sequence[Change], within_seconds: float, more: float = 0.0) -> None:
        """Take the time it takes; half of what is left is a statement's, as in `adapters.postgres`."""
        seconds = self.row_seconds * len(changes) + more
        is_locked = not self.locked.isdisjoint(change.product_id for change in changes)
        if is_locked or seconds > within_seconds / 2:
            await asyncio.sleep(max(0.0, within_seconds / 2))
            raise StatementTimeoutError("database: the statement took too long")
        await asyncio.sleep(seconds)

    def _refusal(self, change: Change) -> bool:
        return self.refuses(change) or not _table_takes(change)

    def apply(self, change: Change) -> bool:
        """Change the registers whose version is newer than the one that wrote them; whether any was."""
        row = self._applied(change)
        if row == self.rows.get(change.product_id):
            return False
        self.rows[change.product_id] = row
        return True

    def _applied(self, change: Change) -> Row:
        held = self.rows.get(change.product_id, Row())
        values, versions = dict(held.values), dict(held.versions)
        for name in REGISTERS:
            version = version_in(change, name)
            if version is not None and is_newer(version, held.versions.get(name)):
                values[name], versions[name] = value_in(change, name), version
        return Row(values, versions, max(version[:27] for version in versions.values()))

    async def add_pending_invalidations(self, product_ids: Sequence[str]) -> None:
        async with self._faults.around("catalog.add_pending_invalidations", DependencyError):
            for product_id in product_ids:
                self.add_pending(product_id)

    def add_pending(self, product_id: str) -> int:
        """Add one pending invalidation; return its id."""
        self._last_pending_id += 1
        self.pending[product_id] = PendingInvalidation(self._last_pending_id, product_id)
        return self._last_pending_id

    async def pending_invalidations(self, limit: int, *, after: str = "") -> list[PendingInvalidation] | None:
        async with self._faults.around("catalog.pending_invalidations", DependencyError):
            if self.drained_by not in (None, self.process_id):
                return None
            self.drained_by = self.process_id
            return [entry for name, entry in sorted(self.pending.items()) if name > after][:limit]
        raise AssertionError

    async def remove_pending_invalidations(self, pending: Sequence[PendingInvalidation]) -> int:
        async with self._faults.around("catalog.remove_pending_invalidations", DependencyError):
            removed = [entry for entry in pending if self.pending.get(entry.product_id) == entry]
            for entry in removed:
                del self.pending[entry.product_id]
            return len(removed)
        raise AssertionError

    async def end_drain(self) -> None:
        async with self._faults.around("catalog.end_drain", DependencyError):
            if self.drained_by == self.process_id:
                self.drained_by = None

    async def remove_expired_pending_invalidations(self, older_than_seconds: int) -> int:
        async with self._faults.around("catalog.remove_expired_pending_invalidations", DependencyError):
            return 0
        raise AssertionError

    async def tidy(self) -> None:
        async with self._faults.around("catalog.tidy", DependencyError):
            return

    async def mark_attempt(self, record: Record) -> frozenset[str]:
        identity = (record.shard, record.sequence_number)
        self._standing.add(identity)
        async with self._faults.around("catalog.mark_attempt", DependencyError):
            marks = self.marks.setdefault(identity, set())
            marks.add(self.process_id)
            return frozenset(marks - {self.process_id})
        raise AssertionError

    async def clear_attempts(self, record: Record) -> None:
        async with self._faults.around("catalog.clear_attempts", DependencyError):
            self.marks.pop((record.shard, record.sequence_number), None)
            self._standing.discard((record.shard, record.sequence_number))

    async def take_back_marks(self) -> None:
        if self._standing:
            async with self._faults.around("catalog.take_back_marks", DependencyError):
                for marks in self.marks.values():
                    marks.discard(self.process_id)
                self._standing.clear()


_PLACES = {name: place for place, name in enumerate(ROW_COLUMNS)}


def value_in(change: Change, register: str) -> object:
    """Return a register's value inside; None if the change does not mention it."""
    return change.row[_PLACES[register]]


def version_in(change: Change, register: str) -> str | None:
    """Return the version of a register's value; None if the change does not mention it."""
    version: str | None = change.row[_PLACES[f"{register}_version"]]
    return version


def _table_takes(change: Change) -> bool:
    return 1 <= len(change.product_id) <= 255 and all(
        _column_takes(register.parameter, value_in(change, name)) for name, register in REGISTERS.items()
    )


def _column_takes(parameter: str, value: object) -> bool:
    """Whether a column takes a value, by its kind's type inside."""
    match parameter, value:
        case "integer", int():
            return 0 <= value <= MAX_INTEGER
        case "bigint", int():
            return 0 <= value <= MAX_CENTS
    return True


def is_newer(version: str | None, than: str | None) -> bool:
    """Whether a version wins: compared part by part, not as the text it is stored as."""
    return version is not None and (than is None or _parts(version) > _parts(than))


def _parts(version: str) -> tuple[str, int, int, str]:
    event_time, sequence, sub_sequence, shard, _arrival = version.split(" ")
    return event_time, int(sequence.split(":")[1]), int(sub_sequence), shard


class FakeCache:
    """See `ports.Cache`. `values` is what the shop has cached; `deleting` is called before each delete.

    `hangs`: it does not answer, until the time for it is up.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.values: dict[str, object] = {}
        self.invalidated: list[list[str]] = []
        self.deleting: Callable[[], None] = lambda: None
        self.hangs = False

    async def invalidate(
        self, product_ids: Sequence[str], *, within_seconds: float = INVALIDATION_SECONDS
    ) -> None:
        async with self._faults.around("cache.invalidate", CacheUnavailableError):
            if self.hangs:
                await asyncio.sleep(within_seconds)
                raise CacheUnavailableError("no answer in time")
            self.deleting()
            self.invalidated.append(list(product_ids))
            for product_id in product_ids:
                self.values.pop(product_id, None)


@dataclass
class FakeClock:
    """See `ports.Clock`: the simulated loop's time, from `now` on, and what a computation took of it."""

    now: int = ARRIVAL_MS + 1_000
    computed_seconds: float = 0.0

    def now_ms(self) -> int:
        return self.now + round(self.monotonic() * 1000)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() + self.computed_seconds

    def compute(self, seconds: float) -> None:
        """Let so much time pass without a wait."""
        self.computed_seconds += seconds


class FakeServices:
    """All ports of one pipeline."""

    def __init__(self, plan: Plan = lambda _: None) -> None:
        self.faults = Faults(plan)
        self.archive = FakeArchive(self.faults)
        self.quarantine = FakeQuarantine(self.faults)
        self.catalog = FakeCatalog(self.faults)
        self.cache = FakeCache(self.faults)
        self.clock = FakeClock()
        self.ports = Ports(
            archive=self.archive,
            quarantine=self.quarantine,
            catalog=self.catalog,
            cache=self.cache,
            clock=self.clock,
        )

    async def invoke(self, *batch: Record, budget_seconds: float = BUDGET_SECONDS) -> BatchReport:
        """Process a batch within so many seconds of simulated time."""
        return await process_batch(batch, self.ports, deadline=self.clock.monotonic() + budget_seconds)

    def process(self, *batch: Record, budget_seconds: float = BUDGET_SECONDS) -> BatchReport:
        """Process a batch on a separate event loop, in simulated time."""
        return simulate(self.invoke(*batch, budget_seconds=budget_seconds))
