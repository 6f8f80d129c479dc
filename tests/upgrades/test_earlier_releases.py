"""Today's code reads what each release wrote, and changes nothing in it: docs/upgrades.md."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from catalog.operations import MARKS_PREFIX
from local.servers import Servers
from processor import migrate, replay
from processor.readers import CacheAddress, open_reader
from tests.support.kept_catalog import Catalog, kept_catalog
from tests.support.real_servers import ALL_DONE, FixedContext, Services, environment_variables, objects
from tests.upgrades.release import COMMANDS, Release, outcomes, printed, releases, rows

# Their members are names of the moment, such as applications that are connected.
_NAMES_OF_THE_MOMENT = {"applications"}


@pytest.fixture(params=releases(), ids=lambda release: release.folder.name)
def release(request: pytest.FixtureRequest) -> Release:
    """Return the files of a release."""
    found: Release = request.param
    return found


@pytest.fixture
async def upgraded(services: Services, release: Release) -> AsyncIterator[Services]:
    """Buckets and a database as the release left them, migrated by today's code."""
    await release.restore(services)
    address = replace(services.postgres, database=f"{services.postgres.database}-upgraded")
    await services.database.execute(f'CREATE DATABASE "{address.database}"')
    database = await asyncpg.connect(address.dsn)
    await database.execute((release.folder / "database.sql").read_text(encoding="utf-8"))
    await database.execute("RESET ALL")
    variables = services.account.variables | {"DB_NAME": address.database}
    with environment_variables(variables):
        await asyncio.to_thread(migrate.handler, {}, None)
    try:
        yield replace(
            services,
            account=replace(services.account, variables=variables),
            database=database,
            postgres=address,
        )
    finally:
        database.terminate()


@pytest.fixture
def catalog(upgraded: Services, servers: Servers, tmp_path: Path) -> Iterator[Catalog]:
    """Yield the program on what the release left."""
    with kept_catalog(upgraded, servers, tmp_path, {}) as run:
        yield run


def as_then(
    now: list[dict[str, str | None]], then: list[dict[str, str | None]]
) -> list[dict[str, str | None]]:
    """Return rows without the columns that came later."""
    return [{name: row.get(name) for name in then[0]} for row in now]


def gone(then: Any, now: Any, place: str = "") -> list[str]:
    """Return what a document has no longer, or has as another kind of value."""
    if isinstance(then, dict) and isinstance(now, dict):
        lost = [f"{place}/{name}" for name in then if name not in now]
        kept = [name for name in then if name in now and name not in _NAMES_OF_THE_MOMENT]
        return lost + [each for name in kept for each in gone(then[name], now[name], f"{place}/{name}")]
    if isinstance(then, list) and isinstance(now, list):
        return gone(then[0], now[0], f"{place}/0") if then and now else [place] if then else []
    kinds = {float if type(value) is int else type(value) for value in (then, now)} - {type(None)}
    return [place] if len(kinds) > 1 else []


def test_there_are_files_of_a_release() -> None:
    assert releases()


def test_a_record_means_what_it_meant(release: Release) -> None:
    for name, event in release.files("events"):
        assert outcomes(json.loads(event)) == release.read(f"outcomes/{name}")


async def test_the_archive_makes_the_same_rows(release: Release, services: Services) -> None:
    await release.restore(services)
    bucket = services.account.archive_bucket
    keys = [key for key, _ in await objects(services.account, bucket)]
    event = {
        "Items": [{"bucket": bucket, "key": key} for key in keys],
        "BatchInput": {"selection": {}},
    }
    with environment_variables(services.account.variables):
        report = await asyncio.to_thread(replay.handler, event, FixedContext(20_000))
    assert (report["objects"], report["findings"], report["damaged"]) == (len(keys), {}, 0)
    then = release.read("rows.json")
    assert as_then(await rows(services.database), then) == then


async def test_migrations_keep_every_row(release: Release, upgraded: Services) -> None:
    then = release.read("rows.json")
    assert as_then(await rows(upgraded.database), then) == then
    assert await upgraded.pending() == set(release.read("pending.json"))


async def test_records_that_come_again_change_nothing(release: Release, upgraded: Services) -> None:
    for _, event in release.files("events"):
        assert await upgraded.invoke(json.loads(event)) == ALL_DONE
    then = release.read("rows.json")
    assert as_then(await rows(upgraded.database), then) == then
    assert await upgraded.pending() == set()


async def test_a_cached_value_is_a_hit(release: Release, services: Services) -> None:
    for key, value in release.read("cache.json").items():
        await services.redis.set(key, value)
    port = services.redis.connection_pool.connection_kwargs["port"]
    cache = CacheAddress(host="127.0.0.1", port=port, tls=False)
    then = release.read("rows.json")
    async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
        for row in then:
            product = await reader.get(row["product_id"])
            assert product is not None
            price = None if product.price is None else str(product.price)
            assert (str(product.inventory), price) == (row["inventory"], row["price"])
            assert str(product.discontinued) == row["discontinued"]
        assert reader.statistics.hits == len(then)


@pytest.mark.parametrize("name", COMMANDS)
async def test_what_catalog_prints_loses_no_member(release: Release, catalog: Catalog, name: str) -> None:
    assert gone(release.read(f"json/{name}.json"), await printed(catalog, name)) == []


async def test_catalog_knows_what_was_repaired(release: Release, catalog: Catalog) -> None:
    then = {name: release.read(f"json/{name}.json") for name in COMMANDS}
    assert (await printed(catalog, "archive-verify"))["found"] == 0
    assert (await printed(catalog, "diff"))["differences"] == 0
    assert (await printed(catalog, "quarantine-list"))["counts"] == then["quarantine-list"]["counts"]
    history = await printed(catalog, "history")
    assert [each["id"] for each in history] == [each["id"] for each in then["history"]]
    repaired = await catalog("quarantine", "fix", "--rule", "price: round to 2 decimals", "--json")
    assert json.loads(repaired.stdout)["records"] == 0


async def test_a_record_that_was_fixed_is_not_fixed_otherwise(upgraded: Services, catalog: Catalog) -> None:
    account = upgraded.account
    for key, _ in await objects(account, account.quarantine_bucket):
        if key.startswith(MARKS_PREFIX):  # as if the fix had been interrupted before it marked the record
            await account.s3.delete_object(Bucket=account.quarantine_bucket, Key=key)
    (fixed,) = [
        each["id"]
        for each in (await printed(catalog, "quarantine-list"))["newest"]
        if b'"fixed"' in base64.b64decode(each["data_base64"])
    ]
    patch = '[{"op": "replace", "path": "/price", "value": 1}]'
    result = await catalog(
        *("quarantine", "fix", fixed, "--patch", patch, "--yes", "--reason", "test", "--json")
    )
    assert json.loads(result.stdout)["accepted"] == 0


async def test_a_failed_batch_is_redriven(release: Release, upgraded: Services, catalog: Catalog) -> None:
    then = release.read("json/redrive.json")
    done = await catalog("redrive", "--yes", "--reason", "test", "--json")
    assert done.exit_code == 0, done.stderr
    redriven = json.loads(done.stdout)
    assert [redriven[name] for name in ("batches", "records")] == [then["batches"], then["records"]]
    assert len(await rows(upgraded.database)) == len(release.read("rows.json")) + then["records"]
