"""A run of one history: the whole pipeline in a world, and what the checker found."""

import asyncio
import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, cast

import asyncpg

from catalog.repair.failed_batches import PREFIX, Damaged, FailedBatch, read_failed_batch
from catalog.repair.invocation import InvocationError
from catalog.repair.marks import MarkWriter
from catalog.repair.pace import Pace
from catalog.repair.redriving import Redriven, redrive
from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    FunctionError,
    FunctionNotReachedError,
    MappingSettings,
    StartingPosition,
    StreamRecord,
)
from processor.adapters.cache import RedisCache
from processor.adapters.catalog import PostgresCatalog
from processor.adapters.clock import SystemClock
from processor.adapters.postgres import Database as ProcessorDatabase
from processor.adapters.postgres import Login
from processor.adapters.redis_client import redis_client
from processor.adapters.s3 import S3Archive
from processor.archive_replay import CatalogWriter, ReplayReport, Selection, replay_objects
from processor.errors import DependencyError
from processor.product import Product
from processor.reader import CatalogReader
from processor.readers import open_pool
from processor.settings import read_settings
from redis.credentials import UsernamePasswordCredentialProvider
from reliability.checker import WHOLE_AGGREGATE, Checker, Received, State, Violation, decode
from reliability.history import POISON, PRODUCTS, Act, History, Put
from reliability.simulated.aws import ENDPOINT, CarefulClient, Services
from reliability.simulated.faults import Faults
from reliability.simulated.function import DIED, ExecutionEnvironment, FunctionService
from reliability.simulated.loop import SimulatedLoop, SimulatedLookups
from reliability.simulated.network import Network
from reliability.simulated.postgres import Database
from reliability.simulated.postgres_catalog import REFUSED_INVENTORY, Catalog
from reliability.simulated.redis import Cache
from reliability.simulated.stream import FailureBucket, SimulatedClock, SimulatedStream
from reliability.simulated.world import StuckError, World, machine_of

