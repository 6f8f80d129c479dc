"""`--product` of `replay` and `diff`: which products, and what is said of them."""

from collections.abc import Set

import typer

from catalog.console import Output
from catalog.options import some_product
from catalog.terminal_text import counted, safe
from processor.archive_replay import Selection

_NAMED = 10
_MANY_OBJECTS = 1_000


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
