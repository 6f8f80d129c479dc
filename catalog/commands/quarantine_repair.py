"""`catalog quarantine redrive`, and what `fix` shares with it: sending, and saying what became of it."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from catalog.changes import is_confirmed, require_reason
from catalog.commands.quarantine_choice import chosen, read_filter
from catalog.commands.redrive import (
    Again,
    Rate,
    Shard,
    Since,
    Until,
    damaged_lines,
    failure_lines,
)
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import INTERRUPTED
from catalog.operations import chosen_by
from catalog.options import AsJson, EnvironmentName, Reason, Yes
from catalog.repair.claims import begun_fix, read_begun
from catalog.repair.failed_batches import Damaged
from catalog.repair.marks import read_marks
from catalog.repair.sending import Sending, Sent, send_recorded
from catalog.repair.stopping import stopping
from catalog.repair.verdicts import Chance, as_sent, chance
from catalog.running import run
from catalog.terminal_text import counted, escaped, plain

_SAMPLE = 10
_LINES = 20

Ids = Annotated[
    list[str] | None, typer.Argument(help="Ids that `catalog quarantine list` prints.", show_default=False)
]
Code = Annotated[
    list[str] | None,
    typer.Option("--code", help="Rejected for this reason, such as invalid_price. Repeatable."),
]
Supplier = Annotated[str | None, typer.Option("--supplier", help="Sent by this supplier.")]
Product = Annotated[str | None, typer.Option("--product", help="Records in whose bytes this text is.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Records at most.", show_default=False)]


def redrive(
    ids: Ids = None,
    env: EnvironmentName = None,
    code: Code = None,
    supplier: Supplier = None,
    since: Since = None,
    until: Until = None,
    shard: Shard = None,
    product: Product = None,
    limit: Limit = None,
    rate: Rate = None,
    again: Again = False,
    yes: Yes = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Send quarantined records again as they are: the cause was ours, or a rule has changed.

    Those with internal_error, catalog_refused or killed_process are sent, and those that today's rules
    accept; the others stay. Each keeps its version, so that nothing newer is overwritten. What is accepted is
    not offered again. What is rejected again is reported with its reason.

    JSON: `records`, `codes`, `left`, `sample`, `damaged` of a dry run; `accepted`, `rejected_again`,
    `failures`, `left`, `damaged` and `interrupted` of a redrive.

    Examples:

        catalog quarantine redrive --env prod --code catalog_refused
        catalog quarantine redrive 1a2b3c4d5e --env prod --yes --reason "fixed in release 42"
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        why = require_reason(reason, yes=yes)
        wanted = read_filter(ids, code, supplier, since, until, shard, product)
        marks = await read_marks(connections)
        # What was fixed has an accepted line in the archive; its old bytes would be a second one.
        without = marks.fixed if again else marks.of_records
        read = await chosen(connections, output, wanted, marks, without)
        begun = await read_begun(connections, marks)

        async def records(left: Counter[str], damaged: list[Damaged]) -> AsyncIterator[Sending]:
            count = 0
            async for found in read():
                if isinstance(found, Damaged):
                    damaged.append(found)
                elif (claim := begun_fix(begun, found)) is not None:
                    left[
                        f"a fix was begun, which `catalog quarantine fix --finish` sends: {claim.text()}"
                    ] += 1
                elif (say := chance(found)) is not Chance.SEND:
                    left[f"{found.reason}: {say}"] += 1
                else:
                    yield Sending(found, as_sent(found))
                    count += 1
                    if count == limit:
                        return

        return await offer_and_send(
            connections,
            output,
            "quarantine redrive",
            records,
            arguments=chosen_by(wanted),
            yes=yes,
            why=why,
            rate=rate,
        )

    run(env, output, command)


async def offer_and_send(
    connections: Connections,
    output: Output,
    command: str,
    records: Callable[[Counter[str], list[Damaged]], AsyncIterator[Sending]],
    *,
    arguments: dict[str, Any],
    yes: bool,
    why: str,
    rate: float | None,
    show: int = _SAMPLE,
    always_shows: bool = False,
) -> int:
    """Show what would be sent and, if that is confirmed, send it; return the exit code.

    `show`: how many are printed; 0: all. `always_shows`: with `yes`, too, unless the result is JSON.
    `records`: reads them once more each time; it counts what it leaves, by why, and what is damaged.
    `arguments`: what was chosen, for the history.
    """
    is_shown = not yes or (always_shows and not output.as_json)
    if is_shown:
        left, damaged, codes = Counter[str](), list[Damaged](), Counter[str]()
        sample: list[Sending] = []
        with output.progress("reading quarantine") as advance:
            async for sending in _telling(records(left, damaged), output):
                codes[sending.found.reason] += 1
                if len(sample) < show or not show:
                    sample.append(sending)
                advance(1)
        if yes and codes:
            left, damaged = Counter[str](), []  # the result has them
        _print_offer(codes, sample, left, damaged, output)
        what = f"send {counted(codes.total(), 'record')}"
        if not codes or not is_confirmed(output, yes=yes, what=what, word=connections.environment.name):
            return 1 if damaged else 0
    return await _send(connections, output, command, records, arguments, why, rate, is_told=is_shown)


async def _send(
    connections: Connections,
    output: Output,
    command: str,
    records: Callable[[Counter[str], list[Damaged]], AsyncIterator[Sending]],
    arguments: dict[str, Any],
    why: str,
    rate: float | None,
    *,
    is_told: bool,
) -> int:
    """Send the records. `is_told`: which of them change the product was said before."""
    left, damaged = Counter[str](), list[Damaged]()
    sendings = records(left, damaged) if is_told else _telling(records(left, damaged), output)
    if (first := await anext(sendings, None)) is None:
        # Nothing to do is no operation for `catalog history`.
        _print_sent(Sent(), left, damaged, output, interrupted=False)
        return 1 if damaged else 0
    with stopping(output) as stop, output.progress("sending records") as advance:
        sent = await send_recorded(
            connections,
            command,
            _with_first(first, sendings),
            arguments=arguments,
            why=why,
            rate=rate,
            stop=stop,
            advance=advance,
        )
    _print_sent(sent, left, damaged, output, interrupted=stop.is_set())
    if stop.is_set():
        output.say("stopped; nothing is half done. To go on, give the same command again.")
        return INTERRUPTED
    return 1 if sent.rejected_again or sent.failures or damaged else 0


async def _with_first(first: Sending, others: AsyncIterator[Sending]) -> AsyncIterator[Sending]:
    yield first
    async for sending in others:
        yield sending


async def _telling(sendings: AsyncIterator[Sending], output: Output) -> AsyncIterator[Sending]:
    """Yield the records; say first of each of some that it becomes an update of another product."""
    count = 0
    async for sending in sendings:
        if sending.moves is not None:
            count += 1
            before, after = (repr(escaped(name, 60)) for name in sending.moves)
            if count <= _LINES:
                output.say(
                    f"note: {sending.found.id} becomes an update of another product: {before} → {after}"
                )
        yield sending
    if count > _LINES:
        output.say(f"note: {count:,} in all become updates of another product")


def _print_offer(
    codes: Counter[str], sample: list[Sending], left: Counter[str], damaged: list[Damaged], output: Output
) -> None:
    table = Table("id", "reason", "before", "after")
    for sending in sample:
        found = sending.found
        after = plain(sending.record.data, 200) if sending.fixed else Text("the same")
        table.add_row(found.id, plain(found.reason, 30), plain(found.record.data, 200), after)
    shown: list[Any] = [Text(f"{counted(codes.total(), 'record')} to send")]
    shown += [Text(f"  {escaped(code, 60)}: {count:,}") for code, count in codes.most_common(_LINES)]
    if sample:
        shown += [Text("the first of them:"), table]
    document = {
        "records": codes.total(),
        "codes": dict(codes),
        "left": dict(left),
        "sample": [
            {
                "id": sending.found.id,
                "reason": sending.found.reason,
                "before": escaped(sending.found.record.data),
                "after": escaped(sending.record.data) if sending.fixed else None,
            }
            for sending in sample
        ],
        "damaged": [asdict(found) for found in damaged],
    }
    output.data(document, *shown, *_left_lines(left), *damaged_lines(damaged))


def _print_sent(
    sent: Sent, left: Counter[str], damaged: list[Damaged], output: Output, *, interrupted: bool
) -> None:
    head = (
        f"{counted(sent.accepted, 'record')} accepted, {len(sent.rejected_again):,} rejected again, "
        f"{len(sent.failures):,} not done, {left.total():,} left as they were"
    )
    again = [
        Text(f"rejected again: {id_}: {escaped(now, 60)} (before: {escaped(before, 60)})")
        for id_, before, now in sent.rejected_again[:_LINES]
    ]
    document = {
        "accepted": sent.accepted,
        "rejected_again": [
            {"id": id_, "reason": now, "before": before} for id_, before, now in sent.rejected_again
        ],
        "failures": [asdict(failure) for failure in sent.failures],
        "left": dict(left),
        "damaged": [asdict(found) for found in damaged],
        "interrupted": interrupted,
    }
    lines = [*again, *failure_lines(sent.failures), *_left_lines(left), *damaged_lines(damaged)]
    output.data(document, Text(head), *lines)


def _left_lines(left: Counter[str]) -> list[Text]:
    return [Text(f"left: {count:,}: {escaped(why, 200)}") for why, count in left.most_common(_LINES)]
