"""A run of one history on real servers and processes, and what the checker found."""

import asyncio
import hashlib
import os
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.credentials import UsernamePasswordCredentialProvider

from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError
from local.emulated_aws.function_service import FunctionService
from local.servers.loopback import HOST
from local.servers.proxy import Proxy, open_proxy
from processor.adapters.postgres import Login
from processor.adapters.redis_client import redis_client
from reliability import history as histories
from reliability.aws import CarefulClient, Services
from reliability.history import REAL_FAULTS, History
from reliability.people import act, product_of, read_products, shown, wake
from reliability.pipeline import FIRST_PASSWORD, VARIABLES, Outcome, Pipeline
from reliability.real import containers
from reliability.real.faults import AWAY, Faults
from reliability.real.late_checker import LateChecker
from reliability.real.servers import WRITER, Servers
from reliability.real.services import listening
from reliability.real.stores import RealStores
from reliability.real.world import RealWorld

T = TypeVar("T")

# One real second stands for so many of a history: the function's timeout is 5 s in place of 30.
PACE = 6.0
TIMEOUT_SECONDS = 5.0
# A busy machine may take so long for what should take no time.
_GRACE_SECONDS = 5.0
_FAULTS_SECONDS = 45.0 / PACE
_DONE_SECONDS = 60.0
_SLOW_SECONDS = 100.0
_DRAIN_INTERVAL_SECONDS = 2.0
# A drain that was killed holds the others back for 15 s.
_DRAINED_SECONDS = 40.0
_LOOK_SECONDS = 0.1
_START_SHARE = 0.25
_EVICTED_SHARE = 0.4
_RACE_SECONDS = 6e-3
_LOG_CHARACTERS, _METRICS = 300, '{"_aws"'
_DEATHS = ("Runtime exited", "Task timed out")

_servers: Servers | None = None
_runner = asyncio.Runner()


def prepare() -> None:
    """Start this process's servers, which end with it."""
    global _servers
    warnings.simplefilter("ignore")
    os.environ["HOME"] = "/nonexistent"
    containers.prepare()
    _servers = Servers(ExitStack())
    _runner.run(_servers.migrate())


def draw(seed: int) -> History:
    """Draw a history that begins now."""
    return histories.draw(seed, REAL_FAULTS, datetime.now(UTC))


def run(history: History) -> Outcome:
    """Run a history on this process's servers."""
    return run_on_servers(lambda servers: RealPipeline(history, servers).run())


def run_on_servers(work: Callable[[Servers], Coroutine[Any, Any, T]]) -> T:
    """Run something on this process's servers."""
    if _servers is None:
        raise RuntimeError("prepare() was not called")
    return _runner.run(work(_servers))


