"""`catalog explain`: every update received of a product, applied or not and why."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from catalog.archive_lines import Damage
from catalog.commands.replay_products import say_many_objects
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UnreachableError
from catalog.options import AsJson, EnvironmentName, Product, some_product
from catalog.product_history import (
    History,
    Outcome,
    Received,
    column_value,
    differences,
    history,
    mark_held,
    shown_value,
)
from catalog.product_repairs import with_repairs
from catalog.product_search import Span, count_objects, search
from catalog.product_state import stored_row
from catalog.running import run
from catalog.terminal_text import counted, safe
from catalog.times import read_time, shown_time
from processor.product import REGISTERS
from processor.timestamps import utc_text

_WIDEST = 600
_WORDS = {
    "missing": "not in the row",
    "replaced": "replaced by",
    "older": "older than",
    "same version": "same version as",
}


At = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="What the catalog said then: a time, a day's end, or an age (1h, 20s).",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    product_id: Product,
    env: EnvironmentName = None,
    as_json: AsJson = False,
    at: At = None,
    begin: Annotated[
        str | None,
        typer.Option("--from", help="Only what arrived since then, such as 6h.", show_default=False),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Only what arrived until then.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="List the newest only, so many.")] = 1000,
) -> None:
    """Explain a product: every update ever received for it, in version order, applied or not and why.

    Reads the archive, all of it without `--from` and `--to`; then the row is compared with what the updates
    make of it. `current`: the row holds it. `not in the row`: it should. `newest`: of these updates, without
    a look at the row. `replaced by 4`: applied, then number 4 was newer. `older than 3`: not applied, the
    newer number 3 was there already. What was rejected first and accepted when an operator fixed it, or sent
    it again, counts from then; a failed batch, from its arrival.

    Exit code 1: nothing was received, the row differs or could not be read, or a part of the archive is
    damaged.

    `--json`: `product_id`, `at`, `state` (field: `value`, `number`), `updates` (each `number`, `event_time`,
    `arrived`, `supplier`, `values`, `outcomes` (field: `state`: newest, current, missing, replaced, older,
    same version; `by`), `repair` (of what was rejected first: `at`, `is_fix`, `by`, `reason`), `became`
    (numbers of what it was repaired to), `moved_to`, `moved_from` (the other product, if a fix changed that),
    `reason`, `message`, `shard`, `sequence_number`, `sub_sequence`, `partition_key`, `object`, `line`),
    `differences` (null: the row was not read), `damaged`.

    Examples:

        catalog explain product123
        catalog explain product123 --env prod --from 2026-01-01 --at 2026-01-31T08:30:00Z
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        some_product(product_id)
        moment = read_time(at, "--at", is_end=True) if at else None
        until = read_time(end, "--to", is_end=True) if end else None
        ends = [one for one in (moment, until) if one is not None]
        span = Span(read_time(begin, "--from") if begin else None, min(ends) if ends else None)
        damage = Damage()
        total = await count_objects(connections, span)
        say_many_objects(output, total, begin)
        with output.progress("reading the archive", total=total) as advance:
            found = await search(connections, product_id, span, damage=damage, advance=advance)
            found = await with_repairs(connections, product_id, found, moment, damage)
        told = history(found)
        is_whole = span == Span()
        differing = await _differing(connections, product_id, told, output) if is_whole else None
        _say_damage(damage, output)
        document = history_document(product_id, moment, told, limit, differing, damage)
        if not found:
            _say_nothing(product_id, moment, total, differing or (), output)
            if as_json:
                output.data(document)
            return 1
        output.data(document, _table(told.received[-limit:]), _ending(told, moment, differing, limit))
        is_unread = is_whole and differing is None
        return 1 if differing or is_unread or damage.count else 0

    run(env, output, command)


async def _differing(
    connections: Connections, product_id: str, told: History, output: Output
) -> list[str] | None:
    try:
        row = await stored_row(connections, product_id)
    except (UnreachableError, asyncpg.PostgresError) as error:
        output.say(f"the row could not be read, so it was not compared: {safe(error, _WIDEST)}")
        return None
    mark_held(told, row)
    return differences(told.state, row)


def _say_nothing(
    product_id: str, moment: datetime | None, objects: int, differing: Sequence[str], output: Output
) -> None:
    by = "" if moment is None else f" by {shown_time(moment)}"
    name = safe(repr(product_id))
    output.say(f"nothing was received of {name}{by} in {counted(objects, 'object')} of the archive")
    for one in differing:
        output.say(f"The row differs: {safe(one, _WIDEST)}")


