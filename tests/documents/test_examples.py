"""Every example in Python or SQL runs, against real servers."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any

import aioboto3
import pytest

from local.emulated_aws.account import REGION
from processor.updates import Update, decode
from tests.support.documents import Block, blocks, document
from tests.support.environments import DEV
from tests.support.events import record
from tests.support.real_servers import Services, environment_variables

# tests/integration/test_add_a_field.py runs its steps.
ADD_A_FIELD = "CONTRIBUTING.md"
TESTED = {ADD_A_FIELD: 1, "docs/deploying.md": 2, "docs/suppliers.md": 1, "docs/shop.md": 2}
STREAM = "inventory-updates-dev"


def example(name: str, position: int = 0) -> str:
    """Return a document's Python block."""
    return [block for block in document(name).blocks() if block.language == "python"][position].text


def execute(code: str, **names: object) -> dict[str, Any]:
    """Run the code, and return what it has defined."""
    defined: dict[str, Any] = {"__name__": "example", **names}
    exec(compile(code, "<document>", "exec"), defined)  # noqa: S102 our own documents
    return defined


def test_each_example_in_python_has_its_test() -> None:
    assert Counter(block.place.partition(":")[0] for block in blocks("python")) == TESTED
    for block in blocks("python"):
        compile(block.text, block.place, "exec")


@pytest.mark.parametrize(
    "block",
    [block for block in blocks("sql") if not block.place.startswith(ADD_A_FIELD)],
    ids=lambda block: block.place,
)
async def test_each_statement_in_sql_runs(services: Services, block: Block) -> None:
    transaction = services.database.transaction()
    await transaction.start()
    await services.database.execute(block.text)
    await transaction.rollback()


def test_the_networks_are_accepted() -> None:
    """An existing VPC, and a shop's network beside a VPC of ours."""
    assert replace(DEV, network=execute(example("docs/deploying.md"))["network"])
    shop_network = execute(example("docs/deploying.md", 1))["shop_network"]
    assert replace(DEV.network, shop_network=shop_network)


async def test_the_producer_puts_updates(services: Services) -> None:
    await services.account.kinesis.create_stream(StreamName=STREAM, ShardCount=1)
    try:
        with environment_variables(services.account.variables):
            await asyncio.to_thread(execute, example("docs/suppliers.md"))
        shards = await services.account.kinesis.list_shards(StreamName=STREAM)
        iterator = await services.account.kinesis.get_shard_iterator(
            StreamName=STREAM,
            ShardId=shards["Shards"][0]["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )
        taken = await services.account.kinesis.get_records(ShardIterator=iterator["ShardIterator"])
        updates = [decode(record(one["Data"], arrival_ms=1_800_000_000_000)) for one in taken["Records"]]
        assert [update.product_id for update in updates if isinstance(update, Update)] == [
            "product123",
            "product124",
        ]
    finally:
        await services.account.kinesis.delete_stream(StreamName=STREAM)


class RefusingKinesis:
    """A stream that refuses every other record when it is put for the first time."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self._refused: set[str] = set()

    def put_records(self, *, StreamName: str, Records: Sequence[Any]) -> dict[str, Any]:  # noqa: N803 boto3's
        """Return what `PutRecords` returns."""
        results = []
        for position, entry in enumerate(Records):
            key = entry["PartitionKey"]
            if position % 2 and key not in self._refused:
                self._refused.add(key)
                results.append({"ErrorCode": "ProvisionedThroughputExceededException"})
            else:
                self.taken.append(key)
                results.append({"SequenceNumber": "1"})
        return {"FailedRecordCount": sum("ErrorCode" in result for result in results), "Records": results}


def test_the_producer_puts_refused_updates_again() -> None:
    definitions, _, _ = example("docs/suppliers.md").partition("\n\n\nput_updates(")
    kinesis = RefusingKinesis()
    ids = [f"product{number}" for number in range(200)]
    execute(definitions)["put_updates"](kinesis, STREAM, [{"product_id": id_} for id_ in ids])
    assert sorted(kinesis.taken) == sorted(ids)


async def test_a_kept_run_is_read(services: Services) -> None:
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
    )
    read_locally = execute(example("docs/shop.md", 1))["read_locally"]
    port = services.redis.connection_pool.connection_kwargs["port"]
    product = await read_locally(services.postgres.dsn, port, "a")
    assert (product.product_id, product.inventory, product.price) == ("a", 1, None)


async def test_the_shop_reads_with_the_deployed_login(services: Services) -> None:
    """As deployed, but for TLS: the embedded servers have none, and the example refuses to do without."""
    address = services.postgres
    login = {"username": "product_shop", "password": "p", "host": address.host, "port": address.port}
    variables = {
        **services.account.variables,
        "READER_SECRET_ARN": "product-catalog-db-reader-dev",
        "CACHE_USER": "product-shop-dev",
        "CACHE_CLUSTER_ID": "product-cache-dev",
        "CACHE_HOST": "127.0.0.1",
    }

    with environment_variables(variables):
        async with aioboto3.Session(region_name=REGION).client("secretsmanager") as secrets:
            await secrets.create_secret(
                Name=variables["READER_SECRET_ARN"],
                SecretString=json.dumps({**login, "dbname": address.database}),
            )

        def shop() -> None:
            with redirect_stdout(StringIO()), pytest.raises(ConnectionError, match="SSL"):
                execute(example("docs/shop.md"))

        await asyncio.to_thread(shop)
