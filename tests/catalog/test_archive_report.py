"""`catalog archive compact-report`, and objects that are made to keep a reader busy."""

import gzip
import json
import random
from datetime import date

from catalog.archive.report import Day, advice, small_costs
from tests.catalog.conftest import Catalog, lines_of
from tests.support.archives import archive, put
from tests.support.events import ARRIVAL_MS, record
from tests.support.real_servers import Services

DAY_MS = 24 * 60 * 60 * 1000
GOOD = {"product_id": "p", "inventory": 1}


async def test_days_small_objects_and_duplicates(catalog: Catalog, services: Services) -> None:
    noise = random.Random(1)
    for position in range(3):
        await archive(services, [record(GOOD, position), record(GOOD, 9)])
    large = [
        record({**GOOD, "note": noise.randbytes(30_000).hex()}, 20 + each, arrival_ms=ARRIVAL_MS + DAY_MS)
        for each in range(6)
    ]
    await archive(services, large)
    await put(services, "other", b"x")
    result = await catalog("archive", "compact-report", "--json", "--duplicates")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    first, second = document["days"]
    assert (first["day"], first["objects"], first["small_objects"]) == ("2026-01-31", 3, 3)
    assert first["bytes"] == first["small_bytes"] > 0
    assert (second["objects"], second["small_objects"], second["small_bytes"]) == (1, 0, 0)
    assert (document["records"], document["duplicates"]) == (12, 2)
    assert document["costs"]["larger_objects"] == 1
    assert document["advice"] == [
        "3 of 4 objects are small, which costs $0.00: leave it.",
        "17% of the lines are duplicates: batches are retried often. `catalog status` says what fails.",
    ]


async def test_the_screen(catalog: Catalog, services: Services) -> None:
    await archive(services, [record(GOOD)])
    result = await catalog("archive", "compact-report")
    size = json.loads((await catalog("archive", "compact-report", "--json")).stdout)["days"][0]["bytes"]
    assert lines_of(result.stdout) == [
        "day         objects  bytes  small_objects  small_bytes",
        "──────────────────────────────────────────────────────",
        f"2026-01-31        1    {size}              1          {size}",
        "Small objects (under 128 KiB): $0.0000 to write and $0.0000 to read once, $0.0000 a month.",
        "The same in 1 larger ones: $0.0000, $0.0000, $0.0000 (from day 90 on).",
        "1 of 1 objects are small, which costs $0.00: leave it.",
    ]


async def test_an_empty_archive(catalog: Catalog) -> None:
    result = await catalog("archive", "compact-report", "--json")
    assert json.loads(result.stdout)["advice"] == ["There is no object yet: the archive is empty."]


async def test_days_without_objects(catalog: Catalog, services: Services) -> None:
    await archive(services, [record(GOOD)])
    result = await catalog("archive", "compact-report", "--from", "2026-01-01", "--to", "2026-01-30")
    assert result.stdout == (
        "There is no object from 2026-01-01 to 2026-01-30; "
        "the archive has others, the first one of 2026-01-31.\n"
    )
    result = await catalog("archive", "compact-report", "--from", "1h", "--shard", "s-1")
    assert " of shard s-1; the archive has others" in result.stdout


def test_small_objects_that_cost_money() -> None:
    day = Day(day=date(2026, 1, 31), objects=3_000_000, bytes=2_000_000_000_000)
    day.small_objects, day.small_bytes = 3_000_000, 150_000_000_000
    costs = small_costs([day])
    assert (costs.puts, costs.reads, costs.larger_objects) == (15.0, 1.2, 1_144_410)
    assert (round(costs.standard, 2), round(costs.glacier, 2)) == (3.21, 0.56)
    assert advice([day], costs, records=None, duplicates=None) == [
        "3,000,000 of 3,000,000 objects are small. A larger event_source.batch_size or window_seconds would "
        "have saved up to $9.28 of puts, and makes updates later by as much as the window.",
        "Their bytes stay in Standard for $3.21 a month; in larger objects they would move to Glacier "
        "Instant Retrieval, for $0.56 (docs/adr/0007).",
    ]


async def test_an_object_that_unpacks_to_very_much(catalog: Catalog, services: Services) -> None:
    key = await archive(services, [record(GOOD)])
    for body, found in ((b"\n" * 50_000_000, 1_001), (b"\0" * 50_000_000, 1)):
        await put(services, key, gzip.compress(body, 1))
        result = await catalog("archive", "verify", "--json", "--no-table")
        assert json.loads(result.stdout)["found"] == found
        result = await catalog("archive", "sql", "--json", "SELECT count(*) AS n FROM archive")
        assert json.loads(result.stdout)[0]["n"] <= 1_000
