"""Who uses the pipeline: a producer, the shop's readers, operators; each in a process of its own."""

import asyncio
import base64
import itertools
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

import asyncpg

from catalog.repair.failed_batches import PREFIX, Damaged, FailedBatch, read_failed_batch
from catalog.repair.invocation import InvocationError
from catalog.repair.marks import MarkWriter
from catalog.repair.pace import Pace
from catalog.repair.redriving import Redriven, redrive
from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError
from processor.adapters.cache import RedisCache
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.postgres import Database, Login
from processor.adapters.s3 import S3Archive
from processor.archive_replay import CatalogWriter, ReplayReport, Selection, replay_objects
from processor.errors import DependencyError
from processor.product import Product
from processor.reader import CatalogReader
from processor.readers import open_pool
from reliability.aws import ARCHIVE, QUARANTINE, CarefulClient
from reliability.history import PRODUCTS, Act

if TYPE_CHECKING:
    from reliability.pipeline import Function, Pipeline

_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
# A reader waits no longer; most wait until there is an answer.
# By then the first updates are done, if nothing fails.
_FIRST_SECONDS = 1.2
_HOT_SHARE = 0.7
_PATIENCE_SECONDS = (0.001, 0.1, None, None)


async def read_products(pipeline: "Pipeline", *, pause_seconds: float) -> None:
    """Read products as the shop does, often several soon after another, and tell the checker."""
    world = pipeline.world
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(pipeline.reader_dsn, None, 3))
        reader = CatalogReader(pool, pipeline.cache_client())
        await asyncio.sleep(_FIRST_SECONDS / pipeline.pace)
        for number in itertools.count():
            if number >= len(PRODUCTS):
                await _pause(pipeline, world.random.random() ** 4 * pause_seconds)
            began = world.now
            product = PRODUCTS[number] if number < len(PRODUCTS) else _chosen(pipeline)
            try:
                async with asyncio.timeout(world.random.choice(_PATIENCE_SECONDS)):
                    found = await reader.get(product)
            except _LOST:
                continue
            pipeline.checker.read(product, began, None if found is None else _fields(found))


def _chosen(pipeline: "Pipeline") -> str:
    """Return the product to read: often one that is being updated."""
    random = pipeline.world.random
    hot = pipeline.hot_product if random.random() < _HOT_SHARE else None
    return hot or random.choice(PRODUCTS)


async def _pause(pipeline: "Pipeline", seconds: float) -> None:
    """Return after so many seconds, or when the function is invoked."""
    invoked = asyncio.get_running_loop().create_future()
    pipeline.idle_readers.append(invoked)
    await asyncio.wait([invoked], timeout=seconds)


async def act(pipeline: "Pipeline", what: Act) -> None:
    """Do what an operator does."""
    await asyncio.sleep(what.at / pipeline.pace)
    pipeline.world.note(f"operator: {what.kind}")
    match what.kind:
        case "split":
            pipeline.stream.split()
        case "redrive failed batches":
            await redrive_failed_batches(pipeline)
        case "redrive quarantined":
            await _redrive_quarantined(pipeline)
        case "replay":
            await _replay(pipeline)


async def redrive_failed_batches(pipeline: "Pipeline") -> bool:
    """Redrive what is there as `catalog redrive` does; return whether there was anything."""
    objects = pipeline.services.objects
    keys = [
        key
        for bucket, key in objects
        if bucket == QUARANTINE and key.startswith(PREFIX) and key not in pipeline.redriven
    ]

    async def batches() -> AsyncIterator[FailedBatch | Damaged]:
        for key in keys:
            listed = {"Key": key, "LastModified": pipeline.world.date()}
            yield read_failed_batch(listed, objects[QUARANTINE, key])

    result = Redriven()
    await redrive(
        batches(),
        _Invoker(pipeline.function),
        MarkWriter(cast(Any, _Connections(pipeline))),
        workers=2,
        pace=Pace(None),
        stop=asyncio.Event(),
        on_done=lambda _: None,
        result=result,
    )
    pipeline.redriven.update(result.keys)
    return bool(keys)


async def _redrive_quarantined(pipeline: "Pipeline") -> None:
    """Redrive quarantined records as they were, as `catalog quarantine redrive` does."""
    records = [
        {
            "shard": line["shard"],
            "sequence_number": line["sequence_number"],
            "sub_sequence": line["sub_sequence"],
            "partition_key": line["partition_key"],
            "arrival_ms": round(datetime.fromisoformat(line["arrival_time"]).timestamp() * 1000),
            "data_base64": line["data_base64"],
        }
        for _, line in pipeline.checker.stored("quarantine").values()
        if line["reason"] != "killed_process"
    ]
    if records:
        payload = json.dumps({"source": "catalog.redrive", "records": records}).encode()
        try:
            await _Invoker(pipeline.function).invoke(payload)
        except InvocationError as error:
            pipeline.world.note(f"redrive: {error}")


async def _replay(pipeline: "Pipeline") -> None:
    """Replay the archive into the catalog, as `catalog replay` does."""

    async def login() -> Login:
        return pipeline.login("writer")

    catalog = PostgresCatalog(Database(login, None, 2), process_id="replay")
    cache = RedisCache(pipeline.cache_client())
    report = ReplayReport()
    writer = CatalogWriter(catalog, cache, SystemClock(), report)
    keys = [key for bucket, key in pipeline.services.objects if bucket == ARCHIVE]
    try:
        await replay_objects(
            keys, S3Archive(cast(Any, pipeline.aws_client()), ARCHIVE), writer, Selection(), report
        )
    except DependencyError as error:
        pipeline.world.note(f"replay: {error}")


def _fields(product: Product) -> Mapping[str, Any]:
    return {
        "inventory": product.inventory,
        "price": product.price,
        "discontinued": product.discontinued,
    }


class _Invoker:
    """The function as operators' tools invoke it."""

    def __init__(self, function: "Function") -> None:
        self._function = function

    async def invoke(self, payload: bytes) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await self._function.invoke(json.loads(payload))
        except (FunctionError, FunctionNotReachedError) as error:
            raise InvocationError(str(error), is_divisible=True) from error
        return answer


class _Environment:
    quarantine_bucket: ClassVar[str] = QUARANTINE


class _Connections:
    """What the marks' writer needs of an operator's connections."""

    environment = _Environment

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline

    async def aws(self, _service: str) -> CarefulClient:
        return self._pipeline.aws_client()


def product_of(event: Mapping[str, Any], chance: random.Random) -> str | None:
    """Return the product of a record of an event, if it is a simple update of one that readers read."""
    if "Records" not in event:
        return None
    record = chance.choice(event["Records"])
    try:
        found = json.loads(base64.b64decode(record["kinesis"]["data"]))["product_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return found if found in PRODUCTS else None


def wake(reader: "asyncio.Future[None]") -> None:
    """Let a reader that waits go on."""
    if not reader.done() and not reader.get_loop().is_closed():
        reader.set_result(None)


def shown(event: Mapping[str, Any]) -> str:
    """Return an event in short, for a trace."""
    if "Records" not in event:
        return str(event.get("source"))
    numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
    return f"{event['Records'][0]['eventID'].partition(':')[0]} {numbers}"
