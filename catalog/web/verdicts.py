"""The six invariants, as what can be measured says: each verdict with when it was reached, and by what.

I1 to I5 are checked when somebody asks, by the functions of `catalog diff` and `catalog archive verify`. I6
is watched: it shows only while the cache is away.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from catalog.archive.findings import Finding, Verification
from catalog.archive.spill import open_spill
from catalog.archive.verify import Scope, verify
from catalog.connections import Connections, connected
from catalog.environment import Environment
from catalog.failures import WaitingFailures, waiting_failures
from catalog.replay.compare import Comparison, compare
from catalog.replay.workers import Plan, open_source
from catalog.running import explained
from catalog.status.staleness import Staleness, read_staleness
from catalog.terminal_text import counted, safe
from catalog.web.flow import Batch
from processor.archive_replay import ReplayReport, Selection
from processor.s3_objects import ARCHIVE_PREFIX, QUARANTINE_PREFIX

HOLDS, BROKEN, UNKNOWN = "holds", "broken", "unknown"
NAMES = {
    "I1": "converges",
    "I2": "archived",
    "I3": "quarantined",
    "I4": "never stale",
    "I5": "honest",
    "I6": "independent",
}
_CHECKED = ("I1", "I2", "I3", "I4", "I5")
_SHOWN = 3
_WIDEST = 300
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of an invariant: `holds`, `broken` or `unknown`. `by`: what says so."""

    state: str
    detail: str
    by: str
    at: datetime | None = None


@dataclass(slots=True)
class _Outage:
    """A time without the cache, and what the catalog got in it."""

    begin: datetime
    end: datetime | None = None
    batches: int = 0
    updates: int = 0
    unfinished: int = 0


@dataclass(slots=True)
class Verdicts:
    """The verdicts as they stand; `on_change` is called with their document."""

    environment: Environment
    on_change: Callable[[Any], None]
    _known: dict[str, Verdict] = field(default_factory=dict)
    _checking_since: datetime | None = None
    _took_seconds: float | None = None
    _outage: _Outage | None = None
    _told: _Outage | None = None
    _database_is_away: bool = False
    _task: "asyncio.Task[None] | None" = None

    def document(self) -> dict[str, Any]:
        """Return all of them."""
        verdicts = self._known | {"I6": self._independent()}
        unchecked = Verdict(UNKNOWN, "not checked yet", "")
        return {
            "verdicts": [
                {"id": id_, "name": name, **_members(verdicts.get(id_, unchecked))}
                for id_, name in NAMES.items()
            ],
            "checking_since": self._checking_since,
            "took_seconds": self._took_seconds,
            "scope": scope_of(self.environment)[2],
        }

    def check(self) -> bool:
        """Begin to check I1 to I5; return False if that is going on."""
        if self._checking_since is not None:
            return False
        self._checking_since = datetime.now(UTC)
        self._task = asyncio.create_task(self._check())
        self.on_change(self.document())
        return True

    def note_part(self, name: str, part: Any) -> None:
        """Note how a store is, as status has it."""
        is_away = isinstance(part, dict) and "error" in part
        if name == "database":
            self._database_is_away = is_away
        if name != "cache":
            return
        if is_away == (self._outage is not None):
            return
        if is_away:
            self._outage = _Outage(datetime.now(UTC))
        elif self._outage is not None:
            self._outage.end = datetime.now(UTC)
            # One in which no batch came tells nothing.
            self._told = self._outage if self._outage.batches else self._told
            self._outage = None
        self.on_change(self.document())

    def note_batches(self, batches: Sequence[Batch]) -> None:
        """Note what the function did."""
        outage = self._outage
        # Without the database, nothing reaches the catalog, whatever the cache does.
        if outage is None or self._database_is_away or not batches:
            return
        for batch in batches:
            if batch.at >= outage.begin.timestamp():
                outage.batches += 1
                outage.updates += batch.accepted
                outage.unfinished += batch.is_unfinished
        self.on_change(self.document())

    def _independent(self) -> Verdict:
        by = "the function's log while the cache is away"
        outage = self._outage or self._told
        if outage is None:
            return Verdict(UNKNOWN, "the cache has not been away while this page was open", by)
        until = f"to {outage.end:%H:%M:%S}" if outage.end else "on"
        when = f"without the cache from {outage.begin:%H:%M:%S} {until} (UTC)"
        at = outage.end or datetime.now(UTC)
        if not outage.batches:
            return Verdict(UNKNOWN, f"{when}, no batch came", by, at)
        if outage.unfinished:
            detail = f"{when}, {outage.unfinished:,} of {outage.batches:,} batches were not finished"
            return Verdict(BROKEN, detail, by, at)
        detail = f"{when}, {outage.updates:,} updates reached the catalog in {outage.batches:,} batches"
        return Verdict(HOLDS, detail, by, at)

    async def _check(self) -> None:
        begun = time.monotonic()
        try:
            # On a thread with connections of its own: reading an archive would hold up the page.
            self._known = await asyncio.to_thread(asyncio.run, measured(self.environment))
        except Exception as error:
            told = explained(error)
            if told is None:
                raise
            failed = Verdict(UNKNOWN, f"could not be checked: {safe(told, _WIDEST)}", "", datetime.now(UTC))
            self._known = dict.fromkeys(_CHECKED, failed)
        finally:
            self._checking_since, self._took_seconds = None, time.monotonic() - begun
            self.on_change(self.document())


