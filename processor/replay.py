"""Lambda's entry point for a replay: some objects of the archive in, counts out.

A Step Functions distributed map invokes it with batches of the archive's objects, for archives that are too
large for one machine (`catalog replay`). Both run `archive_replay.replay_objects`.
"""

from collections.abc import Mapping
from typing import Any

from processor import runtime
from processor.archive_replay import CatalogWriter, ReplayReport, Selection, replay_objects
from processor.errors import DependencyError, EventError
from processor.handler import Context, budget_seconds
from processor.json_values import shown
from processor.ports import Ports
from processor.s3_objects import ARCHIVE_PREFIX

_SUFFIX = ".ndjson.gz"
_SHAPE = '{"Items": [{"bucket": …, "key": …}], "BatchInput": {"selection": {…}}}'


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Replay the objects of one batch into the catalog.

    The event is what a distributed map sends: `Items`, objects of the archive by `bucket` and `key`. If only
    a part of their lines counts, `BatchInput` has a `selection` with `begin_ms` (the earliest arrival, in
    milliseconds since 1970), `end_ms` (the first that is too late) and `products`, each of them optional.

    Returns:
        Counts: `objects`, `lines`, `updates`, `rows_changed`, `pending_invalidations_added`, `damaged`,
        `findings` by kind, `refused` products; `samples` of what was not applied.

    Raises:
        SettingsError: an environment variable is missing or wrong.
        EventError: the event is another; the message says what is wrong.
        DependencyError: something was away, or the time is up; the map sends the same batch again.
    """
    this_runtime = runtime.current()
    keys = _read_keys(event, this_runtime.settings.archive_bucket)
    selection = _read_selection(event.get("BatchInput"))
    clock = this_runtime.clock
    seconds = budget_seconds(context)
    deadline = clock.monotonic() + seconds
    report = ReplayReport()

    def check_time() -> None:
        if clock.monotonic() >= deadline:
            raise DependencyError(f"{report.objects} of {len(keys)} objects were read within the time left")

    async def replay(ports: Ports) -> None:
        writer = CatalogWriter(ports.catalog, ports.cache, clock, report, deadline)
        await replay_objects(keys, ports.archive, writer, selection, report, check_time)

    this_runtime.run(replay, seconds=seconds)
    return {
        "objects": report.objects,
        "lines": report.lines,
        "updates": report.updates,
        "rows_changed": report.rows_changed,
        "pending_invalidations_added": report.pending_invalidations_added,
        "damaged": report.damaged,
        "findings": dict(report.findings),
        "refused": sorted(report.refused),
        "samples": report.samples,
    }


def _read_keys(event: Any, archive_bucket: str) -> list[str]:
    items = event.get("Items") if isinstance(event, Mapping) else None
    if not isinstance(items, list) or not items:
        raise EventError(f"the event is not a batch of the archive's objects; {_SHAPE} is accepted")
    keys = []
    for position, item in enumerate(items, 1):
        bucket, key = (item.get("bucket"), item.get("key")) if isinstance(item, Mapping) else (None, None)
        if bucket != archive_bucket:
            raise EventError(f"item {position}: bucket is {shown(bucket)}; {archive_bucket!r} is accepted")
        if not (isinstance(key, str) and key.startswith(ARCHIVE_PREFIX)):
            raise EventError(f"item {position}: key is {shown(key)}; one below {ARCHIVE_PREFIX} is accepted")
        # A folder that someone made in the console is an object, too.
        if key.endswith(_SUFFIX):
            keys.append(key)
    return keys


def _read_selection(given: Any) -> Selection:
    given = given.get("selection", {}) if isinstance(given, Mapping) else given
    if given is None:
        return Selection()
    if not isinstance(given, Mapping) or not set(given) <= set(Selection._fields):
        accepted = ", ".join(Selection._fields)
        raise EventError(f"the selection is {shown(given)}; an object with any of {accepted} is accepted")
    everything = Selection()
    moments: list[int] = []
    for name in ("begin_ms", "end_ms"):
        moment = given.get(name)
        if moment is not None and (type(moment) is not int or moment < 0):
            raise EventError(f"{name} is {shown(moment)}; milliseconds since 1970 are accepted")
        moments.append(getattr(everything, name) if moment is None else moment)
    products = given.get("products") or None
    if products is not None and not (isinstance(products, list) and all(map(_is_text, products))):
        raise EventError(f"products is {shown(products)}; a list of strings is accepted")
    return Selection(moments[0], moments[1], frozenset(products) if products else None)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
