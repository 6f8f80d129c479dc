"""`catalog show`: a product's row, where each field came from, and the cached copy."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from catalog.archive_lines import Damage
from catalog.connections import Connections
from catalog.console import Output
from catalog.options import AsJson, EnvironmentName, Product, some_product
from catalog.product_history import shown_value
from catalog.product_state import CacheState, FieldState, ProductState, product_state, read_as_shop
from catalog.running import run
from catalog.terminal_text import safe
from processor.timestamps import utc_text

_WIDEST = 600


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(show)


def show(
    product_id: Product,
    env: EnvironmentName = None,
    as_json: AsJson = False,
    as_shop: Annotated[
        bool, typer.Option("--as-shop", help="First read it as the shop does: through the cache.")
    ] = False,
) -> None:
    """Show a product: its row, which record and archive line wrote each field, and the cached copy.

    Exit code 1: there is no such product, a field's record is not in the archive or says something else, the
    archive has a value that the row lacks, or the cached copy is not what the row is. An archive of over
    1,000 objects is not looked through for such values (`catalog diff --product`).

    `--json`: `product_id`, `last_updated`, `fault` (of that), `fields` (each `name`, `value`, `version`,
    `event_time`, `arrived`, `supplier`, `shard`, `sequence_number`, `sub_sequence`, `object`, `line`,
    `repair`, `fault`), `cache` (`state`: equal, different, not a product, not cached, unreachable; `copy`,
    `expires_in_seconds`, `is_leased`, `fault`), `is_pending`, `is_searched` (whether the archive was looked
    through), `read_from` (cache or database, with `--as-shop`).

    Examples:

        catalog show product123
        catalog show product123 --env prod --json | jq .cache
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        some_product(product_id)
        read_from = await read_as_shop(connections, product_id) if as_shop else None
        damage = Damage()
        with output.progress("looking in the archive"):
            state = await product_state(connections, product_id, damage)
        for place in dict.fromkeys(damage.first):
            output.say(f"damaged: {safe(place, _WIDEST)}")
        if state is None:
            output.say(f"the catalog has no product {safe(repr(product_id))}; `catalog explain` says why")
            if as_json:
                output.data(None)
            return 1
        output.data(state_document(state, read_from), _screen(state, read_from))
        return 1 if state.has_findings else 0

    run(env, output, command)


def _screen(state: ProductState, read_from: str | None) -> Text:
    title = f"{safe(state.product_id, 255)}, last updated {state.last_updated.isoformat()}"
    lines = [title, *([f"  finding     {state.fault}"] if state.fault else []), ""]
    if read_from is not None:
        lines += [f"read as the shop: from the {read_from}", ""]
    shown: dict[Any, str] = {}
    for field in state.fields:
        same = _same(field, shown, is_searched=state.is_searched)
        lines.append(f"{field.name:<14}{safe(shown_value(field.name, field.value), 200)}{same}")
        if field.written_by is None or field.written_by.identity not in shown:
            lines += [f"  {line}" for line in _origin(field)]
        if field.contradiction is not None:
            lines.append(f"  finding     {safe(field.contradiction, _WIDEST)}")
        if field.written_by is not None:
            shown.setdefault(field.written_by.identity, field.name)
    lines += ["", *_cache(state.cache)]
    if state.is_pending:
        lines.append("  its invalidation is pending: the next batch or drain deletes this copy")
    return Text("\n".join(lines))


def _same(field: FieldState, shown: dict[Any, str], *, is_searched: bool) -> str:
    if field.contradiction is not None and field.version is None:
        return ""
    if field.version is None:
        return (
            "  (never sent)"
            if is_searched
            else "  (set by no update; `catalog diff --product` looks for one)"
        )
    if field.written_by is not None and field.written_by.identity in shown:
        return f"  (the record that wrote {shown[field.written_by.identity]})"
    return ""


def _origin(field: FieldState) -> list[str]:
    if field.version is None:
        return []
    if field.written_by is None:
        return [f"version     {safe(field.version)}: {field.fault}"]
    by = field.written_by
    archived = f"{safe(field.line.key, _WIDEST)} line {field.line.number}" if field.line else f"{field.fault}"
    return [
        f"event time  {by.event_time}, arrived {utc_text(by.arrival_ms)}",
        f"supplier    {'–' if field.supplier is None else safe(field.supplier)}",
        f"record      {by.sequence_number}, sub-sequence {by.sub_sequence}, {by.shard}",
        f"archive     {archived}",
        *([f"repaired    {safe(field.repair.text(), _WIDEST)}"] if field.repair else []),
    ]


def _cache(cache: CacheState) -> list[str]:
    said = {"equal": "cached, equal to the row", "different": "cached, not equal to the row"}
    text = f"{'cache':<14}{said.get(cache.state, cache.state)}"
    if cache.expires_in_seconds is not None:
        text += f", expires in {cache.expires_in_seconds:.0f} s"
    if cache.is_leased:
        text += ", a reader is about to store it"
    if cache.fault is not None:
        text += f": {safe(cache.fault)}"
    return [text] if cache.copy is None or cache.state == "equal" else [text, f"  {safe(cache.copy, 200)}"]


def state_document(state: ProductState, read_from: str | None) -> dict[str, Any]:
    """Return a product as JSON has it."""
    return {
        "product_id": state.product_id,
        "last_updated": state.last_updated.isoformat(),
        "fault": state.fault,
        "fields": [_field_document(field) for field in state.fields],
        "cache": {name: getattr(state.cache, name) for name in CacheState.__dataclass_fields__},
        "is_pending": state.is_pending,
        "is_searched": state.is_searched,
        "read_from": read_from,
    }


def _field_document(field: FieldState) -> dict[str, Any]:
    by, line = field.written_by, field.line
    return {
        "name": field.name,
        "value": field.value,
        "version": field.version,
        "event_time": by and by.event_time,
        "arrived": by and utc_text(by.arrival_ms),
        "supplier": field.supplier,
        "shard": by and by.shard,
        "sequence_number": by and by.sequence_number,
        "sub_sequence": by and by.sub_sequence,
        "object": line and line.key,
        "line": line and line.number,
        "repair": field.repair and asdict(field.repair),
        "fault": field.fault,
    }
