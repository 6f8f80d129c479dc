"""Trouble for a kept run: what a word does to the running pipeline, and how that heals."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from local.demo.control import WORDS, answering, ask
from local.demo.kept_state import KeptRunError
from local.demo.pipeline import SCHEDULED_EVENT, Pipeline, open_pipeline
from local.demo.trouble import Trouble
from tests.support.real_servers import until


@pytest.fixture(scope="module")
async def pipeline() -> AsyncIterator[Pipeline]:
    """Pipeline that runs, one for all: each test heals what it broke."""
    async with open_pipeline(on_log=lambda _: None, on_event=lambda _: None) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
async def control(pipeline: Pipeline) -> AsyncIterator[str]:
    """Socket through which it is asked for trouble."""
    async with answering(Trouble(pipeline, lambda _: None).answer) as path:
        yield path


async def put(pipeline: Pipeline, product_id: str) -> None:
    """Put an update of a product on the stream."""
    account = pipeline.account
    data = json.dumps({"product_id": product_id, "inventory": 1}).encode()
    await account.kinesis.put_record(StreamName=account.stream_name, Data=data, PartitionKey=product_id)


async def is_in_catalog(pipeline: Pipeline, product_id: str) -> bool:
    connection = await asyncpg.connect(pipeline.servers.postgres.address.dsn, ssl=False)
    try:
        found = await connection.fetchval("SELECT 1 FROM products WHERE product_id = $1", product_id)
    finally:
        await connection.close()
    return found is not None


async def pending(pipeline: Pipeline) -> int:
    connection = await asyncpg.connect(pipeline.servers.postgres.address.dsn, ssl=False)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM pending_invalidation")
    finally:
        await connection.close()
    return count


async def test_a_stopped_cache_leaves_invalidations_pending_until_it_is_back(
    pipeline: Pipeline, control: str
) -> None:
    assert (await ask(control, "stop-cache"))["cache"] == "stopped"
    await put(pipeline, "without-cache")
    await until(lambda: is_in_catalog(pipeline, "without-cache"))
    await until(lambda: pending(pipeline))
    assert (await ask(control, "start-cache"))["cache"] == "running"
    await pipeline.function.invoke(SCHEDULED_EVENT)
    assert await pending(pipeline) == 0


async def test_a_stopped_database_is_retried_until_it_is_back(pipeline: Pipeline, control: str) -> None:
    before = (await ask(control, "stop-database"))["reported_failures"]
    await put(pipeline, "without-database")

    async def failed() -> bool:
        return bool((await ask(control, "state"))["reported_failures"] > before)

    await until(failed)
    assert (await ask(control, "start-database"))["database"] == "running"
    await until(lambda: is_in_catalog(pipeline, "without-database"))


async def test_a_cut_network_is_silent_until_it_is_healed(pipeline: Pipeline, control: str) -> None:
    assert (await ask(control, "cut-network"))["network"] == "cut"
    with pytest.raises(TimeoutError):
        await asyncpg.connect(pipeline.servers.postgres.address.dsn, ssl=False, timeout=0.2)
    for word in ("start-cache", "rotate-password"):
        with pytest.raises(KeptRunError, match="the network is cut: heal-network first"):
            await ask(control, word)
    assert (await ask(control, "heal-network"))["network"] == "whole"
    await put(pipeline, "healed")
    await until(lambda: is_in_catalog(pipeline, "healed"))


async def test_the_processor_finds_a_rotated_password(pipeline: Pipeline, control: str) -> None:
    await put(pipeline, "before-rotation")
    await until(lambda: is_in_catalog(pipeline, "before-rotation"))
    await ask(control, "rotate-password")
    await put(pipeline, "after-rotation")
    await until(lambda: is_in_catalog(pipeline, "after-rotation"))


async def test_batches_fail_earlier_if_asked(pipeline: Pipeline, control: str) -> None:
    for word, seconds in (("fail-after-60s", 60), ("fail-after-24h", 86_400)):
        assert (await ask(control, word))["fails_after_seconds"] == seconds
        assert pipeline.mapping.settings.maximum_record_age_in_seconds == seconds


async def test_words_are_done_one_after_the_other(pipeline: Pipeline, control: str) -> None:
    answers = await asyncio.gather(*(ask(control, word) for word in ("stop-cache", "start-cache")))
    assert {answer["cache"] for answer in answers} <= {"stopped", "running"}
    assert (await ask(control, "start-cache"))["cache"] == "running"


async def test_another_word_is_refused(control: str) -> None:
    with pytest.raises(KeptRunError) as refused:
        await ask(control, "stop-world")
    assert str(refused.value) == f"no such word: 'stop-world'; accepted: {', '.join(WORDS)}"


async def test_only_this_user_can_ask(control: str) -> None:
    assert stat.S_IMODE(Path(control).parent.stat().st_mode) == 0o700


async def test_a_run_that_has_ended_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeptRunError, match="the kept run does not answer"):
        await ask(str(tmp_path / "control"), "state")
