"""A connection whose packets vanish without a word, as after a freeze behind a firewall that forgot it."""

from tests.events import kinesis_event, kinesis_record, sequence
from tests.proxy import open_proxy
from tests.world import ALL_DONE, World


async def test_a_swallowed_connection_costs_one_batch_and_is_let_go(world: World) -> None:
    async with open_proxy(world.postgres.host, world.postgres.port) as way:
        world.account.environment.update(DB_PORT=str(way.port), DB_POOL_SIZE="1")

        def batch(number: int) -> dict[str, object]:
            text = f'{{"product_id": "a", "inventory": {number}}}'
            return kinesis_event(kinesis_record(text, 2 * number), kinesis_record(text, 2 * number + 1))

        assert await world.invoke(batch(0)) == ALL_DONE
        way.swallow(new=False)
        assert await world.invoke(batch(1), remaining_ms=2_000) == {
            "batchItemFailures": [{"itemIdentifier": sequence(2)}]
        }
        assert await world.invoke(batch(1), remaining_ms=4_000) == ALL_DONE
    row = await world.row("a")
    assert row is not None
    assert row["inventory"] == 1
