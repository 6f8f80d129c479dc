"""What the console answers its page: products, quarantine, fixes; and that on AWS it only reads."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from catalog.connections import connected
from catalog.environment import Environment
from catalog.product_state import read_as_shop
from catalog.status.staleness import read_staleness
from local.demo.kept_run import environment_members
from local.servers import Servers, ValkeyServer
from tests.catalog.test_quarantine import quarantine
from tests.catalog.test_quarantine_repair import id_of
from tests.console.conftest import Console, serving
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import Services, environment_variables, open_services

ROUND = "price: round to 2 decimals"


@pytest.fixture
async def aws_console(services: Services, servers: Servers, tmp_path: Path) -> AsyncIterator[Console]:
    """Console of an environment that is not a kept run: it has no variables of the function."""
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    with environment_variables(services.account.variables):
        async with serving(members | {"variables": None}, tmp_path / "kept-run.json", {}) as console:
            await console.open()
            yield console


async def tried(console: Console, id_: str, rule: str) -> Any:
    """Return what a rule would make of a record."""
    record = await console.get(f"/api/quarantine/{id_}")
    return next(option for option in record["options"] if option["rule"] == rule)


async def test_a_fix_is_sent_as_it_was_shown_and_once(services: Services, console: Console) -> None:
    await quarantine(services, {"product_id": "a", "price": 1.999}, {"product_id": "b", "price": 2.999})
    shown, other = [await tried(console, id_of(position), ROUND) for position in (0, 1)]
    asked = {"id": id_of(0), "rule": ROUND, "text": None, "reason": "test"}
    answer = await console.post("/api/send", asked | {"sha256": other["sha256"]})
    assert answer == {"error": "this is not what was shown: try it again"}
    answer = await console.post("/api/send", asked | {"sha256": shown["sha256"], "reason": " "})
    assert answer == {"error": "say why, in a few words that `catalog history` will show"}
    assert await services.row("a") is None

    answer = await console.post("/api/send", asked | {"sha256": shown["sha256"]})
    assert answer == {"accepted": 1, "rejected_again": [], "failures": []}
    row = await services.row("a")
    assert row is not None
    assert str(row["price"]) == "2.00"
    again = await console.post("/api/send", asked | {"sha256": shown["sha256"]})
    assert "already: see `catalog history`" in again["error"]


async def test_on_aws_it_shows_and_sends_nothing(services: Services, aws_console: Console) -> None:
    await quarantine(services, {"product_id": "a", "price": 1.999})
    shown = await tried(aws_console, id_of(0), ROUND)
    assert shown["after"] == '{"product_id":"a","price":2.00}'
    asked = {"id": id_of(0), "rule": ROUND, "text": None, "reason": "test", "sha256": shown["sha256"]}
    answer = await aws_console.post("/api/send", asked)
    assert answer == {"error": "on AWS the console only shows; `catalog quarantine fix` sends"}
    for word in ("poison", "start-traffic", "stop-database"):
        answer = await aws_console.post("/api/switch", {"do": word})
        assert answer == {"error": "nothing is switched on AWS"}
    assert await services.row("a") is None


async def test_a_word_is_refused_that_is_no_switch(console: Console) -> None:
    answer = await console.post("/api/switch", {"do": "stop-world"})
    assert answer == {"error": "accepted: start-traffic, stop-traffic, poison, shuffle"}


async def test_no_such_record_and_no_such_rule_are_said(services: Services, console: Console) -> None:
    await quarantine(services, {"product_id": "a", "price": 1.999})
    assert await console.get("/api/quarantine/<b>") == {"error": "no such record in quarantine: <b>"}
    answer = await console.post("/api/try", {"id": id_of(0), "rule": "magic"})
    assert answer["error"].startswith("no rule 'magic'; accepted: price: round to 2 decimals, ")


async def test_products_are_suggested_by_how_they_begin(services: Services, console: Console) -> None:
    ids = ["a-1", "a-2", "b-1", "é"]
    await services.invoke(
        kinesis_event(*(kinesis_record({"product_id": one, "inventory": 1}, n) for n, one in enumerate(ids)))
    )
    assert await console.get("/api/products", begin="a-") == ["a-1", "a-2"]
    assert await console.get("/api/products", begin="é") == ["é"]
    for begin in ("c", "\0", "x" * 300):
        assert await console.get("/api/products", begin=begin) == []


async def test_a_product_that_is_not_there_has_a_history_all_the_same(
    services: Services, console: Console
) -> None:
    await quarantine(services, {"product_id": "a", "price": 1.999})
    assert (await console.get("/api/product", id="a"))["product"] is None
    history = await console.get("/api/history", id="a")
    assert [update["reason"] for update in history["updates"]] == ["invalid_price"]
    assert (history["differences"], history["objects"]) == ([], 1)
    assert await console.get("/api/history", id="a", days="x") == {
        "error": "days is not a number of days, from 1 to 9999"
    }


async def test_a_row_that_was_changed_by_hand_is_found(services: Services, console: Console) -> None:
    await services.invoke(kinesis_event(kinesis_record({"product_id": "a", "inventory": 1})))
    assert (await console.get("/api/history", id="a"))["differences"] == []
    await services.database.execute("UPDATE products SET inventory = 2")
    (difference,) = (await console.get("/api/history", id="a"))["differences"]
    assert difference.startswith("inventory is 2 ")


async def test_cached_copies_are_compared_whether_keys_may_be_listed_or_not(
    servers: Servers, own_valkey: ValkeyServer
) -> None:
    async with open_services(servers, valkey=own_valkey.address) as services:
        await services.invoke(kinesis_event(kinesis_record({"product_id": "a", "inventory": 1})))
        members = environment_members(
            services.account, services.postgres, own_valkey.address, servers.moto.endpoint_url
        )
        async with connected(Environment(**members)) as connections:
            nothing = await read_staleness(connections)
            await read_as_shop(connections, "a")
            equal = await read_staleness(connections)
            await services.database.execute("UPDATE products SET inventory = 2")
            stale = await read_staleness(connections)
            # As for the shop's user in ElastiCache.
            await services.redis.acl_setuser("default", enabled=True, commands=["-scan"])
            drawn = await read_staleness(connections)
    assert [(one.cached, one.stale) for one in (nothing, equal, stale)] == [(0, []), (1, []), (1, ["a"])]
    assert stale.sample == "up to 1,000 cached products"
    assert drawn.sample.endswith("products drawn by chance")


async def test_pages_get_everything_first_and_then_what_changes(services: Services, console: Console) -> None:
    async with asyncio.timeout(30):
        events = await read_events(console, {"verdicts", "part-database", "part-pending", "switches"})
    assert events["part-pending"]["part"] == {"count": 0, "oldest_at": None}
    assert events["switches"]["words"] == ["start-traffic", "stop-traffic", "poison", "shuffle"]
    assert {one["state"] for one in events["verdicts"]["verdicts"]} == {"unknown"}


async def read_events(console: Console, wanted: set[str]) -> dict[str, Any]:
    """Return the data of these events, as a page gets them."""
    found: dict[str, Any] = {}
    async for name, data in console.events():
        found.setdefault(name, json.loads(data))
        if wanted <= set(found):
            break
    return found
