"""Lambda: execution environments that run the real handler, one invocation at a time, frozen in between."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any, cast

from local.emulated_aws.event_source_mapping import FunctionError, FunctionNotReachedError
from processor.handler import handle
from processor.runtime import Machine, Runtime
from processor.settings import Settings
from reliability.aws import CarefulClient
from reliability.people import shown
from reliability.simulated.loop import SimulatedLookups, SimulatedLoop
from reliability.simulated.network import Network
from reliability.simulated.world import World

TIMEOUT_SECONDS = 30.0
DIED = "Runtime exited"
# How often Lambda starts another execution environment though one is idle.
_START_SHARE = 0.25


class _KilledError(BaseException):
    """The end of a process: no code of it runs any more."""


class ExecutionEnvironment:
    """A process with the real runtime.

    `handler` is an ordinary function that waits for its event loop, so it has a thread. Threads never run at
    the same time: one hands over to another and waits.
    """

    def __init__(self, world: World, network: Network, settings: Settings, number: int) -> None:
        self.name = f"function-{number}"
        self.is_alive = True
        self.event: Mapping[str, Any] | None = None
        self.invocations = 0
        self.has_timed_out = False
        self._world = world
        self._network = network
        self._deadline = 0.0
        self._done: Callable[[Any], None] = lambda _: None
        self._waited: asyncio.Future[Any] | None = None
        self._to_thread: SimpleQueue[Any] = SimpleQueue()
        self._to_world: SimpleQueue[None] = SimpleQueue()
        self.loop = SimulatedLoop(world, network, self.name)
        self.loop.drive = self._drive
        self.loop.is_running_code = False
        self.loop.after_turn = self._after_turn
        machine = Machine(
            new_loop=lambda: self.loop,
            new_lookups=SimulatedLookups,
            careful_aws=cast(Any, CarefulClient),
        )
        self._runtime = Runtime(settings, machine)
        self._thread = threading.Thread(target=self._main, name=self.name, daemon=True)
        self._thread.start()

    def invoke(self, event: Mapping[str, Any], done: Callable[[Any], None]) -> None:
        """Run the handler soon; `done` gets its answer, or an exception, when it returns."""
        self.event, self._done = event, done
        self.loop.was_frozen = False
        self._world.after(0.0, self._begin, event)

    def _begin(self, event: Mapping[str, Any]) -> None:
        if not self.is_alive:
            return
        self.invocations += 1
        self._deadline = self._world.now + TIMEOUT_SECONDS
        self._world.after(TIMEOUT_SECONDS, self._time_out, self.invocations)
        self.loop.is_running_code = True
        self._hand_over(event)

    def kill(self, *, vanish: bool = False) -> None:
        """End the process without a word; its servers are told, or never hear of it."""
        if not self.is_alive:
            return
        self.is_alive = False
        self._world.note(f"{self.name}: killed")
        self.loop.die()
        self._network.end_process(self.loop, vanish=vanish)
        self._to_thread.put(_KilledError())
        self._to_world.get()
        self._finish(FunctionError(DIED))

    def get_remaining_time_in_millis(self) -> int:
        """Return what Lambda's context returns."""
        return int((self._deadline - self._world.now) * 1000)

    def _time_out(self, invocation: int) -> None:
        if self.is_alive and self.event is not None and invocation == self.invocations:
            self._world.note(f"{self.name}: timed out")
            self.has_timed_out = not self.loop.was_frozen
            self.kill()

    def _finish(self, outcome: Any) -> None:
        self.loop.is_running_code = False
        if self.event is not None:
            self.event = None
            done, self._done = self._done, lambda _: None
            done(outcome)

    def _hand_over(self, what: Any) -> None:
        """Let the thread run until it waits; then do what it ended with."""
        self._to_thread.put(what)
        self._to_world.get()
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            self._finish(*outcome)

    def _after_turn(self) -> None:
        if self._waited is not None and self._waited.done():
            self._waited = None
            self._hand_over(None)

    # In the process's own thread:

    _outcome: tuple[Any] | None = None

    def _main(self) -> None:
        while not isinstance(event := self._to_thread.get(), _KilledError):
            try:
                self._outcome = (handle(event, self, self._runtime),)
            except _KilledError:
                break
            except Exception as error:  # noqa: BLE001 as Lambda does
                self._world.note(f"{self.name}: raises {type(error).__name__}: {error}")
                self._outcome = (FunctionError(f"{type(error).__name__}: {error}"),)
            self._to_world.put(None)
        self._to_world.put(None)

    def _drive(self, waited: "asyncio.Future[Any]") -> None:
        self._waited = waited
        self.loop.wake()
        self._to_world.put(None)
        told = self._to_thread.get()
        if isinstance(told, _KilledError):
            raise told


class FunctionService:
    """The function: starts execution environments as they are needed, up to its concurrency.

    `invoked`: called with the event as an invocation begins. `answered`: called with event and outcome.
    `timed_out`: invocations that were killed because they took too long, though nothing froze them.
    """

    def __init__(
        self,
        world: World,
        network: Network,
        settings: Settings,
        *,
        concurrency: int,
        invoked: Callable[[Mapping[str, Any]], None],
        answered: Callable[[Mapping[str, Any], Any], None],
    ) -> None:
        self.timed_out: list[str] = []
        self.environments: list[ExecutionEnvironment] = []
        self.invocations = 0
        self._world = world
        self._network = network
        self._settings = settings
        self._concurrency = concurrency
        self._invoked = invoked
        self._answered = answered
        self._started = 0

    @property
    def busy(self) -> list[ExecutionEnvironment]:
        """Those that are working."""
        return [one for one in self.environments if one.is_alive and one.event is not None]

    async def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the handler's answer. Raises: FunctionError, FunctionNotReachedError."""
        self.environments = [one for one in self.environments if one.is_alive]
        environment = self._free()
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        self.invocations += 1
        self._invoked(event)
        number, name = self.invocations, environment.name

        def done(outcome: Any) -> None:
            self._world.note(f"invocation {number} on {name}: {outcome!r}")
            if environment.has_timed_out:
                self.timed_out.append(f"invocation {number} on {name}")
            self._answered(event, outcome)
            if not answer.done() and not loop.is_closed():
                answer.set_result(outcome)

        self._world.note(f"invocation {number} on {name}: {shown(event)}")
        environment.invoke(event, done)
        outcome = await answer
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _free(self) -> ExecutionEnvironment:
        """Return one that is idle or, sometimes even then, a new one. Raises: FunctionNotReachedError."""
        idle = [one for one in self.environments if one.event is None]
        may_start = len(self.environments) < self._concurrency
        if idle and not (may_start and self._world.random.random() < _START_SHARE):
            return self._world.random.choice(idle)
        if not may_start:
            raise FunctionNotReachedError("TooManyRequestsException")
        self._started += 1
        environment = ExecutionEnvironment(self._world, self._network, self._settings, self._started)
        self.environments.append(environment)
        return environment

    def end(self) -> None:
        """End all processes."""
        for environment in self.environments:
            environment.kill()
