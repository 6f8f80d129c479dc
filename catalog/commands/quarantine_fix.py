"""`catalog quarantine fix`: other bytes for rejected records, by a rule, a JSON patch or in an editor."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Annotated

import typer

from catalog.changes import require_reason
from catalog.commands.quarantine_repair import (
    Code,
    Ids,
    Limit,
    Product,
    Supplier,
    offer_and_send,
    read_filter,
)
from catalog.commands.redrive import Rate, Shard, Since, Until
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import CatalogError, UsageError
from catalog.operations import chosen_by
from catalog.options import AsJson, EnvironmentName, Reason, Yes
from catalog.repair.editor import MAX_RECORDS, edit
from catalog.repair.escaping import escaped
from catalog.repair.failed_batches import Damaged
from catalog.repair.fixing import Change, NotFixed, fixed, of_patch, of_rule, of_texts, read_patch
from catalog.repair.marks import read_marks
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined
from catalog.repair.rules import RULES, find_rule
from catalog.repair.sending import Sending
from catalog.running import run

# Where records differ in what is wrong, each has a message of its own.
_MOST_WHYS = 1_000
_RULES = "; ".join(f'"{rule.name}" ({rule.does})' for rule in RULES.values())


def fix(
    ids: Ids = None,
    env: EnvironmentName = None,
    rule: Annotated[
        str | None,
        typer.Option("--rule", help=f"Mend all of a reason: {_RULES}.", show_default=False),
    ] = None,
    patch: Annotated[
        str | None,
        typer.Option("--patch", help="A JSON patch (RFC 6902): the JSON, a file, or -.", show_default=False),
    ] = None,
    editor: Annotated[bool, typer.Option("--editor", help="Change them in $EDITOR, up to 100.")] = False,
    code: Code = None,
    supplier: Supplier = None,
    since: Since = None,
    until: Until = None,
    shard: Shard = None,
    product: Product = None,
    limit: Limit = None,
    rate: Rate = None,
    yes: Yes = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Fix quarantined records: show them before and after, and with --yes send them.

    Every fixed record is checked by the processor's rules first. Numbers stay exact. It keeps its version, so
    that nothing newer is overwritten; the archive gets a second line of its identity, which is accepted. A
    record can be fixed once: after that, a newer update of the supplier is the way.

    JSON: as of `catalog quarantine redrive`; `left` counts what is not mended, by why.

    Examples:

        catalog quarantine fix --rule "price: round to 2 decimals" --supplier acme --env prod
        catalog quarantine fix 1a2b3c4d5e --patch '[{"op": "replace", "path": "/price", "value": 19.95}]'
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        why = require_reason(reason, yes=yes)
        done = await read_marks(connections)
        without = done.fixed | done.records
        wanted, change = await _change(
            rule,
            patch,
            editor=editor,
            wanted=read_filter(ids, code, supplier, since, until, shard, product),
            read=lambda wanted: read_quarantined(connections, wanted, without=without),
            limit=limit,
        )

        def records(left: Counter[str], damaged: list[Damaged]) -> AsyncIterator[Sending]:
            return _fixes(
                read_quarantined(connections, wanted, without=without), change, limit, left, damaged
            )

        return await offer_and_send(
            connections,
            output,
            "quarantine fix",
            records,
            arguments={"rule": rule, "patch": patch, "editor": editor} | chosen_by(wanted),
            yes=yes,
            why=why,
            rate=rate,
        )

    run(env, output, command)


async def _change(
    rule: str | None,
    patch: str | None,
    *,
    editor: bool,
    wanted: Filter,
    read: Callable[[Filter], AsyncIterator[Quarantined | Damaged]],
    limit: int | None,
) -> tuple[Filter, Change]:
    """Return which records are changed, and how. Raises: UsageError, CatalogError."""
    if sum((rule is not None, patch is not None, editor)) != 1:
        raise UsageError("one of --rule, --patch and --editor is accepted")
    if rule is not None:
        return _by_rule(rule, wanted)
    if wanted.is_empty and limit is None:
        raise UsageError("say which records: ids, --code, --supplier, --product, --since or --limit")
    if patch is not None:
        return wanted, of_patch(read_patch(patch, sys.stdin.read))
    return wanted, await _edited(read(wanted), limit)


async def _fixes(
    quarantined: AsyncIterator[Quarantined | Damaged],
    change: Change,
    limit: int | None,
    left: Counter[str],
    damaged: list[Damaged],
) -> AsyncIterator[Sending]:
    count = 0
    async for found in quarantined:
        if isinstance(found, Damaged):
            damaged.append(found)
            continue
        outcome = fixed(found, change)
        if isinstance(outcome, NotFixed):
            left[outcome.why if len(left) < _MOST_WHYS else "other reasons"] += 1
        else:
            yield outcome
        count += 1
        if count == limit:
            return


def _by_rule(name: str, wanted: Filter) -> tuple[Filter, Change]:
    rule = find_rule(name)
    if rule is None:
        raise UsageError(f"no rule {escaped(name, 60)!r}; accepted: {_RULES}")
    if other := wanted.reasons - rule.reasons:
        mended = ", ".join(sorted(rule.reasons))
        raise UsageError(f'"{rule.name}" mends {mended}, not {", ".join(sorted(other))}')
    return replace(wanted, reasons=wanted.reasons or rule.reasons), of_rule(rule.mend)


async def _edited(quarantined: AsyncIterator[Quarantined | Damaged], limit: int | None) -> Change:
    """Let the operator change the records."""
    chosen: list[Quarantined] = []
    async for found in quarantined:
        if isinstance(found, Quarantined):
            chosen.append(found)
            if len(chosen) == limit:
                break
            if len(chosen) > MAX_RECORDS:
                raise UsageError(f"more than {MAX_RECORDS} records: choose fewer for the editor")
    if not chosen:
        raise CatalogError("no such records in quarantine")
    return of_texts(await asyncio.to_thread(edit, chosen))
