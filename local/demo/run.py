"""A run of `make local`: send the feed through the pipeline while the shop reads, then print the verdict."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import asyncpg
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from local.demo import kept_run, verdict
from local.demo.feed import Sent, read_feed, send
from local.demo.pipeline import SCHEDULED_EVENT, Pipeline, open_pipeline
from local.demo.progress import Figures, ProgressDisplay
from local.demo.shop import Shop, open_shop
from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError
from local.emulated_aws.function_service import PROJECT
from local.servers import ServerError
from processor.reader import ReaderStatistics

READERS = 8
LOG_NAME = ".local/function.log"
KEPT_LOG_NAME = ".local/kept-run.log"
_SEED = 20_170_101
_LEAST_HITS = 10_000
_LEAST_REFUSED_STORES = 20
_LAST_READS_SECONDS = 120.0
_REFRESH_SECONDS = 0.2
_SCHEDULE_SECONDS = 60.0


async def run_demo(*, keep: bool, readers: int) -> int:
    """Run the pipeline and print the verdict; return 0 if every claim holds, 1 if not."""
    console = Console(highlight=False)
    if keep:
        kept_run.refuse_second_run()
    # A kept run has a separate log, so that another run does not overwrite it.
    log_name = KEPT_LOG_NAME if keep else LOG_NAME
    began = time.monotonic()
    with _open_log(PROJECT / log_name) as log:
        hooks = _Hooks(log, log_name)
        console.print("Starting PostgreSQL, Valkey and the AWS emulator, migrating the schema …")
        async with open_pipeline(on_log=hooks.on_log, on_event=hooks.on_event) as pipeline:
            console.print(f"Ready after {time.monotonic() - began:.1f} s.")
            servers = pipeline.servers
            async with open_shop(
                servers.postgres.address, servers.valkey.address, readers=readers, seed=_SEED
            ) as shop:
                hooks.shop = shop
                sent = await _send_feed(pipeline, shop, hooks, console)
                findings = await _judge(pipeline, sent, shop.statistics)
            _print_outcome(console, findings, hooks.figures, shop.statistics, time.monotonic() - began)
            if keep:
                await _keep(pipeline, console)
    return 0 if all(finding.holds for finding in findings) else 1


def _open_log(path: Path) -> IO[str]:
    """Open a new log. Raises: ServerError if this user may not write it."""
    try:
        path.parent.mkdir(exist_ok=True)
        return path.open("w", buffering=1)
    except OSError as error:
        raise ServerError(f"cannot write to {path}: {error.strerror}") from None


class _Hooks:
    """Called with the function's events and log lines; keeps figures and shop up to date."""

    def __init__(self, log: IO[str], log_name: str) -> None:
        self.figures = Figures()
        self.log_name = log_name
        self.shop: Shop | None = None
        self._log = log

    def on_log(self, line: str) -> None:
        self._log.write(line + "\n")
        self.figures.read_log(line)

    def on_event(self, event: Mapping[str, Any]) -> None:
        if self.shop is not None and "Records" in event:
            self.shop.notice(event)


async def _send_feed(pipeline: Pipeline, shop: Shop, hooks: _Hooks, console: Console) -> list[Sent]:
    """Send everything and wait until the function has processed all of it."""
    figures = hooks.figures
    feed = read_feed()
    sent: list[Sent] = []
    console.print(
        f"Sending {len(feed):,} records while {shop.readers} readers read. "
        f"The function logs to {hooks.log_name}.",
        soft_wrap=True,
    )

    async def watch(display: ProgressDisplay) -> None:
        while True:
            figures.sent, figures.lag_ms = len(sent), pipeline.mapping.progress.iterator_age_ms
            display.show(figures)
            await asyncio.sleep(_REFRESH_SECONDS)

    with ProgressDisplay(console, len(feed)) as display:
        reading = asyncio.create_task(shop.run())
        watching = asyncio.create_task(watch(display))
        try:
            async for taken in send(pipeline.account.kinesis, pipeline.account.stream_name, feed):
                sent += taken
            await _wait_until_done(pipeline, reading)
            await pipeline.function.invoke(SCHEDULED_EVENT)
            watching.cancel()
            figures.sent, figures.lag_ms = len(sent), pipeline.mapping.progress.iterator_age_ms
            display.show(figures, last=True)
            await _keep_reading(shop)
        finally:
            watching.cancel()
            shop.close()
            await reading
    return sent


async def _wait_until_done(pipeline: Pipeline, reading: "asyncio.Task[None]") -> None:
    """Wait until every record is done; raise what ended the mapping or the readers before."""
    waiting = asyncio.create_task(pipeline.mapping.wait_until_done())
    try:
        await asyncio.wait([waiting, reading], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await reading
        await waiting
    finally:
        waiting.cancel()


async def _keep_reading(shop: Shop) -> None:
    """Let the readers continue after the last update until they have enough cache hits."""
    for _ in range(int(_LAST_READS_SECONDS / _REFRESH_SECONDS)):
        if shop.statistics.hits >= _LEAST_HITS:
            break
        await asyncio.sleep(_REFRESH_SECONDS)


async def _judge(
    pipeline: Pipeline, sent: Sequence[Sent], statistics: ReaderStatistics
) -> list[verdict.Finding]:
    account, servers = pipeline.account, pipeline.servers
    valkey = servers.valkey.address
    connection = await asyncpg.connect(servers.postgres.address.dsn, ssl=False)
    redis = Redis(host=valkey.host, port=valkey.port)
    try:
        return [
            await verdict.check_catalog(sent, connection),
            await verdict.check_archive(sent, account.s3, account.archive_bucket),
            await verdict.check_quarantine(sent, account.s3, account.quarantine_bucket),
            await verdict.check_cache(redis, connection),
            verdict.check_leases_were_used(
                statistics.hits,
                statistics.refused_stores,
                least_hits=_LEAST_HITS,
                least_refused=_LEAST_REFUSED_STORES,
            ),
        ]
    finally:
        await redis.aclose()
        await connection.close()


def _print_outcome(
    console: Console,
    findings: Sequence[verdict.Finding],
    figures: Figures,
    readers: ReaderStatistics,
    seconds: float,
) -> None:
    table = Table(title="Verdict", title_justify="left")
    for column in ("", "claim", "figures"):
        table.add_column(column)
    for finding in findings:
        table.add_row("[green]yes[/]" if finding.holds else "[red]NO[/]", finding.claim, finding.detail)
    console.print(table)
    console.print(
        f"{figures.archived:,} records in {figures.batches:,} batches; readers: {readers.hits:,} hits, "
        f"{readers.misses:,} misses, {readers.stores:,} stores, {readers.refused_stores:,} refused stores; "
        f"pending invalidations added: {figures.pending_invalidations_added:,}; {seconds:.1f} s in all.",
    )
    all_hold = all(finding.holds for finding in findings)
    console.print("[green]Every claim holds.[/]" if all_hold else "[red]Not every claim holds: see above.[/]")


async def _keep(pipeline: Pipeline, console: Console) -> None:
    """Print the commands to try, and keep the mapping and the schedule running until interrupted."""
    with kept_run.publish_state(pipeline):
        console.print(kept_run.instructions(pipeline), soft_wrap=True, markup=False)
        try:
            while True:
                await asyncio.sleep(_SCHEDULE_SECONDS)
                with suppress(FunctionError, FunctionNotReachedError):  # the next schedule tries again
                    await pipeline.function.invoke(SCHEDULED_EVENT)
        except asyncio.CancelledError:
            # Ctrl-C is how a kept run ends: the exit code is still that of the verdict.
            console.print("Stopped.")
