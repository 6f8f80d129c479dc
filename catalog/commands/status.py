"""`catalog status`: lag, throughput, failures, quarantine, invalidations, stores and alarms on one screen."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from catalog.connections import Connections
from catalog.console import Output
from catalog.failures import WaitingFailures
from catalog.options import AsJson, EnvironmentName
from catalog.running import run
from catalog.status.alarms import Alarm
from catalog.status.flow import Rejections, Throughput
from catalog.status.lag import Lag
from catalog.status.report import Memory, Status, Unreachable, read_status
from catalog.status.retries import MINUTES, Retries
from catalog.status.stores import CacheState, DatabaseState, PendingInvalidations
from catalog.terminal_text import counted, safe

_RED = "bold red"
_SHARDS_SHOWN = 6
_REASONS_SHOWN = 6
_BLOCKERS_SHOWN = 3
_APPLICATIONS_SHOWN = 6
# Above, the screen says who has them. The alarm database-connections goes off at 90 %.
_CONNECTIONS_SHARE = 0.8
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(
    env: EnvironmentName = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=1, help="With --watch: seconds between two looks.")
    ] = 5,
) -> None:
    """Show how the environment is: lag, throughput, failures, quarantine, invalidations, stores, alarms.

    Figures come from CloudWatch. Where it has none, as on one machine, some are counted in the archive, which
    is then said; `–` is unknown.

    Exit code 1: an alarm is on, or a part cannot be reached; the other parts are shown all the same.

    `--json`: `environment`, `at`, and `alarms`, `lag`, `retries`, `throughput`, `failures`, `rejections`,
    `pending`, `database`, `cache`, each of which is `{"error": …}` if it cannot be reached; with `--watch`
    one line each time.

    Examples:

        catalog status --env prod
        catalog status --watch --every 10
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        memory, code = Memory(), 0
        if not watch:
            found = await read_status(connections, memory)
            output.data(_plain(asdict(found)), _screen(found))
            return 0 if found.is_well else 1
        try:
            with output.redrawn() as show:
                while True:
                    found = await read_status(connections, memory)
                    code = 0 if found.is_well else 1
                    show(_plain(asdict(found)), _screen(found))
                    await asyncio.sleep(every)
        except asyncio.CancelledError:
            return code  # Ctrl-C is how a person ends it

    run(env, output, command)


