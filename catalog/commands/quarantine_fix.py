"""`catalog quarantine fix`: other bytes for rejected records, by a rule, a JSON patch or in an editor."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from catalog.changes import require_reason
from catalog.commands.quarantine_choice import chosen, read_filter
from catalog.commands.quarantine_repair import (
    Code,
    Ids,
    Limit,
    Product,
    Supplier,
    offer_and_send,
)
from catalog.commands.redrive import Rate, Shard, Since, Until
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.operations import chosen_by
from catalog.options import AsJson, EnvironmentName, Reason, Yes
from catalog.repair.claims import Claim, begun_fix, read_begun
from catalog.repair.editor import MAX_RECORDS, edit
from catalog.repair.failed_batches import Damaged
from catalog.repair.fixing import Change, NotFixed, fixed, of_claims, of_patch, of_rule, of_texts, read_patch
from catalog.repair.marks import read_marks, record_name
from catalog.repair.quarantined import Filter, Quarantined
from catalog.repair.rules import RULES, Rule, find_rule
from catalog.repair.sending import Sending
from catalog.running import run
from catalog.terminal_text import escaped

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
    finish: Annotated[
        bool, typer.Option("--finish", help="Send what a fix that was killed had written down to send.")
    ] = False,
    code: Code = None,
    supplier: Supplier = None,
    since: Since = None,
    until: Until = None,
    shard: Shard = None,
    product: Product = None,
    limit: Limit = None,
    rate: Rate = None,
    show: Annotated[
        int, typer.Option("--show", min=0, help="Records that are printed before and after; 0: all.")
    ] = 10,
    yes: Yes = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Fix quarantined records: show them before and after, and with --yes send them, too.

    Every fixed record is checked by the processor's rules first. Numbers stay exact. It keeps its version, so
    that nothing newer is overwritten; the archive gets a second line of its identity, which is accepted. A
    record can be fixed once: after that, a newer update of the supplier is the way. Its new bytes are written
    down before they are sent. If a run ends in between, `quarantine list` says so, no other bytes are sent
    for the record, and --finish sends these; doing that twice does no harm.

    JSON: as of `catalog quarantine redrive`; `left` counts what is not mended, by why.

    Examples:

        catalog quarantine fix --rule "price: round to 2 decimals" --supplier acme --env prod
        catalog quarantine fix 1a2b3c4d5e --patch '[{"op": "replace", "path": "/price", "value": 19.95}]'
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        why = require_reason(reason, yes=yes)
        marks = await read_marks(connections)
        begun = await read_begun(connections, marks)
        found = read_filter(ids, code, supplier, since, until, shard, product)
        wanted = _wanted(rule, patch, editor=editor, finish=finish, wanted=found, limit=limit)
        read = await chosen(connections, output, wanted, marks, marks.of_records)
        change = of_claims(begun) if finish else await _change(rule, patch, read, limit)
        if editor and not yes and not output.is_interactive:
            output.say("note: a dry run without a terminal keeps no edits; --patch is kept")
        how = {"finish": True} if finish else {"rule": rule, "patch": patch, "editor": editor}
        arguments = how | chosen_by(wanted)
        settings: Any = {"arguments": arguments, "yes": yes, "why": why, "rate": rate}
        settings |= {"show": show, "always_shows": True}
        fixes = _Fixes(change, begun, limit, finish=finish)

        def records(left: Counter[str], damaged: list[Damaged]) -> AsyncIterator[Sending]:
            return fixes.of(read(), left, damaged)

        code_ = await offer_and_send(connections, output, "quarantine fix", records, **settings)
        return code_ or int(fixes.has_blocked)

    run(env, output, command)


def _wanted(
    rule: str | None,
    patch: str | None,
    *,
    editor: bool,
    finish: bool,
    wanted: Filter,
    limit: int | None,
) -> Filter:
    """Return which records are changed. Raises: UsageError."""
    if sum((rule is not None, patch is not None, editor, finish)) != 1:
        raise UsageError("one of --rule, --patch, --editor and --finish is accepted")
    if rule is not None:
        found = _rule(rule)
        if other := wanted.reasons - found.reasons:
            mended = ", ".join(sorted(found.reasons))
            raise UsageError(f'"{found.name}" mends {mended}, not {", ".join(sorted(other))}')
        return replace(wanted, reasons=wanted.reasons or found.reasons)
    if wanted.is_empty and limit is None and not finish:
        raise UsageError("say which records: ids, --code, --supplier, --product, --since or --limit")
    return wanted


async def _change(
    rule: str | None,
    patch: str | None,
    read: Callable[[], AsyncIterator[Quarantined | Damaged]],
    limit: int | None,
) -> Change:
    """Return how records are changed. Raises: UsageError, CatalogError."""
    if rule is not None:
        return of_rule(_rule(rule).mend)
    if patch is not None:
        return of_patch(read_patch(patch, sys.stdin.read))
    return await _edited(read(), limit)


class _Fixes:
    """What is sent for each record. `has_blocked`: whether one has a fix that was begun with other bytes."""

    def __init__(
        self, change: Change, begun: Mapping[str, Claim], limit: int | None, *, finish: bool
    ) -> None:
        self.has_blocked = False
        self._change = change
        self._begun = begun
        self._limit = limit
        self._finish = finish

    async def of(
        self,
        quarantined: AsyncIterator[Quarantined | Damaged],
        left: Counter[str],
        damaged: list[Damaged],
    ) -> AsyncIterator[Sending]:
        """Yield what is sent; count what is left, by why, and what is damaged."""
        count = 0
        async for found in quarantined:
            if isinstance(found, Damaged):
                damaged.append(found)
                continue
            if self._finish and begun_fix(self._begun, found) is None:
                continue
            outcome = self._unless_begun(fixed(found, self._change))
            if isinstance(outcome, NotFixed):
                left[outcome.why if len(left) < _MOST_WHYS else "other reasons"] += 1
            else:
                yield outcome
            count += 1
            if count == self._limit:
                return

    def _unless_begun(self, outcome: Sending | NotFixed) -> Sending | NotFixed:
        """Return the outcome, unless other bytes may have been sent for the record already."""
        claim = self._begun.get(record_name(outcome.found.identity))
        if isinstance(outcome, NotFixed) or claim is None or claim.is_of(outcome.record.data):
            return outcome
        self.has_blocked = True
        if begun_fix(self._begun, outcome.found) is None:
            why = f"a redrive was begun, which `catalog quarantine redrive` finishes: {claim.text()}"
        else:
            why = f"a fix with other bytes was begun, which --finish sends: {claim.text()}"
        return NotFixed(outcome.found, why)


def _rule(name: str) -> Rule:
    rule = find_rule(name)
    if rule is None:
        raise UsageError(f"no rule {escaped(name, 60)!r}; accepted: {_RULES}")
    return rule


async def _edited(quarantined: AsyncIterator[Quarantined | Damaged], limit: int | None) -> Change:
    """Let the operator change the records."""
    records: list[Quarantined] = []
    async for found in quarantined:
        if isinstance(found, Quarantined):
            records.append(found)
            if len(records) == limit:
                break
            if len(records) > MAX_RECORDS:
                raise UsageError(f"more than {MAX_RECORDS} records: choose fewer for the editor")
    if not records:
        return of_texts({})
    return of_texts(await asyncio.to_thread(edit, records))