ARCHIVE, QUARANTINE = "archive", "quarantine"
VARIABLES = {
    "DB_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:postgres",
    "DB_TLS": "disable",
    "REDIS_ENDPOINT": "valkey",
    "REDIS_TLS": "false",
    "REDIS_AUTH": "password",
    "REDIS_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:valkey",
    "ARCHIVE_BUCKET": ARCHIVE,
    "QUARANTINE_BUCKET": QUARANTINE,
    "ENVIRONMENT_SUFFIX": "simulated",
    "AWS_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": f"http://{ENDPOINT}:80",
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
}
# Faults end after this; then everything must be done within the bounds.
_FAULTS_SECONDS = 25.0
DONE_SECONDS = 150.0
# A poison record is a suspect after ten minutes, and needs three deaths more.
_POISON_SECONDS = 900.0
_SUSPECT_SECONDS = 600.0
_DRAINED_SECONDS = 65.0
_DRAIN_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a history ended. `trace`: lines of what happened; `recovery_seconds`: from the last fault to the end."""

    violations: list[Violation]
    faults: Mapping[str, int]
    records: int
    trace: list[str]
    trace_hash: str
    recovery_seconds: float


class _Stores:
    """The simulated stores as the checker sees them."""

    def __init__(self, world: World, catalog: Catalog, cache: Cache, services: Services) -> None:
        self._world = world
        self._tables = catalog.tables
        self._cache = cache
        self._services = services

    def now(self) -> float:
        return self._world.now

    def states(self, product: str) -> Sequence[State]:
        return [State(at, row.values) for at, row in self._tables.history.get(product, ())]

    def products(self) -> Sequence[str]:
        return list(self._tables.products)

    def pending(self) -> set[str]:
        return set(self._tables.pending)

    def cached(self) -> Mapping[str, bytes]:
        found = {}
        for key in self._cache.values:
            value = self._cache.get(key)
            if key.startswith("product:") and value is not None and key not in self._cache.lost:
                found[key.removeprefix("product:")] = value
        return found

    def objects(self, kind: str) -> Mapping[str, bytes]:
        prefix = {"archive": "inventory/", "quarantine": "quarantine/"}[kind]
        return {
            key: body
            for (bucket, key), body in self._services.objects.items()
            if bucket == kind and key.startswith(prefix)
        }


class Pipeline:
    """One world with everything in it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.world = world = World(history.seed)
        self.network = Network(world, self._kills)
        self.catalog = Catalog(world)
        self.database = self.catalog.server = Database(
            world, self.catalog.plan, {"writer": "first", "reader": "first"}
        )
        self.cache = Cache(world, "first")
        self.services = Services(world)
        self.network.host("postgres", self.database.accept)
        self.network.host("valkey", self.cache.accept)
        self.network.host(ENDPOINT, self.services.accept)
        for name in ("postgres", "valkey"):
            self._set_password(name, "first")
        self.stream = SimulatedStream(world, history.shards)
        self.checker = Checker(_Stores(world, self.catalog, self.cache, self.services))
        self.function = FunctionService(
            world,
            self.network,
            read_settings(VARIABLES),
            concurrency=history.concurrency,
            answered=self._answered,
        )
        self.faults = Faults(
            world,
            self.network,
            self.function,
            self.database,
            self.cache,
            self.services,
            set_password=self._set_password,
            restart_mapping=self._start_mapping,
        )
        self._loops: list[SimulatedLoop] = []
        self._ids = 0
        self._mapping_loop = self._loop("mapping")
        self._mapping: EventSourceMapping | None = None
        self._redriven: set[str] = set()
        self._is_quiet = False
        self._all_put = False

    def run(self) -> Outcome:
        """Run the history to its end."""
        world, history = self.world, self.history
        if history.cache_is_out:
            self.network.hosts["valkey"].refuses_until = float("inf")
        self.faults.plan(history.faults)
        self._start_mapping()
        self._spawn("producer", self._put_all())
        self._spawn("schedule", self._drain_by_schedule())
        for number in range(history.readers):
            self._spawn(f"reader-{number}", self._read_products(number))
        for number, act in enumerate(history.acts):
            self._spawn(f"operator-{number}", self._act(act))
        try:
            world.run(lambda: False, deadline=_FAULTS_SECONDS)
            healed = world.now
            self._end_faults()
            self._check_progress()
            self.checker.finish()
            recovery = world.now - healed
        except StuckError as error:
            self.checker.violations.append(Violation("progress", str(error)))
            recovery = 0.0
        self.function.end()
        for loop in self._loops:
            if loop.unhandled:
                self.checker.violations.append(Violation("error", f"{loop.name}: {loop.unhandled[0]!r}"))
            loop.die()
        return Outcome(
            violations=self.checker.violations,
            faults=dict(self.faults.happened),
            records=sum(map(len, self.checker.received.values())),
            trace=[f"{at:11.6f} {text}" for at, text in world.trace],
            trace_hash=world.trace_hash(),
            recovery_seconds=recovery,
        )

    def _end_faults(self) -> None:
        self._is_quiet = True
        self.faults.heal()
        if self.history.cache_is_out:
            self.network.hosts["valkey"].refuses_until = float("inf")

    def _check_progress(self) -> None:
        """Check that all is done in time: records, failed batches, invalidations."""
        world = self.world
        has_poison = any(POISON.encode() in put.data for put in self.history.puts)
        bound = DONE_SECONDS + (_POISON_SECONDS if has_poison else 0.0)
        done = self._spawn("operator", self._finish())
        if not world.run(done.done, deadline=world.now + bound):
            self.checker.violations.append(
                Violation("I6" if self.history.cache_is_out else "progress", f"not done after {bound} s")
            )
            return
        done.result()
        self.network.hosts["valkey"].refuses_until = 0.0
        world.run(lambda: not self.catalog.tables.pending, deadline=world.now + _DRAINED_SECONDS + 35)
        if self.catalog.tables.pending:
            self.checker.violations.append(Violation("progress", f"pending: {self.catalog.tables.pending}"))

    # What runs in the world:

    async def _put_all(self) -> None:
        for put in self.history.puts:
            await asyncio.sleep(max(0.0, put.at - self.world.now))
            shard, record = self.stream.put(put.key, put.data)
            self.checker.put(shard, record.sequence_number, put.data, _received(shard, record, put))
        self._all_put = True

    def _start_mapping(self) -> None:
        """Start the mapping, or crash it and start it from its checkpoints: batches come again."""
        checkpoints = None
        if self._mapping is not None:
            checkpoints = self._mapping.progress.checkpoints
            self._mapping_loop.die()
            self._mapping_loop = self._loop("mapping")
        history = self.history
        settings = MappingSettings(
            mapping_uuid="mapping",
            stream_arn="arn:aws:kinesis:eu-central-1:1:stream/inventory-updates",
            function_arn="arn:aws:lambda:eu-central-1:1:function:inventory-processor",
            role_arn="arn:aws:iam::1:role/inventory-processor",
            starting_position=StartingPosition.TRIM_HORIZON,
            batch_size=history.batch_size,
            parallelization_factor=history.parallelization,
            maximum_retry_attempts=history.retries,
            bisect_batch_on_function_error=True,
            report_batch_item_failures=True,
            retry_cap_seconds=8.0,
        )
        self._mapping = EventSourceMapping(
            settings,
            stream=self.stream,
            function=self.function,
            failures=FailureBucket(self.services, QUARANTINE),
            clock=SimulatedClock(self.world),
            new_id=self._new_id,
            checkpoints=checkpoints or None,
        )
        self._mapping_loop.create_task(self._mapping.run())

    async def _drain_by_schedule(self) -> None:
        while True:
            await asyncio.sleep(_DRAIN_INTERVAL_SECONDS)
            try:
                await self.function.invoke({"source": "aws.events"})
            except (FunctionError, FunctionNotReachedError):
                continue

    async def _read_products(self, number: int) -> None:
        random, world = self.world.random, self.world
        pool = open_pool("postgresql://reader:first@postgres/catalog", None, 3)
        login = UsernamePasswordCredentialProvider(None, "first")
        redis = redis_client(
            host="valkey", port=6379, tls=False, login=login, max_connections=8, lookups=SimulatedLookups()
        )
        async with AsyncExitStack() as stack:
            reader = CatalogReader(await stack.enter_async_context(pool), redis)
            while True:
                await asyncio.sleep(random.random() * (5.0 if self._is_quiet else 0.5))
                product, began = random.choice(PRODUCTS), world.now
                try:
                    async with asyncio.timeout(random.choice((0.001, 0.1, None, None))):
                        found = await reader.get(product)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                    continue
                self.checker.read(product, began, None if found is None else _fields(found))

    async def _act(self, act: Act) -> None:
        await asyncio.sleep(act.at)
        self.world.note(f"operator: {act.kind}")
        match act.kind:
            case "split":
                self.stream.split()
            case "redrive failed batches":
                await self._redrive_failed_batches()
            case "redrive quarantined":
                await self._redrive_quarantined()
            case "replay":
                await self._replay()

    async def _finish(self) -> None:
        """Wait for the mapping, and redrive what it gave up, until nothing is left."""
        while True:
            while not self._all_put:
                await asyncio.sleep(0.5)
            waiting = self._mapping
            assert waiting is not None
            while waiting.progress.iterator_age_ms or not await self._is_read():
                await asyncio.sleep(1.0)
            if not await self._redrive_failed_batches():
                return

    async def _is_read(self) -> bool:
        assert self._mapping is not None
        progress = self._mapping.progress
        done = progress.records_acknowledged + progress.records_discarded
        checkpoints = progress.checkpoints
        newest = {shard: number for shard, number in self.checker.received}
        del done
        return all(
            int(checkpoints.get(shard, -1)) >= max(int(n) for s, n in self.checker.received if s == shard)
            for shard in newest
        )

    async def _redrive_failed_batches(self) -> bool:
        """Redrive what is there as `catalog redrive` does; return whether there was anything."""
        bucket = [key for held, key in self.services.objects if held == QUARANTINE and key.startswith(PREFIX)]
        keys = [key for key in bucket if key not in self._redriven]

        async def batches() -> Any:
            for key in keys:
                listed = {"Key": key, "LastModified": self.world.date()}
                found = read_failed_batch(listed, self.services.objects[QUARANTINE, key])
                if isinstance(found, Damaged):
                    raise ValueError(found.problem)
                yield found

        result = Redriven()
        await redrive(
            batches(),
            _Invoker(self.function),
            MarkWriter(cast(Any, _Connections())),
            workers=2,
            pace=Pace(None),
            stop=asyncio.Event(),
            on_done=lambda _: None,
            result=result,
        )
        self._redriven |= result.keys
        if keys:
            await asyncio.sleep(1.0)
        return bool(keys)

    async def _redrive_quarantined(self) -> None:
        lines = [line for _, line in self.checker._stored("quarantine").values()]
        records = [
            {
                "shard": line["shard"],
                "sequence_number": line["sequence_number"],
                "sub_sequence": line["sub_sequence"],
                "partition_key": line["partition_key"],
                "arrival_ms": _arrival_ms(line["arrival_time"]),
                "data_base64": line["data_base64"],
            }
            for line in lines
            if line["reason"] != "killed_process"
        ]
        if records:
            payload = json.dumps({"source": "catalog.redrive", "records": records}).encode()
            try:
                await _Invoker(self.function).invoke(payload)
            except InvocationError:
                return

    async def _replay(self) -> None:
        """Replay the archive as `catalog replay --apply` does."""

        async def login() -> Login:
            return Login(host="postgres", port=5432, database="catalog", user="writer", password=self._password)

        database = ProcessorDatabase(login, None, 2)
        redis = redis_client(
            host="valkey",
            port=6379,
            tls=False,
            login=UsernamePasswordCredentialProvider(None, self.cache.password),
            max_connections=8,
            lookups=SimulatedLookups(),
        )
        catalog = PostgresCatalog(database, process_id="replay")
        report = ReplayReport()
        writer = CatalogWriter(catalog, RedisCache(redis), SystemClock(), report)
        keys = [key for bucket, key in self.services.objects if bucket == ARCHIVE]
        archive = S3Archive(cast(Any, CarefulClient()), ARCHIVE)
        try:
            await replay_objects(keys, archive, writer, Selection(), report)
        except DependencyError as error:
            self.world.note(f"replay: {error}")

    # What the world asks and tells:

    def _answered(self, event: Mapping[str, Any], outcome: Any) -> None:
        if "Records" not in event:
            return
        keys = [
            (record["eventID"].rpartition(":")[0], record["kinesis"]["sequenceNumber"])
            for record in event["Records"]
        ]
        if isinstance(outcome, Exception):
            arrived_at = event["Records"][0]["kinesis"]["approximateArrivalTimestamp"]
            is_suspect = len(keys) == 1 and self.world.now_ms / 1000 - arrived_at > _SUSPECT_SECONDS
            self.checker.deaths_alone[keys[0]] += is_suspect and str(outcome) == DIED
            return
        failures = outcome["batchItemFailures"]
        if failures:
            numbers = [number for _, number in keys]
            keys = keys[: numbers.index(failures[0]["itemIdentifier"])]
        self.checker.answered(keys)

    def _kills(self, process: SimulatedLoop, data: bytes) -> bool:
        """Return whether what a process sends shows that it works on a poison record; then it dies."""
        if POISON.encode() not in data or not process.name.startswith("function"):
            return False
        environment = next(one for one in self.function.environments if one.loop is process)
        process.freeze(1.0)
        self.world.after(0.0, self._die, environment)
        return True

    def _die(self, environment: ExecutionEnvironment) -> None:
        environment.kill()

    def _set_password(self, name: str, password: str) -> None:
        if name == "postgres":
            self._password = password
            secret = {"username": "writer", "password": password, "host": "postgres", "port": 5432, "dbname": "catalog"}
            self.services.secrets[VARIABLES["DB_SECRET_ARN"]] = json.dumps(secret)
        else:
            self.services.secrets[VARIABLES["REDIS_SECRET_ARN"]] = password

    def _spawn(self, name: str, work: Any) -> "asyncio.Task[Any]":
        return self._loop(name).create_task(work)

    def _loop(self, name: str) -> SimulatedLoop:
        loop = SimulatedLoop(self.world, self.network, name)
        self._loops.append(loop)
        return loop

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:032}"