def scope_of(environment: Environment) -> tuple[Scope, Selection, str]:
    """Return what is checked: all of a local run's archive; on AWS what arrived since yesterday began."""
    if environment.variables is not None:
        return Scope(), Selection(), "everything that arrived"
    today = datetime.now(UTC).date()
    begin = today - timedelta(days=1)
    since = datetime(begin.year, begin.month, begin.day, tzinfo=UTC)
    begin_ms = (since - _EPOCH) // timedelta(milliseconds=1)
    return Scope(begin, today), Selection(begin_ms), f"what arrived since {begin}"


async def measured(environment: Environment) -> dict[str, Verdict]:
    """Return the verdicts on I1 to I5."""
    scope, selection, _ = scope_of(environment)
    async with connected(environment) as connections:
        staleness = await read_staleness(connections)
        report, compared = await _compared(connections, selection)
        with open_spill() as spill:
            verified = await verify(connections, scope, spill, table=True, progress=lambda _: None)
        failures = await waiting_failures(connections)
    now = datetime.now(UTC)
    verdicts = {
        "I1": _converges(report, compared, now),
        "I2": _archived(verified, now),
        "I3": _quarantined(verified, now),
        "I4": _never_stale(staleness, now),
    }
    return verdicts | {"I5": _honest(verdicts, failures, now)}


async def _compared(connections: Connections, selection: Selection) -> tuple[ReplayReport, Comparison]:
    with tempfile.TemporaryDirectory(prefix="catalog-console-") as folder:
        plan = Plan(environment=connections.environment, selection=selection, spill=Path(folder))
        source = await open_source(plan, connections)
        return await compare(
            connections, plan, source, workers=os.cpu_count() or 1, limit=_SHOWN, advance=lambda _: None
        )


def _converges(report: ReplayReport, found: Comparison, now: datetime) -> Verdict:
    by = "catalog diff"
    if found.kinds:
        shown = ", ".join(f"{safe(one.product_id, 40)} {one.field}: {one.kind}" for one in found.differences)
        return Verdict(BROKEN, f"{counted(found.kinds.total(), 'difference')}: {shown}", by, now)
    if not report.is_clean:
        return Verdict(UNKNOWN, "a part of the archive cannot be read", by, now)
    detail = f"{counted(found.products, 'product')}: each row is the fold of its accepted updates"
    return Verdict(HOLDS, detail, by, now)


def _archived(found: Verification, now: datetime) -> Verdict:
    records, objects = (
        sum(getattr(day, name) for day in found.days.values()) for name in ("records", "objects")
    )
    detail = (
        f"{counted(records, 'record')} in {counted(objects, 'object')}, each object as its key's hash says"
    )
    return _verdict([one for one in found.findings if not _is_of_quarantine(one)], detail, now)


def _quarantined(found: Verification, now: datetime) -> Verdict:
    rejected = sum(day.rejected for day in found.days.values())
    detail = f"{counted(rejected, 'rejected record')}, all in quarantine"
    return _verdict([one for one in found.findings if _is_of_quarantine(one)], detail, now)


def _verdict(findings: Sequence[Finding], detail: str, now: datetime) -> Verdict:
    if findings:
        shown = "; ".join(safe(one.text(), 120) for one in findings[:_SHOWN])
        return Verdict(BROKEN, f"{counted(len(findings), 'finding')}: {shown}", "catalog archive verify", now)
    return Verdict(HOLDS, detail, "catalog archive verify", now)


def _is_of_quarantine(finding: Finding) -> bool:
    """Return whether it is about what was rejected: an object of quarantine, or a line that is not there.

    What is missing of an object in quarantine is its line in the archive.
    """
    if finding.kind == "missing":
        return finding.key.startswith(ARCHIVE_PREFIX)
    return finding.key.startswith(QUARANTINE_PREFIX)


def _never_stale(found: Staleness, now: datetime) -> Verdict:
    by = f"catalog show, of {found.sample}"
    if found.stale:
        shown = ", ".join(safe(product_id, 40) for product_id in found.stale[:_SHOWN])
        waiting = f"; {found.pending:,} invalidations are pending" if found.pending else ""
        state = UNKNOWN if found.pending else BROKEN
        return Verdict(
            state,
            f"{len(found.stale):,} of {found.cached:,} differ from their rows: {shown}{waiting}",
            by,
            now,
        )
    if not found.cached:
        return Verdict(HOLDS, "nothing is cached, so that nothing can be stale", by, now)
    return Verdict(HOLDS, f"{counted(found.cached, 'cached product')}, each like its row", by, now)


def _honest(verdicts: dict[str, Verdict], failures: WaitingFailures, now: datetime) -> Verdict:
    by = "I1, I2 and I3: all that is archived is in a row or in quarantine"
    states = {verdicts[id_].state for id_ in ("I1", "I2", "I3")}
    waiting = f"; {counted(failures.objects, 'failed batch')} wait to be redriven" if failures.objects else ""
    if BROKEN in states:
        return Verdict(
            BROKEN, f"something acknowledged is not where it should be: see above{waiting}", by, now
        )
    if UNKNOWN in states:
        return Verdict(UNKNOWN, f"what it rests on is not known{waiting}", by, now)
    detail = "each archived record has its row or its quarantine line, and each row its record"
    return Verdict(HOLDS, detail + waiting, by, now)


def _members(verdict: Verdict) -> dict[str, Any]:
    return {"state": verdict.state, "detail": verdict.detail, "by": verdict.by, "at": verdict.at}
