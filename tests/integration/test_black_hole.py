"""A connection whose packets vanish without a word, as after a freeze behind a firewall that forgot it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.events import kinesis_event, kinesis_record, sequence
from tests.world import ALL_DONE, World

_CHUNK_BYTES = 65536


class Way:
    """A TCP way to the database; what goes over its connections can be made to vanish."""

    def __init__(self) -> None:
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._swallowed: set[asyncio.StreamWriter] = set()

    def swallow(self) -> None:
        """From now on nothing gets through on the connections there are; new ones work."""
        self._swallowed |= self._writers

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, until either side ends."""
        self._writers.add(writer)
        try:
            while data := await reader.read(_CHUNK_BYTES):
                if writer not in self._swallowed:
                    writer.write(data)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


@asynccontextmanager
async def way_to(world: World) -> AsyncIterator[Way]:
    """A way to the world's database on a port of its own."""
    way = Way()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection(world.postgres.host, world.postgres.port)
        for pair in ((reader, back_writer), (back_reader, writer)):
            task = asyncio.create_task(way.carry(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_swallowed_connection_costs_one_batch_and_is_let_go(world: World) -> None:
    async with way_to(world) as way:
        world.account.environment.update(DB_PORT=str(way.port), DB_POOL_SIZE="1")

        def batch(number: int) -> dict[str, object]:
            text = f'{{"product_id": "a", "inventory": {number}}}'
            return kinesis_event(kinesis_record(text, 2 * number), kinesis_record(text, 2 * number + 1))

        assert await world.invoke(batch(0)) == ALL_DONE
        way.swallow()
        assert await world.invoke(batch(1), remaining_ms=2_000) == {
            "batchItemFailures": [{"itemIdentifier": sequence(2)}]
        }
        assert await world.invoke(batch(1), remaining_ms=4_000) == ALL_DONE
    row = await world.row("a")
    assert row is not None
    assert row["inventory"] == 1