def _screen(found: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row(Text(found.environment, "bold"), found.at.isoformat(timespec="seconds"))
    table.add_row()
    for name in Status.__dataclass_fields__:
        if name in ("environment", "at"):
            continue
        part = getattr(found, name)
        label = {"failures": "failed batches", "rejections": "quarantine", "pending": "invalidations"}
        table.add_row(
            Text(label.get(name, name), "bold"),
            Text("\n").join(_lines(part, found.at)),
        )
    return table


def _lines(part: Any, now: datetime) -> Iterator[Text]:
    match part:
        case Unreachable(error):
            yield Text(safe(error, 300), _RED)
        case list():
            yield from _alarms(part, now)
        case Lag():
            yield from _lag(part)
        case Retries():
            yield _retries(part)
        case Throughput():
            yield from _throughput(part)
        case WaitingFailures():
            yield _failures(part, now)
        case Rejections():
            yield from _rejections(part)
        case _:
            yield from _stores(part, now)


def _stores(part: Any, now: datetime) -> Iterator[Text]:
    match part:
        case PendingInvalidations():
            yield Text(f"{part.count:,} pending{_since(part.oldest_at, now)}")
        case DatabaseState():
            yield from _database(part)
        case CacheState():
            yield _cache(part)


def _alarms(alarms: list[Alarm], now: datetime) -> Iterator[Text]:
    on = [alarm for alarm in alarms if alarm.state == "ALARM"]
    if not alarms:
        yield Text("– CloudWatch has none of this environment")
    elif not on:
        yield Text(f"none of {len(alarms)} is on")
    for alarm in on:
        yield Text(f"{safe(alarm.name)}{_since(alarm.since, now, 'for')}: {safe(alarm.reason, 200)}", _RED)


def _lag(lag: Lag) -> Iterator[Text]:
    yield Text(f"iterator age {_duration(lag.iterator_age_seconds)}")
    behind = [one for one in lag.shards if one.behind_seconds != 0]
    behind.sort(key=lambda one: float("-inf") if one.behind_seconds is None else -one.behind_seconds)
    yield Text(f"{counted(len(lag.shards), 'shard')}, {len(behind) or 'none'} behind")
    for one in behind[:_SHARDS_SHOWN]:
        note = f" ({one.note})" if one.note else ""
        yield Text(f"  {safe(one.shard)}  {_duration(one.behind_seconds)}{note}")
    if len(behind) > _SHARDS_SHOWN:
        yield Text(f"  … {len(behind) - _SHARDS_SHOWN} more (--json)")
    for what in lag.missing:
        yield Text(f"– {what}", "dim")


def _retries(part: Retries) -> Text:
    if part.errors is None and part.unfinished is None:
        return Text(f"– CloudWatch has no invocation in {MINUTES} min")
    errors, unfinished = part.errors or 0, part.unfinished or 0
    if not errors and not unfinished:
        return Text(f"none: no invocation failed in {MINUTES} min")
    failed = f"{counted(errors, 'invocation')} failed, {unfinished:,} ended unfinished in {MINUTES} min"
    return Text(f"{failed}: their batches are tried again", _RED)


def _throughput(part: Throughput) -> Iterator[Text]:
    for place, minutes in enumerate((5, 60)):
        numbers = (
            f"{'–' if counts is None else f'{counts[place]:,}'} {name}"
            for name, counts in part.counts.items()
        )
        yield Text(f"{minutes:>2} min: {', '.join(numbers)}")
    if part.source != "metrics":
        counted = "CloudWatch has no metrics: counted in the archive"
        yield Text(f"– {counted if part.source == 'archive' else part.source}", "dim")


def _failures(part: WaitingFailures, now: datetime) -> Text:
    queued = f"about {counted(part.queue_messages, 'message')}"
    if part.queue_messages > part.objects:
        queued += " (one may be S3's test event)"
    return Text(
        f"{part.objects:,} to redrive{_since(part.oldest_at, now)}; {queued}", _RED if part.objects else ""
    )


def _rejections(part: Rejections) -> Iterator[Text]:
    if not part.by_reason:
        yield Text("no record was rejected in 24 hours")
        return
    yield Text(f"{'':<24}{'today':>9}{'24 h':>9}  repaired since")
    rows = [
        (reason, *counts, (part.repaired or {}).get(reason, 0)) for reason, counts in part.by_reason.items()
    ]
    shown, rest = rows[:_REASONS_SHOWN], rows[_REASONS_SHOWN:]
    if rest:
        today, day, repaired = (sum(column) for column in list(zip(*rest, strict=True))[1:])
        shown.append((counted(len(rest), "other reason"), today, day, repaired))
    for reason, today, day, repaired in shown:
        repairs = "–" if part.repaired is None else f"{repaired:,}"
        yield Text(f"{safe(reason, 24):<24}{today:>9,}{day:>9,}{repairs:>16}")


def _database(part: DatabaseState) -> Iterator[Text]:
    longest = part.longest_statement_seconds
    running = "no statement runs" if longest is None else f"longest statement {_duration(longest)}"
    share = f"{part.connections} of {part.connections_allowed} connections"
    yield Text(f"{share}, {_size(part.size_bytes)}, {running}")
    for one in part.blockers[:_BLOCKERS_SHOWN]:
        who = f"{safe(one.application or 'no name')}, role {safe(one.role)}"
        yield Text(f"statements wait for a lock of process {one.pid} ({who})", _RED)
    if part.connections >= _CONNECTIONS_SHARE * part.connections_allowed:
        used = (
            f"{count} {safe(name or 'no name')}"
            for name, count in list(part.applications.items())[:_APPLICATIONS_SHOWN]
        )
        yield Text(f"used by: {', '.join(used)}", _RED)


def _cache(part: CacheState) -> Text:
    memory = "– memory" if part.memory_bytes is None else _size(part.memory_bytes)
    share = "" if part.memory_share is None else f" ({part.memory_share:.0%})"
    evictions = "–" if part.evictions is None else f"{part.evictions:,}"
    hits = "–" if part.hit_rate is None else f"{part.hit_rate:.1%}"
    when = "since it started" if part.source == "server" else "in an hour"
    return Text(f"{memory}{share}, {evictions} evictions, {hits} hits {when}")


def _since(moment: datetime | None, now: datetime, word: str = "the oldest for") -> str:
    return "" if moment is None else f", {word} {_duration(max((now - moment).total_seconds(), 0.0))}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _plain(value: Any) -> Any:
    """Return a document without objects that JSON does not know: moments are RFC 3339."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case datetime():
            return value.isoformat()
        case _:
            return value
