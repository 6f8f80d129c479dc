"""`catalog produce`: send updates as a supplier does, from a file or simulated."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

import typer
from botocore.exceptions import BotoCoreError, ClientError

from catalog.changes import is_confirmed
from catalog.commands import produce_options as options
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import INTERRUPTED, CatalogError, UsageError
from catalog.options import AsJson, EnvironmentName
from catalog.produce import simulation
from catalog.produce.expected import Expected
from catalog.produce.lines import STDIN
from catalog.produce.outgoing import Outgoing
from catalog.produce.report import Report, check_document, check_renderables
from catalog.produce.sending import Sender, paced
from catalog.produce.source import EventTime, Source
from catalog.produce.waiting import Awaited
from catalog.running import run, run_alone
from catalog.terminal_text import counted

_ASKS = "prod"
_SIMULATED_RATE = 1_000
# So that the same seed writes the same file on any day.
_BEGIN_OF_A_FILE = datetime(2026, 1, 31, tzinfo=UTC)
Records = AsyncIterator[Sequence[Outgoing]]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(produce)


def produce(
    source: options.SourceName = None,
    env: EnvironmentName = None,
    as_json: AsJson = False,
    check: options.Check = False,
    wait: options.Wait = False,
    rate: options.Rate = None,
    limit: options.Limit = None,
    from_line: options.FromLine = 1,
    event_time: options.OfEventTime = EventTime.NOW,
    supplier: options.Supplier = None,
    format_: options.OfFormat = None,
    yes: options.YesSend = False,
    simulate: options.Simulate = False,
    seconds: options.Seconds = 60,
    products: options.Products = 20_000,
    seed: options.Seed = 1,
    bad: options.Bad = 0.01,
    late: options.Late = 0.02,
    duplicates: options.Duplicates = 0.01,
    hot: options.Hot = 0.9,
    steady: options.Steady = False,
    out: options.Out = None,
) -> None:
    """Send updates as a supplier does, from a file or simulated; what Kinesis refuses is sent again.

    The updates of a product stay in order. The header of a CSV file has the names of the fields: product_id,
    inventory, price, …, between commas, semicolons or tabs; an empty cell is a field that is not sent. With
    `--check`, the exit code is 1 if a line would be rejected.

    `--json` prints stream, sent, sent_again, seconds, rejected (reason → count), lines (line, product_id,
    reason, message), lines_left_out and outcome (in_catalog, replaced by later records of the same run,
    superseded by others, quarantined, unprocessed; null without `--wait`); with `--check`: accepted,
    rejected, lines, lines_left_out.

    Examples:

        echo '{"product_id": "product123", "inventory": 100, "price": 29.99}' | catalog produce - --wait
        catalog produce stock.csv.gz --supplier acme --check
        catalog produce --simulate --rate 2000 --seconds 60 --env dev
    """
    output = Output(as_json=as_json)
    if simulate == (source is not None):
        raise UsageError("give FILE, or - for standard input, or --simulate; one of them")
    if out is not None and (not simulate or check):
        raise UsageError("--out writes what --simulate makes up, and neither sends nor checks it")
    if source is not None:
        total = limit
        chosen = Source(
            name=source,
            format=format_,
            event_time=event_time,
            supplier=supplier,
            from_line=from_line,
            limit=limit,
        )
        records = chosen.records() if rate is None else paced(chosen.records(), rate)
    else:
        mix = simulation.Mix(
            rate=rate or _SIMULATED_RATE, seconds=seconds, products=products, seed=seed,
            bad=bad, late=late, duplicates=duplicates, hot=hot, steady=steady,
        )  # fmt: skip
        total = min(mix.records, limit or mix.records)
        records = simulation.batches(mix, _BEGIN_OF_A_FILE if out else datetime.now(UTC), total)
    if out is not None:
        run_alone(output, lambda: _write(output, records, out, total))
    elif check:
        run_alone(output, lambda: _check(output, source, records, total))
    else:
        run(env, output, lambda found: _send(found, output, source, records, total, wait=wait, yes=yes))


async def _write(output: Output, records: Records, path: Path, total: int | None) -> None:
    count = 0
    with _opened(path) as file, output.progress("written", total) as advance:
        async for batch in records:
            file.write(b"".join(record.data + b"\n" for record in batch))
            count += len(batch)
            advance(len(batch))
    output.data({"file": str(path), "records": count}, f"Wrote {counted(count, 'record')} to {path}.")


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is there only once it is whole. Raises: UsageError."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            if path.suffix == ".gz":
                # Without name and time, so that the same seed gives the same bytes.
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield cast(IO[bytes], packed)
            else:
                yield file
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


async def _check(output: Output, source: str | None, records: Records, total: int | None) -> int:
    expected = Expected()
    with output.progress("checked", total) as advance:
        async for batch in records:
            expected.add(batch)
            advance(len(batch))
    if not expected.total:
        return _say_empty(output, source, check_document(expected))
    output.data(check_document(expected), *check_renderables(expected))
    return 1 if expected.rejected else 0


async def _send(
    connections: Connections,
    output: Output,
    source: str | None,
    records: Records,
    total: int | None,
    *,
    wait: bool,
    yes: bool,
) -> int:
    environment = connections.environment
    if environment.name.startswith(_ASKS) and not is_confirmed(
        output, yes=yes, what=f"send these updates to {environment.name}", word=environment.name
    ):
        return 0
    report = Report(stream=environment.stream_name, is_simulated=source is None)
    sender = Sender(kinesis=await connections.aws("kinesis"), stream_name=environment.stream_name)
    awaited = Awaited()
    begun = time.monotonic()
    code = 0
    try:
        with output.progress("sent", total) as advance:
            async with aclosing(sender.send(_judged(records, report.expected))) as calls:
                async for sent in calls:
                    awaited.add(sent)
                    advance(len(sent))
    except asyncio.CancelledError:
        output.say(f"interrupted. {_how_to_go_on(sender)}")
        code, wait = INTERRUPTED, False
    except (CatalogError, ClientError, BotoCoreError):
        if sender.sent:
            output.say(f"{_were_sent(sender)}. {_how_to_go_on(sender)}")
        raise
    report.sent, report.sent_again = sender.sent, sender.sent_again
    report.seconds = time.monotonic() - begun
    if not report.expected.total and not code:
        return _say_empty(output, source, report.document())
    if wait:
        try:
            report.outcome = await awaited.outcome(connections)
        except Exception:
            output.say(f"{_were_sent(sender)} to {report.stream}; what became of them is not known.")
            raise
    output.data(report.document(), *report.renderables())
    if report.expected.not_sendable or (report.outcome is not None and report.outcome.unprocessed):
        code = code or 1
    return code


def _say_empty(output: Output, source: str | None, document: dict[str, Any]) -> int:
    """Say that there is nothing to send; return the exit code."""
    output.say(f"no updates in {'standard input' if source == STDIN else source}")
    if output.as_json:
        output.data(document)
    return 1


async def _judged(records: Records, expected: Expected) -> Records:
    async for batch in records:
        yield expected.add(batch)


def _were_sent(sender: Sender) -> str:
    return f"{counted(sender.sent, 'record')} {'was' if sender.sent == 1 else 'were'} sent"


def _how_to_go_on(sender: Sender) -> str:
    lines: Iterator[int] = (record.line for record in sender.unsent)
    line = min(lines, default=sender.last_line + 1)
    return (
        f"To go on with a file: the same command with --from-line {line}. "
        "A record that arrives twice does no harm."
    )
