"""A run of one history in the simulated world: the whole pipeline in it, and what the checker found."""

import asyncio
import gc
import os
import sys
import warnings
from collections.abc import Coroutine, Mapping
from typing import Any, cast

from redis.asyncio import Redis
from redis.credentials import UsernamePasswordCredentialProvider

from processor.adapters.postgres import Login
from processor.adapters.redis_client import redis_client
from processor.settings import read_settings
from reliability.aws import ENDPOINT, CarefulClient, Services
from reliability.checker import Checker
from reliability.history import POISON, History, draw
from reliability.people import act, product_of, read_products, wake
from reliability.pipeline import FIRST_PASSWORD, VARIABLES, Outcome, Pipeline
from reliability.simulated.faults import Faults
from reliability.simulated.function import DIED, FunctionService
from reliability.simulated.loop import SimulatedLookups, SimulatedLoop
from reliability.simulated.network import Network
from reliability.simulated.postgres import ROW_SECONDS, Database
from reliability.simulated.postgres_catalog import Catalog
from reliability.simulated.redis import Cache
from reliability.simulated.stores import SimulatedStores
from reliability.simulated.world import StuckError, World, machine_of

__all__ = ["draw", "prepare", "run"]

SIMULATED_VARIABLES = {**VARIABLES, "AWS_ENDPOINT_URL": f"http://{ENDPOINT}:80"}
_FAULTS_SECONDS = 45.0
# From the end of the faults, until every record is done.
_DONE_SECONDS = 150.0
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


def prepare() -> None:
    """Make this process ready for histories: all variables that it needs, and no garbage."""
    os.environ.update(SIMULATED_VARIABLES, HOME="/nonexistent")
    # Processes that are killed leave coroutines and connections behind, which complain when they are freed.
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    gc.disable()


def run(history: History) -> Outcome:
    """Run a history in a world of its own."""
    pipeline = SimulatedPipeline(history)
    with machine_of(pipeline.world):
        return pipeline.run()