class _Connections:
    """What the marks' writer needs of an operator's connections."""

    class environment:  # noqa: N801
        quarantine_bucket = QUARANTINE

    async def aws(self, _service: str) -> CarefulClient:
        return CarefulClient()


class _Invoker:
    """The function as operators' tools invoke it."""

    def __init__(self, function: FunctionService) -> None:
        self._function = function

    async def invoke(self, payload: bytes) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = await self._function.invoke(json.loads(payload))
        except (FunctionError, FunctionNotReachedError) as error:
            raise InvocationError(str(error), is_divisible=True) from error
        return answer


def run(history: History) -> Outcome:
    """Run a history in a world of its own."""
    pipeline = Pipeline(history)
    with machine_of(pipeline.world):
        return pipeline.run()


def _received(shard: str, record: StreamRecord, put: Put) -> list[Received]:
    def one(sub_sequence: int, data: bytes) -> Received:
        return decode(
            (shard, record.sequence_number, sub_sequence),
            data,
            record.arrived_at,
            refuses=lambda fields: fields.get("inventory") == REFUSED_INVENTORY,
            poison=POISON,
        )

    return [one(number, content) for number, content in enumerate(put.contents)]


def _fields(product: Product) -> dict[str, Any]:
    return {"inventory": product.inventory, "price": product.price, "discontinued": product.discontinued}


def _arrival_ms(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * 1000)