class RealPipeline(Pipeline):
    """The pipeline of one history, behind proxies."""

    world: RealWorld
    checker: LateChecker
    timeout_seconds = TIMEOUT_SECONDS

    def __init__(
        self, history: History, servers: Servers, *, pace: float = PACE, world: RealWorld | None = None
    ) -> None:
        world = world or RealWorld(history.seed)
        super().__init__(history, world, Services(world), pace=pace)
        self.servers = servers
        self.database_password = FIRST_PASSWORD
        self.checker = LateChecker(RealStores(world, servers, self.services))
        self.proxies: dict[str, Proxy] = {}
        self.function = self
        self._cache_is_out = history.cache_is_out
        self._events: list[Mapping[str, Any]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> Outcome:
        """Run the history to its end."""
        history, world = self.history, self.world
        asyncio.get_running_loop().set_exception_handler(lambda _, context: world.note(f"loop: {context}"))
        await self.servers.renew()
        await self.set_row_seconds(history.row_seconds / self.pace)
        async with AsyncExitStack() as stack:
            await self.open(stack)
            world.begin()
            producing = self.spawn(self.produce())
            self.start_mapping(None)
            self.spawn(self.drain_by_schedule(_DRAIN_INTERVAL_SECONDS))
            self.spawn(self._look_often())
            readers = [self.spawn(read_products(self, pause_seconds=1.0)) for _ in range(history.readers)]
            acts = [self.spawn(act(self, one)) for one in history.acts]
            await self._let_it_happen([producing, *acts])
            await self.heal()
            recovery_seconds = await self._check_progress(producing)
            await self.checker.look()
            self.checker.finish()
            for task in (*readers, *acts):
                if task.done() and (error := task.exception()):
                    self.violated("error", f"{type(error).__name__}: {error}")
        if self.services.overwritten:
            self.violated("I2", f"written more than once: {self.services.overwritten}")
        return Outcome(
            violations=self.checker.violations,
            faults=dict(self.faults.happened),
            records=sum(map(len, self.checker.received.values())),
            trace=world.trace,
            # Of what was decided: when it happens differs from run to run.
            trace_hash=hashlib.blake2b(
                repr((history.faults, history.acts)).encode(), digest_size=8
            ).hexdigest(),
            recovery_seconds=recovery_seconds,
        )

    async def open(self, stack: AsyncExitStack) -> None:
        """Open the ways to all servers, and the function; they are closed with the stack."""
        history, servers = self.history, self.servers
        services_port = await stack.enter_async_context(listening(self.services))
        self._services_port = services_port
        for name, port in (
            ("postgres", servers.postgres.port),
            ("valkey", servers.valkey.port),
            ("aws", services_port),
        ):
            self.proxies[name] = await stack.enter_async_context(open_proxy(HOST, port))
        self.faults = Faults(self, history.faults)
        for name, proxy in self.proxies.items():
            proxy.on_data = self.faults.step_of_database if name == "postgres" else self.faults.step
        if self._cache_is_out:
            self.proxies["valkey"].refuse()
        self.set_database_secret(self.database_password)
        self.set_cache_secret(FIRST_PASSWORD)
        self.service = FunctionService(
            "processor.handler:handler",
            variables={
                **VARIABLES,
                "REDIS_ENDPOINT": HOST,
                "REDIS_PORT": str(self.proxies["valkey"].port),
                "AWS_ENDPOINT_URL": f"http://{HOST}:{self.proxies['aws'].port}",
                "HOME": "/nonexistent",
            },
            timeout_seconds=self.timeout_seconds,
            grace_seconds=_GRACE_SECONDS,
            reserved_concurrency=history.concurrency,
            new_id=self._new_id,
            on_log=self.log,
            launch=containers.ForkedLaunch(),
            starts_another=lambda: self.world.random.random() < _START_SHARE,
        )
        stack.push_async_callback(self._close)

    def log(self, line: str) -> None:
        """Keep what the function logs."""
        if not line.startswith(_METRICS):
            self.world.note(f"function: {line[:_LOG_CHARACTERS]}")

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.service.close()
        await self.checker.real_stores.close()

    async def _let_it_happen(self, planned: Sequence["asyncio.Task[None]"]) -> None:
        """Return when all is done that was planned, and what fails has failed, or after the longest time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAULTS_SECONDS):
                await asyncio.wait(planned)
                while not self.has_read_all():  # noqa: ASYNC110 the mapping sets no event
                    await asyncio.sleep(_LOOK_SECONDS)
                await self.faults.wait()

    async def heal(self) -> None:
        """End all faults. Passwords are in their secrets, and connections that were forgotten stay so."""
        await self.faults.heal()
        self.services.end_troubles()
        for proxy in self.proxies.values():
            proxy.heal()
            if self.is_out(proxy):
                proxy.refuse()
        await self.servers.heal(self.database_password)
        await self.set_row_seconds(self.history.row_seconds / self.pace)
        self.set_database_secret(self.database_password)
        self.set_cache_secret(self.servers.cache_password)
        self.world.note("faults end")

    async def _check_progress(self, producing: "asyncio.Task[None]") -> float:
        """Check that all is done in time: records, failed batches, invalidations; return after how long."""
        world = self.world
        began = world.now
        seconds = _DONE_SECONDS + (_SLOW_SECONDS if self.history.row_seconds else 0.0)
        done = self.spawn(self.finish(producing))
        await asyncio.wait([done], timeout=seconds)
        if not done.done():
            self.violated("I6" if self._cache_is_out else "progress", f"not done after {seconds:.0f} s")
            return seconds
        done.result()
        self._cache_is_out = False
        self.proxies["valkey"].listen()
        deadline = world.now + _DRAINED_SECONDS
        while world.now < deadline:
            await self.checker.look()
            if not self.checker.stores.pending():
                return world.now - began
            await asyncio.sleep(_LOOK_SECONDS)
        self.violated("progress", f"still pending: {sorted(self.checker.stores.pending())}")
        return seconds

    # What the faults do to it:

    def restart_mapping(self) -> None:
        """Crash the event source mapping, and start it from its checkpoints: batches come again."""
        checkpoints = self.mapping.progress.checkpoints
        self._mapping_task.cancel()
        self.start_mapping(checkpoints or None)

    def deliver_again(self, pick: float) -> None:
        """Deliver one of the batches so far again, beside the mapping; 1.0 is the last."""
        if self._events:
            self.spawn(self._invoke_quietly(self._events[int(pick * (len(self._events) - 1))]))

    def is_out(self, proxy: Proxy) -> bool:
        """Whether it leads to a cache that is not there."""
        return self._cache_is_out and proxy is self.proxies["valkey"]

    async def set_row_seconds(self, seconds: float) -> None:
        """Let the database take so long for a row."""
        async with self.servers.administrator() as connection:
            await connection.execute("UPDATE trouble SET row_seconds = $1", seconds)

    # What people need:

    def login(self, user: str) -> Login:
        return Login(
            host=HOST,
            port=self.proxies["postgres"].port,
            database=self.servers.database,
            user=user,
            password=self.database_password if user == WRITER else FIRST_PASSWORD,
        )

    def cache_client(self) -> Redis:
        return redis_client(
            host=HOST,
            port=self.proxies["valkey"].port,
            tls=False,
            login=UsernamePasswordCredentialProvider(None, self.servers.cache_password),
            max_connections=8,
        )

    def aws_client(self) -> CarefulClient:
        client = CarefulClient()
        client.address = HOST, self._services_port
        return client

    def set_cache_secret(self, password: str) -> None:
        """Put the cache's password into its secret."""
        self.services.secrets[VARIABLES["REDIS_SECRET_ARN"]] = password

    # The function:

    async def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the handler's answer; the invocation goes on even if who waits for it ends."""
        return await asyncio.shield(self.spawn(self._invoke(event)))

    async def _invoke(self, event: Mapping[str, Any]) -> Any:
        self.begins(event)
        try:
            answer = await self.service.invoke(event)
        except FunctionError as error:
            self.ended(event, error)
            raise
        self.ended(event, answer)
        return answer

    async def _invoke_quietly(self, event: Mapping[str, Any]) -> None:
        with suppress(FunctionError, FunctionNotReachedError):
            await self.invoke(event)

    def ended(self, event: Mapping[str, Any], outcome: Any) -> None:
        """Look at the end of an invocation."""
        self.world.note(f"invocation {shown(event)}: {outcome!r}")
        is_death = str(outcome).startswith(_DEATHS)
        if str(outcome).startswith(_DEATHS[1]) and not self.faults.frozen:
            self.violated("progress", f"no answer in time, though nothing was frozen: {shown(event)}")
        if keys := self.told(event, outcome, is_death=is_death, may_raise=False):
            self.checker.answered(keys)

    def begins(self, event: Mapping[str, Any]) -> None:
        """Let readers read a product while an invocation writes it; often the cache has just evicted it."""
        world = self.world
        world.note(f"invocation begins: {shown(event)}")
        if "Records" not in event:
            return
        self._events.append(event)
        self.hot_product = product_of(event, world.random)
        if self.hot_product is not None and world.random.random() < _EVICTED_SHARE:
            self.spawn(self._evict(self.hot_product))
        idle, self.idle_readers = self.idle_readers, []
        for reader in idle:
            world.after(world.random.random() * _RACE_SECONDS, wake, reader)

    async def _evict(self, product: str) -> None:
        with suppress(*AWAY):
            async with self.servers.cache() as redis:
                await redis.delete(f"product:{product}")

    async def _look_often(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self.checker.waits:
                await self.checker.look()

    def start_mapping(self, checkpoints: Mapping[str, str] | None) -> None:
        """Run the event source mapping, from these checkpoints on."""
        self._mapping_task = self.spawn(self.new_mapping(checkpoints).run())

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run something until the end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        return task
