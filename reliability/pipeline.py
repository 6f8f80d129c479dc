"""A run of a history in either world: who sends, delivers and redrives, and what the checker is told."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from redis.asyncio import Redis

from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    FunctionError,
    FunctionNotReachedError,
    MappingSettings,
    StartingPosition,
)
from processor.adapters.postgres import Login
from reliability.aws import ARCHIVE, QUARANTINE, CarefulClient, Services
from reliability.checker import Checker, Received, Violation, decode
from reliability.history import REFUSED_INVENTORY, History, Put
from reliability.people import redrive_failed_batches
from reliability.stream import FailureBucket, StreamInMemory, WorldClock
from reliability.worlds import World

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
    "AWS_ACCESS_KEY_ID": "simulated",
    "AWS_SECRET_ACCESS_KEY": "simulated",
}
FIRST_PASSWORD = "first"  # noqa: S105 of servers on this machine
# A poison record is a suspect after ten minutes, and needs three deaths more.
SUSPECT_SECONDS = 600.0
_POLL_SECONDS = 0.5
_RETRY_CAP_SECONDS = 8.0
_RETRY_BASE_SECONDS = 1.0


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


class Function(Protocol):
    """What invokes the function."""

    async def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the handler's answer. Raises: FunctionError, FunctionNotReachedError."""


class Pipeline(ABC):
    """One world with everything in it.

    `pace`: how many seconds of a history pass in one of the world. `poison`: the product whose records kill,
    if any do.
    """

    function: Function
    checker: Checker

    def __init__(
        self,
        history: History,
        world: World,
        services: Services,
        *,
        pace: float = 1.0,
        poison: str | None = None,
    ) -> None:
        self.history = history
        self.world = world
        self.services = services
        self.pace = pace
        self.stream = StreamInMemory(world, history.shards, history.age_seconds)
        self.redriven: set[str] = set()
        self.hot_product: str | None = None
        self.idle_readers: list[asyncio.Future[None]] = []
        self._poison = poison

    # What people need of a world:

    @abstractmethod
    def login(self, user: str) -> Login:
        """Return how to log in to the database."""

    @abstractmethod
    def cache_client(self) -> Redis:
        """Return a client of the cache, as operators and the shop have it."""

    @abstractmethod
    def aws_client(self) -> CarefulClient:
        """Return a client of the services, as operators have it."""

    @property
    def reader_dsn(self) -> str:
        """Where the shop reads."""
        login = self.login("reader")
        return f"postgresql://{login.user}:{login.password}@{login.host}:{login.port}/{login.database}"

    def set_database_secret(self, password: str) -> None:
        """Put the processor's password into its secret."""
        login = self.login("writer")
        secret = {
            "username": login.user,
            "password": password,
            "host": login.host,
            "port": login.port,
            "dbname": login.database,
        }
        self.services.secrets[VARIABLES["DB_SECRET_ARN"]] = json.dumps(secret)

    # What runs in it:

    async def produce(self) -> None:
        """Put the history's records on the stream at their times."""
        for put in self.history.puts:
            await asyncio.sleep(max(0.0, put.at / self.pace - self.world.now))
            self.send(put)

    def send(self, put: Put) -> None:
        """Put a record on the stream."""
        shard, record = self.stream.put(put.key, put.data)
        received = [
            self._decoded((shard, record.sequence_number, number), content, record.arrived_at)
            for number, content in enumerate(put.contents)
        ]
        self.checker.put(shard, record.sequence_number, put.data, received)

    async def drain_by_schedule(self, seconds: float) -> None:
        """Invoke the function as the schedule does, every so many seconds."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.function.invoke({"source": "aws.events"})
            except (FunctionError, FunctionNotReachedError):
                continue

    async def finish(self, producing: "asyncio.Task[None]") -> None:
        """Wait until the mapping has done all records, and redrive what it gave up, until nothing is left."""
        # Both are other processes, so there is no event to wait for.
        while not (producing.done() and self.has_read_all()):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS / self.pace)
        is_left = True
        while is_left:
            await asyncio.sleep(_POLL_SECONDS / self.pace)
            is_left = await redrive_failed_batches(self)

    def new_mapping(self, checkpoints: Mapping[str, str] | None) -> EventSourceMapping:
        """Return the event source mapping, which begins after the checkpoints; None is the beginning."""
        history, pace = self.history, self.pace
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
            retry_base_seconds=_RETRY_BASE_SECONDS / pace,
            retry_cap_seconds=_RETRY_CAP_SECONDS / pace,
            poll_interval_seconds=1.0 / pace,
        )
        self.mapping = EventSourceMapping(
            settings,
            stream=self.stream,
            function=self.function,
            failures=FailureBucket(self.services, QUARANTINE),
            clock=WorldClock(self.world),
            new_id=self._new_id,
            checkpoints=checkpoints,
        )
        return self.mapping

    def told(self, event: Mapping[str, Any], outcome: Any, *, is_death: bool, may_raise: bool) -> list[Any]:
        """Look at the end of an invocation; return what it acknowledged.

        `outcome`: the answer, or the error. `is_death`: its process died of something from outside.
        """
        if isinstance(outcome, Exception) and not is_death and not may_raise:
            self.violated("progress", f"a failure that was foreseen is an error of the function: {outcome}")
        if "Records" not in event:
            return []
        keys = [
            (record["eventID"].rpartition(":")[0], record["kinesis"]["sequenceNumber"])
            for record in event["Records"]
        ]
        if isinstance(outcome, Exception):
            arrived_at = event["Records"][0]["kinesis"]["approximateArrivalTimestamp"]
            is_suspect = len(keys) == 1 and self.world.date().timestamp() - arrived_at > SUSPECT_SECONDS
            self.checker.deaths_alone[keys[0]] += is_suspect and is_death
            return []
        if failures := outcome["batchItemFailures"]:
            numbers = [number for _, number in keys]
            keys = keys[: numbers.index(failures[0]["itemIdentifier"])]
        return keys

    def violated(self, invariant: str, what: str) -> None:
        """Note what went wrong that no store shows."""
        self.checker.violations.append(Violation(invariant, what, self.world.now))

    def has_read_all(self) -> bool:
        """Whether the mapping has done all records that were put."""
        checkpoints = self.mapping.progress.checkpoints
        return all(int(number) <= int(checkpoints.get(shard, -1)) for shard, number in self.checker.received)

    def _decoded(self, identity: tuple[str, str, int], data: bytes, arrived_at: datetime) -> Received:
        return decode(
            identity,
            data,
            arrived_at,
            refuses=lambda fields: fields.get("inventory") == REFUSED_INVENTORY,
            poison=self._poison,
        )

    def _new_id(self) -> str:
        return f"{self.world.random.getrandbits(128):032x}"
