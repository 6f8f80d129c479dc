"""Claims: a quarantined record is fixed in one way only, whoever sends it, and whenever a run is killed."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from catalog.connections import connect
from catalog.operations import Operation
from catalog.repair.claims import ClaimedError, Claims
from processor.reasons import Reason
from processor.updates import Rejection
from tests.catalog.conftest import Catalog, lines_of
from tests.catalog.test_quarantine import quarantine
from tests.catalog.test_quarantine_repair import id_of, put_rejections
from tests.support.events import SHARD, record, sequence
from tests.support.failed_batches import put_object
from tests.support.real_servers import Services, environment_variables

YES = ("--yes", "--json", "--reason")


def to_price(price: float) -> tuple[str, ...]:
    return (id_of(0), "--patch", json.dumps([{"op": "replace", "path": "/price", "value": price}]))


async def forget_marks(services: Services) -> None:
    """Delete the marks, as if the run had been killed before it wrote them."""
    account = services.account
    listed = await account.s3.list_objects_v2(Bucket=account.quarantine_bucket, Prefix="operations/redriven/")
    for found in listed["Contents"]:
        await account.s3.delete_object(Bucket=account.quarantine_bucket, Key=found["Key"])


async def test_a_second_fix_with_other_bytes_is_refused(services: Services, catalog: Catalog) -> None:
    await quarantine(services, {"product_id": "a", "price": "bad"})
    assert (await catalog("quarantine", "fix", *to_price(1), *YES, "first")).exit_code == 0
    await forget_marks(services)
    other = await catalog("quarantine", "fix", *to_price(2), *YES, "second")
    (why,) = json.loads(other.stdout)["left"]
    assert other.exit_code == 1
    assert why.startswith("a fix with other bytes was begun, which --finish sends: by user/moto on ")
    assert why.endswith(" (first)")
    same = await catalog("quarantine", "fix", *to_price(1), *YES, "the same once more")
    assert (same.exit_code, json.loads(same.stdout)["accepted"]) == (0, 1)
    row = await services.row("a")
    assert row is not None
    assert row["price"] == Decimal(1)
    accepted = [line["data"] for line in await services.archive_lines() if line["verdict"] == "accepted"]
    assert [line["price"] for line in accepted] == [1]
    assert len(json.loads((await catalog("history", "--json")).stdout)) == 2


@pytest.fixture
async def killed(catalog: Catalog, tmp_path: Path) -> AsyncIterator[Claims]:
    """Claims of a run that ends before it sends anything."""
    operation = Operation(
        id="20260131T083000123456-0", command="fix", by="arn:me", reason="why", begun_at="2026-01-31"
    )
    with environment_variables({"CATALOG_KEPT_RUN": str(tmp_path / "kept-run.json")}):
        async with connect(None) as connections:
            yield Claims(connections, operation)


async def test_a_killed_fix_is_shown_and_finished(
    services: Services, catalog: Catalog, killed: Claims
) -> None:
    await quarantine(services, {"product_id": "a", "price": "bad"}, {"product_id": "b", "price": "bad"})
    await killed.take((SHARD, sequence(0), 0), b'{"product_id":"a","price":1.25}')
    screen = lines_of((await catalog("quarantine", "list")).stdout)
    assert screen[:2] == [
        "2 quarantined records",
        "a fix of 1 was begun, and nothing says that it was sent: `catalog quarantine fix --finish`",
    ]
    assert screen[-1] == "  fix begun by me on 2026-01-31T08:30:00Z (why)"
    assert lines_of((await catalog("quarantine", "show", id_of(0))).stdout)[-2:] == [
        "fix begun        by me on 2026-01-31T08:30:00Z (why); nothing says that it was sent: "
        "`catalog quarantine fix --finish`",
        '{"product_id":"a","price":1.25}',
    ]
    for options, code in (((), 1), ((*YES, "other"), 1)):
        result = await catalog("quarantine", "fix", *to_price(2), *options)
        blocked = (
            "a fix with other bytes was begun, which --finish sends: by me on 2026-01-31T08:30:00Z (why)"
        )
        assert (result.exit_code, blocked in result.stdout) == (code, True)
    dry = await catalog("quarantine", "fix", "--finish")
    assert (dry.exit_code, dry.stdout.startswith("1 record to send")) == (0, True)
    assert '{"product_id":"a","price":1.25}' in dry.stdout
    sent = await catalog("quarantine", "fix", "--finish", *YES, "finished")
    assert (sent.exit_code, json.loads(sent.stdout)["accepted"]) == (0, 1)
    row = await services.row("a")
    assert row is not None
    assert row["price"] == Decimal("1.25")
    (_, update) = json.loads((await catalog("explain", "a", "--json")).stdout)["updates"]
    assert (update["repair"]["is_fix"], update["repair"]["reason"]) == (True, "finished")
    assert json.loads((await catalog("quarantine", "list", "--json")).stdout)["fixes_begun"] == 0
    assert (await catalog("quarantine", "fix", "--finish")).stdout.startswith("0 records to send")


async def test_what_was_redriven_as_it_was_is_not_fixed_in_another_way(
    services: Services, catalog: Catalog
) -> None:
    good = record({"product_id": "a", "price": 3}, 0)
    await put_rejections(services, Rejection(good, Reason.INTERNAL_ERROR, "a mistake"))
    assert (await catalog("quarantine", "redrive", *YES, "first")).exit_code == 0
    await forget_marks(services)
    fix = await catalog("quarantine", "fix", *to_price(2), *YES, "second")
    (why,) = json.loads(fix.stdout)["left"]
    assert (fix.exit_code, why.endswith(" (first)"), "`catalog quarantine redrive` finishes" in why) == (
        1,
        True,
        True,
    )
    again = await catalog("quarantine", "redrive", *YES, "once more")
    assert (again.exit_code, json.loads(again.stdout)["accepted"]) == (0, 1)
    assert [line["data"]["price"] for line in await services.archive_lines()] == [3]


async def test_a_record_with_a_fix_that_was_begun_is_not_redriven_as_it_was(
    services: Services, catalog: Catalog, killed: Claims
) -> None:
    good = record({"product_id": "a", "price": 3}, 0)
    await put_rejections(services, Rejection(good, Reason.INTERNAL_ERROR, "a mistake"))
    await killed.take(good[:3], b'{"product_id":"a","price":2}')
    result = await catalog("quarantine", "redrive", "--json")
    (why,) = json.loads(result.stdout)["left"]
    assert why == (
        "a fix was begun, which `catalog quarantine fix --finish` sends: by me on 2026-01-31T08:30:00Z (why)"
    )


async def test_a_fix_of_an_old_release_or_of_nobody_is_not_finished(
    services: Services, catalog: Catalog, killed: Claims
) -> None:
    await quarantine(services, *({"product_id": "a", "price": "bad"} for _ in range(3)))
    for position in range(3):
        await killed.take((SHARD, sequence(position), 0), b'{"product_id":"a","price":1}')
    account = services.account
    listed = await account.s3.list_objects_v2(Bucket=account.quarantine_bucket, Prefix="operations/fixed/")
    old, *others = [found["Key"] for found in listed["Contents"]]
    body = (await account.s3.get_object(Bucket=account.quarantine_bucket, Key=old))["Body"]
    claim = json.loads(await body.read())
    del claim["data_base64"]
    for key, text in zip([old, *others], [json.dumps(claim), "[1]", '{"record": 7}'], strict=True):
        await put_object(services, key, text.encode())
    result = await catalog("quarantine", "fix", "--finish", "--json")
    assert json.loads(result.stdout)["left"] == {
        "its new bytes were not written down: give the fix of then again": 1
    }
    assert (
        "its new bytes were not written down"
        in (await catalog("quarantine", "show", *claim["record"].split("/"))).stdout
    )


async def test_a_fix_that_the_table_refused_was_sent(
    services: Services, catalog: Catalog, killed: Claims
) -> None:
    bad, sent = (record({"product_id": "a", "price": price}, 0) for price in ("bad", 5))
    first, again = Rejection(bad, Reason("invalid_price"), "m"), Rejection(sent, Reason.CATALOG_REFUSED, "m")
    await put_rejections(services, first, again)
    await killed.take(sent[:3], sent.data)
    screen = (await catalog("quarantine", "show", SHARD, sequence(0))).stdout
    assert ("catalog_refused" in screen, "fix begun" in screen) == (True, False)


async def test_a_claim_of_rejected_bytes_is_released(killed: Claims) -> None:
    identity = (SHARD, sequence(0), 0)
    await killed.take(identity, b"1")
    await killed.take(identity, b"1")
    with pytest.raises(ClaimedError, match="by me on 2026-01-31T08:30:00Z"):
        await killed.take(identity, b"2")
    await killed.release(identity, b"1")
    await killed.take(identity, b"2")
    with pytest.raises(ClaimedError, match="by me on "):
        await killed.take(identity, b"1")
