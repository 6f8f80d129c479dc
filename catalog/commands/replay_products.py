"""What `replay` and `diff` have in common: their products, and notes on what they leave out."""

from collections.abc import Set

import typer

from catalog.connections import Connections
from catalog.console import Output
from catalog.options import some_product
from catalog.replay.as_of import LeftOut, left_out
from catalog.replay.sources import Source
from catalog.terminal_text import counted, safe
from catalog.times import read_time
from processor.archive_replay import Selection

_NAMED = 10
_MANY_OBJECTS = 1_000
_LIST_REFUSED = "`catalog quarantine list --reason catalog_refused`"


def say_unknown(output: Output, what: str, selection: Selection, known: Set[str]) -> bool:
    """Say which of the products that were asked for are unknown; return whether one is."""
    unknown = sorted((selection.products or frozenset()) - known)
    if unknown:
        more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
        output.say(f"{what} {', '.join(safe(name, 60) for name in unknown[:_NAMED])}{more}")
    return bool(unknown)


def say_many_objects(output: Output, objects: int, begin: str | None) -> None:
    """Say how to read less where one product was looked for in many objects."""
    if objects > _MANY_OBJECTS and begin is None:
        output.say(
            f"note: {counted(objects, 'object')} of the archive; --from, such as --from 7d, reads fewer"
        )


def _say_left_out(output: Output, without: LeftOut) -> None:
    """Say what of the archive does not count."""
    if without.later:
        records = counted(without.later, "record")
        output.say(f"note: without {records} that operators fixed or redrove after --as-of")
    if without.refused:
        records = counted(without.refused, "record")
        output.say(f"note: without {records} that the table refused ({_LIST_REFUSED})")
    if without.batches:
        what = "failed batch was" if without.batches == 1 else "failed batches were"
        output.say(
            f"note: {without.batches:,} {what} redriven after --as-of; their updates count from their arrival"
        )


async def without_of(
    connections: Connections, selection: Selection, as_of: str | None, into: str | None, output: Output
) -> LeftOut:
    """Return which records the catalog does not have, or did not have at `--as-of`; say so."""
    moment = None if as_of is None else read_time(as_of, "--as-of", is_end=True)
    if moment is not None and into is None:
        output.say("note: newer values stay. To see the catalog as it was then, give --into a table.")
    with output.progress("reading quarantine"):
        without = await left_out(connections, moment, selection)
    _say_left_out(output, without)
    return without


def say_foreign(output: Output, source: Source) -> None:
    """Say what is beside the archive's objects, and counts nowhere."""
    if source.foreign.count:
        output.say(f"note: {source.foreign.text()}")


def read_products(given: list[str] | None) -> frozenset[str] | None:
    """Return the products of `--product`, of which `-` stands for the lines of standard input.

    Raises: UsageError for an empty one.
    """
    if not given:
        return None
    products: set[str] = set()
    for one in given:
        if one == "-":
            products.update(line for line in typer.get_text_stream("stdin").read().splitlines() if line)
        else:
            products.add(some_product(one))
    return frozenset(products)
