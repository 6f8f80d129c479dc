"""`catalog redrive`: failed batches, once more through the function."""

from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from catalog.changes import is_confirmed, require_reason
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import INTERRUPTED, UsageError
from catalog.operations import chosen_by, recorded
from catalog.options import AsJson, EnvironmentName, Reason, Yes
from catalog.repair.failed_batches import (
    UNKNOWN,
    Damaged,
    FailedBatch,
    Selection,
    Survey,
    list_failed_batches,
    read_failed_batches,
)
from catalog.repair.invocation import default_workers, open_processor
from catalog.repair.marks import MarkWriter, read_marks
from catalog.repair.pace import Pace
from catalog.repair.queue import Sweep, delete_messages
from catalog.repair.redriving import Failure, Redriven
from catalog.repair.redriving import redrive as redrive_batches
from catalog.repair.stopping import stopping
from catalog.running import run
from catalog.terminal_text import counted, escaped, plain
from catalog.times import read_period, shown_age, shown_time

_SAMPLE = 5
_LINES = 20
_TEXT = 200
_CONDITIONS = ("RetryAttemptsExhausted", "RecordAgeExceeded")

Since = Annotated[
    str | None,
    typer.Option("--since", help="From then on: 2026-01-31, 2026-01-31T08:30:00Z, or an age: 90m, 6h, 2d."),
]
Until = Annotated[str | None, typer.Option("--until", help="Before then; written like --since.")]
Shard = Annotated[str | None, typer.Option("--shard", help="Of this shard only.")]
Rate = Annotated[
    float | None, typer.Option("--rate", min=0.1, help="Records a second at most.", show_default=False)
]
Again = Annotated[bool, typer.Option("--again", help="Also what was redriven already.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=64,
        help="Invocations at the same time. Default: 1 on AWS, where each takes one of the function's "
        "reserved concurrency; 2 locally.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(redrive)


def redrive(
    env: EnvironmentName = None,
    since: Since = None,
    until: Until = None,
    shard: Shard = None,
    condition: Annotated[
        list[str] | None,
        typer.Option("--condition", help=f"Why Lambda gave up: {' or '.join(_CONDITIONS)}. Repeatable."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Batches at most.", show_default=False)
    ] = None,
    rate: Rate = None,
    workers: Workers = None,
    again: Again = False,
    yes: Yes = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Redrive failed batches: run each event through the function again, after its cause is fixed.

    Without --yes it shows what it would do. --since and --until are times at which batches failed. A batch
    that the function does not finish stays as it is, with the reason. One that succeeds loses its message in
    the queue and is not offered again; its object stays for as long as the archive. Repeating it, stopping it
    with Ctrl-C and running it twice at once do no harm: what is older than the catalog loses.

    JSON: `batches`, `records`, `oldest`, `newest`, `causes`, `sample`, `damaged` of a dry run; `batches`,
    `records`, `failures`, `damaged`, `messages_deleted`, `messages_left` and `interrupted` of a redrive.

    Examples:

        catalog redrive --env prod --since 6h --condition RetryAttemptsExhausted
        catalog redrive --env prod --yes --reason "database restored" --rate 5000
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        why = require_reason(reason, yes=yes)
        for name in condition or ():
            if name not in (*_CONDITIONS, UNKNOWN):
                accepted = f"{', '.join(_CONDITIONS)}, and {UNKNOWN} where the object says none"
                raise UsageError(f"no condition {escaped(name, 60)!r}; accepted: {accepted}")
        selection = Selection(
            period=read_period(since, until),
            shard=shard,
            conditions=frozenset(condition or ()),
            limit=limit,
        )
        done = {} if again else (await read_marks(connections)).batches
        listed = await list_failed_batches(connections, selection, without=done)
        if not yes:
            survey = await _survey(connections, listed, selection, output)
            _print_survey(survey, output)
            if not survey.batches:
                return 1 if survey.damaged else 0
            what = f"redrive {counted(survey.batches, 'batch')}"
            if not is_confirmed(output, yes=False, what=what, word=connections.environment.name):
                return 1 if survey.damaged else 0
        return await _redrive(connections, listed, selection, output, why, workers, Pace(rate))

    run(env, output, command)


async def _survey(
    connections: Connections, listed: list[dict[str, Any]], selection: Selection, output: Output
) -> Survey:
    survey = Survey()
    with output.progress("reading failed batches", len(listed)) as advance:
        async for found in read_failed_batches(connections, listed, selection):
            if isinstance(found, Damaged):
                survey.damaged.append(found)
            else:
                survey.add(found, sample=_SAMPLE)
            advance(1)
    return survey


async def _redrive(
    connections: Connections,
    listed: list[dict[str, Any]],
    selection: Selection,
    output: Output,
    why: str,
    workers: int | None,
    pace: Pace,
) -> int:
    count = workers or default_workers(connections)
    result, sweep = Redriven(), Sweep()
    with stopping(output) as stop:
        async with recorded(connections, "redrive", reason=why, arguments=chosen_by(selection)) as operation:
            try:
                with output.progress("redriving batches", len(listed)) as advance:
                    async with (
                        open_processor(connections, count) as processor,
                        aclosing(read_failed_batches(connections, listed, selection)) as batches,
                    ):
                        await redrive_batches(
                            batches,
                            processor,
                            MarkWriter(connections, operation.id),
                            workers=count,
                            pace=pace,
                            stop=stop,
                            on_done=advance,
                            result=result,
                        )
                # Also those that another redrive did meanwhile, or an earlier one before it was stopped.
                redriven = {*result.keys, *(await read_marks(connections)).batches}
                sweep = await delete_messages(connections, redriven)
            finally:
                operation.changes |= {
                    "batches": result.batches,
                    "records": result.records,
                    "failed": len(result.failures),
                    "damaged": len(result.damaged),
                    "messages_deleted": sweep.deleted,
                }
                if stop.is_set():
                    operation.state = "interrupted"
                elif not result.batches and (result.failures or result.damaged):
                    operation.state = "failed"
    _print_result(result, sweep, output, interrupted=stop.is_set())
    if stop.is_set():
        output.say("stopped; nothing is half done. To go on, give the same command again.")
        return INTERRUPTED
    return 1 if result.failures or result.damaged or sweep.damaged else 0


def _print_survey(survey: Survey, output: Output) -> None:
    table = Table("shard", "condition", "batches", "records")
    for (shard, condition), counts in sorted(survey.by_cause.items()):
        table.add_row(
            plain(shard, 40), plain(condition, 40), f"{counts['batches']:,}", f"{counts['records']:,}"
        )
    head = f"{counted(survey.batches, 'failed batch')}, {counted(survey.records, 'record')}"
    shown: list[RenderableType] = [Text(head)]
    if survey.oldest is not None and survey.newest is not None:
        age = shown_age(datetime.now(UTC) - survey.oldest)
        arrived = (
            f"arrived from {shown_time(survey.oldest)} to {shown_time(survey.newest)}, the first {age} ago"
        )
        shown += [Text(arrived), table, Text("the first of them:")]
        shown += [_sample_line(batch) for batch in survey.sample]
    document = {
        "batches": survey.batches,
        "records": survey.records,
        "oldest": survey.oldest and shown_time(survey.oldest),
        "newest": survey.newest and shown_time(survey.newest),
        "causes": [
            {"shard": shard, "condition": condition, **counts}
            for (shard, condition), counts in sorted(survey.by_cause.items())
        ],
        "sample": [
            {"key": batch.key, "records": batch.records, "failed_at": shown_time(batch.failed_at)}
            for batch in survey.sample
        ],
        "damaged": [asdict(found) for found in survey.damaged],
    }
    output.data(document, *shown, *damaged_lines(survey.damaged))


def _sample_line(batch: FailedBatch) -> Text:
    failed = f"failed {shown_time(batch.failed_at)}: {escaped(batch.key)}"
    return Text(f"  {counted(batch.records, 'record')}, {failed}")


def _print_result(result: Redriven, sweep: Sweep, output: Output, *, interrupted: bool) -> None:
    head = (
        f"{counted(result.batches, 'batch')} redriven, {counted(result.records, 'record')}; "
        f"{len(result.failures):,} failed, {len(result.damaged):,} damaged; "
        f"{counted(sweep.deleted, 'message')} deleted, {sweep.left:,} left"
    )
    document = {
        "batches": result.batches,
        "records": result.records,
        "failures": [asdict(failure) for failure in result.failures],
        "damaged": [asdict(found) for found in (*result.damaged, *sweep.damaged)],
        "messages_deleted": sweep.deleted,
        "messages_left": sweep.left,
        "interrupted": interrupted,
    }
    output.data(
        document,
        Text(head),
        *failure_lines(result.failures),
        *damaged_lines([*result.damaged, *sweep.damaged]),
    )


def failure_lines(failures: list[Failure]) -> list[Text]:
    """Return a line for each of the first failures."""
    lines = [Text(f"failed: {escaped(found.key)}: {escaped(found.why)}") for found in failures[:_LINES]]
    return lines + _more(failures)


def damaged_lines(damaged: list[Damaged]) -> list[Text]:
    """Return a line for each of the first damaged objects."""
    lines = [
        Text(f"damaged: {escaped(found.key, _TEXT)}: {escaped(found.problem, _TEXT)}")
        for found in damaged[:_LINES]
    ]
    return lines + _more(damaged)


def _more(findings: list[Any]) -> list[Text]:
    left = len(findings) - _LINES
    return [Text(f"… and {left:,} more: --json has all")] if left > 0 else []