def _say_damage(damage: Damage, output: Output) -> None:
    for place in damage.first:
        output.say(f"damaged: {safe(place, _WIDEST)}")
    if damage.count > len(damage.first):
        output.say(f"damaged: {damage.count - len(damage.first):,} more (`catalog archive verify`)")


def _table(received: Sequence[Received]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("", "event time, arrived", "supplier"):
        table.add_column(heading, no_wrap=True)
    table.add_column("update", min_width=20)
    table.add_column("outcome", min_width=14)
    for one in received:
        update, outcome = _lines(one)
        table.add_row(
            str(one.number),
            f"{_short(one.event_time)}\n{utc_text(one.arrival_ms)}",
            Text(safe(one.supplier or "–", 12)),
            Text("\n".join(update)),
            Text("\n".join(outcome)),
        )
    return table


def _lines(one: Received) -> tuple[list[str], list[str]]:
    """Return an update's fields and what became of each, a line a field."""
    if one.reason is not None:
        became = [f"{other.repair.verb} as {other.number}" for other in one.became if other.repair]
        if one.moved_to is not None:
            became.append(f"fixed: now product {safe(repr(one.moved_to), 60)}")
        return [safe(one.message or "", 300)], [f"rejected: {safe(one.reason)}", *became]
    update = [f"{name} {safe(shown_value(name, value), 60)}" for name, value in one.values.items()]
    if one.repair is not None:
        update.append(safe(one.repair.text(), 300))
    if one.moved_from is not None:
        update.append(f"sent for product {safe(repr(one.moved_from), 60)}")
    return update, [_said(one.outcomes[name]) for name in one.values]


def _said(outcome: Outcome) -> str:
    word = _WORDS.get(outcome.state, outcome.state)
    return word if outcome.by is None else f"{word} {outcome.by}"


def _short(event_time: str | None) -> str:
    """Return the time without zeros at its end."""
    return f"{event_time[:-1].rstrip('0').rstrip('.')}Z" if event_time else "–"


def _ending(told: History, moment: datetime | None, differing: list[str] | None, limit: int) -> Text:
    lines = []
    if len(told.received) > limit:
        lines.append(f"{len(told.received) - limit:,} older ones are not shown: --limit")
    held = [
        f"{name} " + (f"{shown_value(name, one.values[name])} (by {one.number})" if one else "never sent")
        for name, one in told.state.items()
    ]
    when = f"The catalog at {moment.isoformat()}" if moment else "The catalog by these updates"
    lines.append(f"{when}: {safe(', '.join(held), _WIDEST)}")
    if differing is not None:
        lines += [f"The row differs: {safe(one, _WIDEST)}" for one in differing] or ["The row is the same."]
    return Text("\n".join(lines))


def history_document(
    product_id: str,
    moment: datetime | None,
    told: History,
    limit: int,
    differing: list[str] | None,
    damage: Damage,
) -> dict[str, Any]:
    """Return a product's history as JSON has it, with its newest `limit` updates."""
    return {
        "product_id": product_id,
        "at": moment and moment.isoformat(),
        "state": {
            name: one and {"value": column_value(name, one.values[name]), "number": one.number}
            for name, one in told.state.items()
        },
        "updates": [_update(one) for one in told.received[-limit:]],
        "differences": differing,
        "damaged": {"count": damage.count, "first": damage.first},
    }


def _update(one: Received) -> dict[str, Any]:
    return {
        "number": one.number,
        "event_time": one.event_time,
        "arrived": utc_text(one.arrival_ms),
        "supplier": one.supplier,
        "values": {name: column_value(name, one.values[name]) for name in REGISTERS if name in one.values},
        "outcomes": {name: {"state": each.state, "by": each.by} for name, each in one.outcomes.items()},
        "repair": one.repair and asdict(one.repair),
        "became": [other.number for other in one.became],
        "moved_to": one.moved_to,
        "moved_from": one.moved_from,
        "reason": one.reason,
        "message": one.message,
        "shard": one.shard,
        "sequence_number": one.sequence_number,
        "sub_sequence": one.sub_sequence,
        "partition_key": one.partition_key,
        "object": one.key,
        "line": one.line,
    }
