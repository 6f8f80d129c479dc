"""Processes in the simulated world: real drivers on simulated connections, frozen, cut off and killed."""

import asyncio
import gc
import sys
import warnings
from collections.abc import Iterator
from typing import cast

import asyncpg
import pytest
from redis.exceptions import ReadOnlyError

from processor.adapters.redis_client import PatientPool, redis_client
from reliability.simulated.loop import SimulatedLookups, SimulatedLoop
from reliability.simulated.world import StuckError
from tests.support.simulated_place import Place

ADD_PENDING = "INSERT INTO pending_invalidation (product_id) SELECT unnest($1::text[])"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Yield a place where nothing has failed yet. Its processes end without closing their connections."""
    made = Place()
    yield made
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    vars(made).clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def test_waiting_takes_no_time(place: Place) -> None:
    place.run(asyncio.sleep(50.0))
    assert place.world.now == pytest.approx(50.0, abs=0.01)


def test_a_world_in_which_everything_waits_is_stuck(place: Place) -> None:
    place.process(asyncio.Event().wait())
    with pytest.raises(StuckError):
        place.world.run(lambda: False, deadline=9.0)


def test_a_frozen_process_goes_on_with_what_it_received(place: Place) -> None:
    heard: list[float] = []

    async def ping() -> None:
        connection = await place.connect()
        place.world.after(0.0, loop.freeze, 5.0)
        await connection.execute("SELECT")
        heard.append(place.world.now)

    loop = SimulatedLoop(place.world, place.network, "frozen")
    task = loop.create_task(ping())
    assert place.world.run(task.done, deadline=9.0)
    assert heard[0] > 5.0


def test_a_wrong_password_is_refused(place: Place) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        place.run(place.connect("wrong"))


def test_a_statement_outlives_its_client(place: Place) -> None:
    """Without client_connection_check_interval it commits although nobody waits for it."""

    async def leave(interval_ms: int, product: str) -> None:
        connection = await place.connect()
        await connection.execute(f"SET client_connection_check_interval = {interval_ms}")
        place.database.lock_rows([("pending", product)], 3.0)
        task = asyncio.ensure_future(connection.execute(ADD_PENDING, [product]))
        await asyncio.sleep(1.0)
        connection.terminate()
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await task
        await asyncio.sleep(5.0)

    place.run(leave(0, "outlives"))
    place.run(leave(500, "is stopped"))
    assert list(place.tables.pending) == ["outlives"]


def test_a_commit_whose_answer_is_lost_is_a_commit(place: Place) -> None:
    async def add() -> None:
        connection = await place.connect()
        statement = await connection.prepare(ADD_PENDING)
        (one,) = place.postgres.connections
        one.cut_after_delivery = True
        await statement.fetch(["p"])

    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        place.run(add())
    assert list(place.tables.pending) == ["p"]


def test_statements_that_wait_for_each_other_are_a_deadlock(place: Place) -> None:
    async def add(*products: str) -> None:
        connection = await place.connect()
        await connection.execute(ADD_PENDING, list(products))

    # It holds "a" until both wait: one for "a" first, the other has "b" and waits for "a" too.
    place.database.lock_rows([("pending", "a")], 1.0)
    tasks = [place.process(add("a", "b"), "one"), place.process(add("b", "a"), "other")]
    assert place.world.run(lambda: all(task.done() for task in tasks), deadline=9.0)
    errors = [type(task.exception()) for task in tasks]
    assert sorted(error.__name__ for error in errors) == ["DeadlockDetectedError", "NoneType"]
    assert len(place.database.deadlocks) == 1


def test_what_passes_a_black_hole_arrives_after_it(place: Place) -> None:
    async def ping() -> float:
        connection = await place.connect()
        place.postgres.hole_from_until = place.world.now + 7.0
        await connection.execute("SELECT")
        return place.world.now

    assert place.run(ping()) > 7.0


def test_nothing_arrives_on_a_connection_that_vanished(place: Place) -> None:
    async def ping() -> None:
        connection = await place.connect()
        (one,) = place.postgres.connections
        one.forget()
        async with asyncio.timeout(50.0):
            await connection.execute("SELECT")

    with pytest.raises(TimeoutError):
        place.run(ping())


def test_a_refused_connection_is_an_error_at_once(place: Place) -> None:
    place.postgres.refuses_until = 60.0
    with pytest.raises(ConnectionRefusedError):
        place.run(place.connect())
    assert place.world.now < 1.0


def test_a_failover_loses_the_last_writes_and_leaves_a_replica(place: Place) -> None:
    client = redis_client(
        host="valkey", port=6379, tls=False, login=None, max_connections=2, lookups=SimulatedLookups()
    )

    async def use() -> None:
        await client.set("product:p", "old", ex=300)
        await asyncio.sleep(5.0)
        await client.unlink("product:p")
        connection = await cast(PatientPool, client.connection_pool).get_connection()
        place.cache.fail_over(1.0)
        await connection.send_command("UNLINK", "product:p")
        with pytest.raises(ReadOnlyError):
            await connection.read_response()
        await client.connection_pool.release(connection)

    place.run(use())
    assert place.cache.get("product:p") == b"old"
    assert set(place.cache.lost) == {"product:p"}


@pytest.mark.parametrize(("seconds", "found"), [(299.0, b"value"), (301.0, None)])
def test_a_value_lives_as_long_as_was_said(place: Place, seconds: float, found: bytes | None) -> None:
    place.cache.set("product:p", b"value", 300.0)
    place.run(asyncio.sleep(seconds), seconds=400.0)
    assert place.cache.get("product:p") == found