class SimulatedPipeline(Pipeline):
    """One simulated world with everything in it. `faults_seconds`: when all faults end."""

    world: World
    function: FunctionService

    def __init__(self, history: History, *, faults_seconds: float = _FAULTS_SECONDS) -> None:
        self._faults_seconds = faults_seconds
        world = World(history.seed)
        super().__init__(history, world, Services(world), poison=POISON)
        self.network = Network(world, self._kills)
        tables = Catalog(world)
        passwords = {"writer": FIRST_PASSWORD, "reader": FIRST_PASSWORD}
        self.database = tables.server = Database(world, tables.plan, passwords)
        self.database.row_seconds = max(ROW_SECONDS, history.row_seconds)
        self.tables = tables.tables
        self.cache = Cache(world, FIRST_PASSWORD)
        self.network.host("postgres", self.database.accept)
        self.network.host("valkey", self.cache.accept)
        self.network.host(ENDPOINT, self.services.accept)
        for name in ("postgres", "valkey"):
            self.set_secret(name, FIRST_PASSWORD)
        self.checker = Checker(SimulatedStores(world, self.tables, self.cache, self.services))
        self.function = FunctionService(
            world,
            self.network,
            read_settings(SIMULATED_VARIABLES),
            concurrency=history.concurrency,
            invoked=self._wake_readers,
            answered=self._answered,
        )
        self.faults = Faults(self)
        self._database_password: str
        self._loops: list[SimulatedLoop] = []
        self._start_mapping(None)

    def run(self) -> Outcome:
        """Run the history to its end."""
        world, history = self.world, self.history
        if history.cache_is_out:
            self.network.hosts["valkey"].refuses_until = float("inf")
        self.faults.plan(history.faults)
        producing = self._spawn("producer", self.produce())
        self._spawn("schedule", self.drain_by_schedule(_DRAIN_INTERVAL_SECONDS))
        readers = [
            self._spawn(f"reader {number}", read_products(self, pause_seconds=6.0))
            for number in range(history.readers)
        ]
        for number, one in enumerate(history.acts):
            self._spawn(f"operator {number}", act(self, one))
        recovery_seconds = 0.0
        try:
            world.run(lambda: False, deadline=self._faults_seconds)
            self.faults.heal()
            self._check_progress(producing)
            self.checker.finish()
            recovery_seconds = world.now - self._faults_seconds
            for reader in readers:
                if reader.done():
                    reader.result()
        except StuckError as error:
            self.violated("progress", str(error))
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
        checkpoints = self.mapping.progress.checkpoints
        self._mapping_loop.die()
        self._start_mapping(checkpoints or None)

    def login(self, user: str) -> Login:
        return Login(
            host="postgres", port=5432, database="catalog", user=user, password=self._database_password
        )

    def cache_client(self) -> Redis:
        return redis_client(
            host="valkey",
            port=6379,
            tls=False,
            login=UsernamePasswordCredentialProvider(None, self.cache.password),
            max_connections=8,
            lookups=SimulatedLookups(),
        )

    def aws_client(self) -> CarefulClient:
        return CarefulClient()

    def set_secret(self, name: str, password: str) -> None:
        """Put a server's password into its secret."""
        if name == "valkey":
            self.services.secrets[VARIABLES["REDIS_SECRET_ARN"]] = password
        else:
            self._database_password = password
            self.set_database_secret(password)

    def _check_progress(self, producing: "asyncio.Task[None]") -> None:
        """Check that all is done in time: records, failed batches, invalidations."""
        world = self.world
        has_poison = any(POISON.encode() in put.data for put in self.history.puts)
        seconds = _DONE_SECONDS + (_POISON_SECONDS if has_poison else 0.0)
        seconds += _SLOW_SECONDS if self.history.row_seconds else 0.0
        done = self._spawn("operator", self.finish(producing))
        if not world.run(done.done, deadline=world.now + seconds):
            self.violated(
                "I6" if self.history.cache_is_out else "progress", f"not done after {seconds:.0f} s"
            )
            return
        done.result()
        self.network.hosts["valkey"].refuses_until = 0.0
        if not world.run(lambda: not self.tables.pending, deadline=world.now + _DRAINED_SECONDS):
            self.violated("progress", f"still pending: {sorted(self.tables.pending)}")

    def _end(self) -> None:
        self.function.end()
        if self.services.overwritten:
            self.violated("I2", f"written more than once: {self.services.overwritten}")
        if self.function.timed_out:
            self.violated(
                "progress", f"no answer in time, though nothing froze it: {self.function.timed_out}"
            )
        for deadlock in self.database.deadlocks:
            self.violated("progress", f"a deadlock between our own statements for {deadlock}")
        for loop in self._loops:
            for error in loop.unhandled:
                self.violated("error", f"{loop.name}: {type(error).__name__}: {error}")
            loop.die()

    def _start_mapping(self, checkpoints: Mapping[str, str] | None) -> None:
        mapping = self.new_mapping(checkpoints)
        self._mapping_loop = self._loop("mapping")
        self._mapping_loop.create_task(mapping.run())

    # What the world asks and tells:

    def _wake_readers(self, event: Mapping[str, Any]) -> None:
        """Let readers read a product while an invocation writes it, and some stand still in the middle of it.

        Often the cache has just evicted it, since only then readers take leases and store.
        """
        random = self.world.random
        self.hot_product = product_of(event, random)
        if self.hot_product is not None and random.random() < _EVICTED_SHARE:
            self.cache.delete(f"product:{self.hot_product}")
        idle, self.idle_readers = self.idle_readers, []
        for reader in idle:
            seconds = random.random() * _RACE_SECONDS
            self.world.after(seconds, wake, reader)
            if random.random() < _PAUSED_SHARE:
                loop = cast(SimulatedLoop, reader.get_loop())
                seconds += random.random() * _READ_SECONDS
                self.world.after(seconds, loop.freeze, random.random() * _PAUSE_SECONDS)

    def _answered(self, event: Mapping[str, Any], outcome: Any) -> None:
        may_raise = bool(self.faults.happened["postgres: result type changed"])  # twice is our mistake
        is_death = str(outcome) == DIED
        if keys := self.told(event, outcome, is_death=is_death, may_raise=may_raise):
            self.checker.answered(keys)

    def _kills(self, process: SimulatedLoop, data: bytes) -> bool:
        """Return whether what a process sends shows that it works on a poison record; then it dies."""
        if POISON.encode() not in data:
            return False
        process.freeze(1.0)  # it is in the middle of a turn
        environment = next((one for one in self.function.environments if one.loop is process), None)
        self.world.after(0.0, process.die if environment is None else environment.kill)
        return True

    def _spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self._loop(name).create_task(work)

    def _loop(self, name: str) -> SimulatedLoop:
        loop = SimulatedLoop(self.world, self.network, name)
        self._loops.append(loop)
        return loop
