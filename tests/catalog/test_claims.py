"""Claims: a quarantined record is fixed in one way only, whoever sends it, and whenever a run is killed."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from catalog.connections import connect
from catalog.operations import Operation
from catalog.repair.claims import ClaimedError, Claims
from tests.catalog.conftest import Catalog
from tests.catalog.test_quarantine import quarantine
from tests.catalog.test_quarantine_repair import id_of
from tests.support.events import SHARD, sequence
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
    (failure,) = json.loads(other.stdout)["failures"]
    assert (other.exit_code, failure["key"]) == (1, id_of(0))
    assert failure["why"].startswith("it was sent with other bytes by user/moto on ")
    assert "(first): a newer update of the supplier is the way" in failure["why"]
    same = await catalog("quarantine", "fix", *to_price(1), *YES, "the same once more")
    assert (same.exit_code, json.loads(same.stdout)["accepted"]) == (0, 1)
    row = await services.row("a")
    assert row is not None
    assert row["price"] == Decimal(1)
    accepted = [line["data"] for line in await services.archive_lines() if line["verdict"] == "accepted"]
    assert [line["price"] for line in accepted] == [1]
    assert len(json.loads((await catalog("history", "--json")).stdout)) == 3


async def test_a_claim_of_rejected_bytes_is_released(
    services: Services, catalog: Catalog, tmp_path: Path
) -> None:
    identity = (SHARD, sequence(0), 0)
    operation = Operation(id="1", command="fix", by="arn:me", reason="why", begun_at="2026-01-31")
    with environment_variables({"CATALOG_KEPT_RUN": str(tmp_path / "kept-run.json")}):
        async with connect(None) as connections:
            claims = Claims(connections, operation)
            await claims.take(identity, b"1")
            await claims.take(identity, b"1")
            with pytest.raises(ClaimedError, match="by me on "):
                await claims.take(identity, b"2")
            await claims.release(identity, b"1")
            await claims.take(identity, b"2")
            with pytest.raises(ClaimedError, match="by me on "):
                await claims.take(identity, b"1")
