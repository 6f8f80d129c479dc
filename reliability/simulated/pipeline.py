"""A run of one history: the whole pipeline in a world, and what the checker found."""

import asyncio
import base64
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    FunctionError,
    FunctionNotReachedError,
    MappingSettings,
    StartingPosition,
)
from processor.settings import read_settings
from reliability.checker import Checker, Received, Violation, decode
from reliability.history import POISON, PRODUCTS, History
from reliability.simulated.aws import ENDPOINT, Services
from reliability.simulated.faults import Faults
from reliability.simulated.function import DIED, FunctionService
from reliability.simulated.loop import SimulatedLoop
from reliability.simulated.network import Network
from reliability.simulated.people import act, read_products, redrive_failed_batches
from reliability.simulated.postgres import ROW_SECONDS, Database
from reliability.simulated.postgres_catalog import REFUSED_INVENTORY, Catalog
from reliability.simulated.redis import Cache
from reliability.simulated.stores import ARCHIVE, QUARANTINE, SimulatedStores
from reliability.simulated.stream import FailureBucket, SimulatedClock, SimulatedStream
from reliability.simulated.world import StuckError, World, machine_of

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
_FAULTS_SECONDS = 45.0
# From the end of the faults, until every record is done.
_DONE_SECONDS = 150.0
# A poison record is a suspect after ten minutes, and needs three deaths more.
_SUSPECT_SECONDS = 600.0
_POISON_SECONDS = 900.0
# Where each row takes seconds, a batch needs several invocations.
_SLOW_SECONDS = 600.0
# In which an invocation commits and invalidates, if nothing is slow.
_RACE_SECONDS = 6e-3
# How long a read takes, and the longest pause in it.
_READ_SECONDS, _PAUSE_SECONDS, _PAUSED_SHARE = 3e-3, 20e-3, 0.5
_EVICTED_SHARE = 0.4
# Then until no invalidation is pending: the schedule comes once a minute, and may be throttled once.
_DRAIN_INTERVAL_SECONDS = 60.0
_DRAINED_SECONDS = 2 * _DRAIN_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a history ended.

    `trace`: (time, what happened). `recovery_seconds`: from the end of the faults until everything was done.
    """

    violations: list[Violation]
    faults: Mapping[str, int]
    records: int
    trace: list[tuple[float, str]]
    trace_hash: str
    recovery_seconds: float


def run(history: History) -> Outcome:
    """Run a history in a world of its own."""
    pipeline = Pipeline(history)
    with machine_of(pipeline.world):
        return pipeline.run()


class Pipeline:
    """One world with everything in it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.world = world = World(history.seed)
        self.network = Network(world, self._kills)
        tables = Catalog(world)
        self.database = tables.server = Database(world, tables.plan, {"writer": "first", "reader": "first"})
        self.database.row_seconds = max(ROW_SECONDS, history.row_seconds)
        self.tables = tables.tables
        self.cache = Cache(world, "first")
        self.services = Services(world)
        self.network.host("postgres", self.database.accept)
        self.network.host("valkey", self.cache.accept)
        self.network.host(ENDPOINT, self.services.accept)
        for name in ("postgres", "valkey"):
            self.set_secret(name, "first")
        self.stream = SimulatedStream(world, history.shards, history.age_seconds)
        self.checker = Checker(SimulatedStores(world, self.tables, self.cache, self.services))
        self.function = FunctionService(
            world,
            self.network,
            read_settings(VARIABLES),
            concurrency=history.concurrency,
            invoked=self._wake_readers,
            answered=self._answered,
        )
        self.faults = Faults(self)
        self.redriven: set[str] = set()
        self.hot_product: str | None = None
        self.idle_readers: list[asyncio.Future[None]] = []
        self.database_password: str
        self._loops: list[SimulatedLoop] = []
        self._mapping, self._mapping_loop = self._new_mapping(None)

    def run(self) -> Outcome:
        """Run the history to its end."""
        world, history = self.world, self.history
        if history.cache_is_out:
            self.network.hosts["valkey"].refuses_until = float("inf")
        self.faults.plan(history.faults)
        producing = self._spawn("producer", self._produce())
        self._spawn("schedule", self._drain_by_schedule())
        readers = [
            self._spawn(f"reader {number}", read_products(self, pause_seconds=6.0))
            for number in range(history.readers)
        ]
        for number, one in enumerate(history.acts):
            self._spawn(f"operator {number}", act(self, one))
        recovery_seconds = 0.0
        try:
            world.run(lambda: False, deadline=_FAULTS_SECONDS)
            self.faults.heal()
            self._check_progress(producing)
            self.checker.finish()
            recovery_seconds = world.now - _FAULTS_SECONDS
            for reader in readers:
                if reader.done():
                    reader.result()
        except StuckError as error:
            self._violated("progress", str(error))
        self._end()
        return Outcome(
            violations=self.checker.violations,
            faults=dict(self.faults.happened),
            records=sum(map(len, self.checker.received.values())),
            trace=world.trace,
            trace_hash=world.trace_hash(),
            recovery_seconds=recovery_seconds,
        )

    def restart_mapping(self) -> None:
        """Crash the event source mapping, and start it from its checkpoints: batches come again."""
        checkpoints = self._mapping.progress.checkpoints
        self._mapping_loop.die()
        self._mapping, self._mapping_loop = self._new_mapping(checkpoints or None)

    def _check_progress(self, producing: "asyncio.Task[None]") -> None:
        """Check that all is done in time: records, failed batches, invalidations."""
        world = self.world
        has_poison = any(POISON.encode() in put.data for put in self.history.puts)
        seconds = _DONE_SECONDS + (_POISON_SECONDS if has_poison else 0.0)
        seconds += _SLOW_SECONDS if self.history.row_seconds else 0.0
        done = self._spawn("operator", self._finish(producing))
        if not world.run(done.done, deadline=world.now + seconds):
            self._violated(
                "I6" if self.history.cache_is_out else "progress", f"not done after {seconds:.0f} s"
            )
            return
        done.result()
        self.network.hosts["valkey"].refuses_until = 0.0
        if not world.run(lambda: not self.tables.pending, deadline=world.now + _DRAINED_SECONDS):
            self._violated("progress", f"still pending: {sorted(self.tables.pending)}")

    def _end(self) -> None:
        self.function.end()
        if self.services.overwritten:
            self._violated("I2", f"written more than once: {self.services.overwritten}")
        if self.function.timed_out:
            self._violated(
                "progress", f"no answer in time, though nothing froze it: {self.function.timed_out}"
            )
        for deadlock in self.database.deadlocks:
            self._violated("progress", f"a deadlock between our own statements for {deadlock}")
        for loop in self._loops:
            for error in loop.unhandled:
                self._violated("error", f"{loop.name}: {type(error).__name__}: {error}")
            loop.die()

    # What runs in the world:

    async def _produce(self) -> None:
        for put in self.history.puts:
            await asyncio.sleep(max(0.0, put.at - self.world.now))
            shard, record = self.stream.put(put.key, put.data)
            received = [
                self._decoded((shard, record.sequence_number, number), content, record.arrived_at)
                for number, content in enumerate(put.contents)
            ]
            self.checker.put(shard, record.sequence_number, put.data, received)

    async def _drain_by_schedule(self) -> None:
        while True:
            await asyncio.sleep(_DRAIN_INTERVAL_SECONDS)
            try:
                await self.function.invoke({"source": "aws.events"})
            except (FunctionError, FunctionNotReachedError):
                continue

    async def _finish(self, producing: "asyncio.Task[None]") -> None:
        """Wait until the mapping has done all records, and redrive what it gave up, until nothing is left."""
        # Both are other processes, so there is no event to wait for.
        while not (producing.done() and self._has_read_all()):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        is_left = True
        while is_left:
            await asyncio.sleep(0.5)
            is_left = await redrive_failed_batches(self)

    def _has_read_all(self) -> bool:
        checkpoints = self._mapping.progress.checkpoints
        return all(int(number) <= int(checkpoints.get(shard, -1)) for shard, number in self.checker.received)

    def _new_mapping(self, checkpoints: Mapping[str, str] | None) -> tuple[EventSourceMapping, SimulatedLoop]:
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
        mapping = EventSourceMapping(
            settings,
            stream=self.stream,
            function=self.function,
            failures=FailureBucket(self.services, QUARANTINE),
            clock=SimulatedClock(self.world),
            new_id=self._new_id,
            checkpoints=checkpoints,
        )
        loop = self._loop("mapping")
        loop.create_task(mapping.run())
        return mapping, loop

    # What the world asks and tells:

    def _wake_readers(self, event: Mapping[str, Any]) -> None:
        """Let readers read a product while an invocation writes it, and some stand still in the middle of it.

        Often the cache has just evicted it, since only then readers take leases and store.
        """
        random = self.world.random
        self.hot_product = _product_of(random.choice(event["Records"])) if "Records" in event else None
        if self.hot_product is not None and random.random() < _EVICTED_SHARE:
            self.cache.delete(f"product:{self.hot_product}")
        idle, self.idle_readers = self.idle_readers, []
        for reader in idle:
            seconds = random.random() * _RACE_SECONDS
            self.world.after(seconds, _wake, reader)
            if random.random() < _PAUSED_SHARE:
                loop = cast(SimulatedLoop, reader.get_loop())
                seconds += random.random() * _READ_SECONDS
                self.world.after(seconds, loop.freeze, random.random() * _PAUSE_SECONDS)

    def _answered(self, event: Mapping[str, Any], outcome: Any) -> None:
        may_raise = self.faults.happened["postgres: result type changed"]  # twice in a row is our mistake
        if isinstance(outcome, Exception) and str(outcome) != DIED and not may_raise:
            self._violated("progress", f"a failure that was foreseen is an error of the function: {outcome}")
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
        if failures := outcome["batchItemFailures"]:
            numbers = [number for _, number in keys]
            keys = keys[: numbers.index(failures[0]["itemIdentifier"])]
        self.checker.answered(keys)

    def _kills(self, process: SimulatedLoop, data: bytes) -> bool:
        """Return whether what a process sends shows that it works on a poison record; then it dies."""
        if POISON.encode() not in data:
            return False
        process.freeze(1.0)  # it is in the middle of a turn
        environment = next((one for one in self.function.environments if one.loop is process), None)
        self.world.after(0.0, process.die if environment is None else environment.kill)
        return True

    def set_secret(self, name: str, password: str) -> None:
        """Put a server's password into its secret."""
        if name == "valkey":
            self.services.secrets[VARIABLES["REDIS_SECRET_ARN"]] = password
            return
        self.database_password = password
        secret = {
            "username": "writer",
            "password": password,
            "host": "postgres",
            "port": 5432,
            "dbname": "catalog",
        }
        self.services.secrets[VARIABLES["DB_SECRET_ARN"]] = json.dumps(secret)

    def _decoded(self, identity: tuple[str, str, int], data: bytes, arrived_at: datetime) -> Received:
        return decode(
            identity,
            data,
            arrived_at,
            refuses=lambda fields: fields.get("inventory") == REFUSED_INVENTORY,
            poison=POISON,
        )

    def _violated(self, invariant: str, what: str) -> None:
        self.checker.violations.append(Violation(invariant, what, self.world.now))

    def _spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self._loop(name).create_task(work)

    def _loop(self, name: str) -> SimulatedLoop:
        loop = SimulatedLoop(self.world, self.network, name)
        self._loops.append(loop)
        return loop

    def _new_id(self) -> str:
        return f"{self.world.random.getrandbits(128):032x}"


def _product_of(record: Mapping[str, Any]) -> str | None:
    """Return the product of a record of an event, if it is a simple update of one that readers read."""
    try:
        found = json.loads(base64.b64decode(record["kinesis"]["data"]))["product_id"]
    except (ValueError, TypeError, KeyError):
        return None
    return found if found in PRODUCTS else None


def _wake(reader: "asyncio.Future[None]") -> None:
    if not reader.done() and not reader.get_loop().is_closed():
        reader.set_result(None)
