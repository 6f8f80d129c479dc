"""Which quarantined records a command is about: by its options, or by ids."""

from collections.abc import AsyncIterator, Callable, Container

from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.options import some_product
from catalog.repair.failed_batches import Damaged
from catalog.repair.marks import Marks
from catalog.repair.quarantined import Filter, Quarantined, named_id, read_quarantined
from catalog.terminal_text import escaped
from catalog.times import read_period, shown_time
from processor.reasons import Reason

_CODES = sorted(Reason)


def read_filter(
    ids: list[str] | None,
    code: list[str] | None,
    supplier: str | None,
    since: str | None,
    until: str | None,
    shard: str | None,
    product: str | None,
) -> Filter:
    """Return which records the arguments name. Raises: UsageError."""
    for id_ in ids or ():
        if len(id_) != 10 or not set(id_) <= set("0123456789abcdef"):
            raise UsageError(f"{escaped(id_, 40)!r} is no id: `catalog quarantine list` prints them")
    for name in code or ():
        if name not in _CODES:
            raise UsageError(f"no reason {escaped(name, 60)!r}; accepted: {', '.join(_CODES)}")
    return Filter(
        reasons=frozenset(code or ()),
        supplier=supplier,
        period=read_period(since, until),
        shard=shard,
        text=product if product is None else some_product(product),
        ids=frozenset(ids or ()),
    )


async def chosen(
    connections: Connections, output: Output, wanted: Filter, marks: Marks, without: Container[str]
) -> Callable[[], AsyncIterator[Quarantined | Damaged]]:
    """Return what reads the wanted records; those named by ids are read at once, and kept.

    Says which were fixed or redriven already. Raises: UsageError if there is no such record.
    """
    if not wanted.ids:
        return lambda: read_quarantined(connections, wanted, without=without)
    found = [one async for one in read_quarantined(connections, wanted, without=without)]
    missing = wanted.ids - {one.id for one in found if isinstance(one, Quarantined)}
    for name, mark in marks.of_records.items():
        if (id_ := named_id(name)) in missing and name in without:
            done = "fixed" if name in marks.fixed else "redriven"
            output.say(f"{id_} was {done} at {shown_time(mark.at)}: see `catalog history`")
            missing -= {id_}
    if missing:
        raise UsageError(no_such_record(", ".join(sorted(missing))))

    async def kept() -> AsyncIterator[Quarantined | Damaged]:
        for one in found:
            yield one

    return kept


def no_such_record(name: str) -> str:
    """Return what to say where the name is that of no record."""
    return f"no such record in quarantine: {escaped(name, 200)}. `catalog quarantine list --again` lists them"
