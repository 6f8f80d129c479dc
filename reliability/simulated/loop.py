# mypy: disable-error-code="override, attr-defined, assignment"
"""An event loop in simulated time, one for each simulated process, and its transports."""

import asyncio
import heapq
import socket
from asyncio import events
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from processor.event_loop import Lookups
from reliability.simulated.world import World

if TYPE_CHECKING:
    from reliability.simulated.network import Connection, Network

# How long a process takes for a turn of its loop, at most.
_TURN_SECONDS = 60e-6


class SimulatedLoop(asyncio.BaseEventLoop):
    """asyncio's event loop without sockets and threads: the world tells it when to take a turn.

    As asyncio's, it runs what is ready in order. What processes do to each other is in any order, because
    turns and messages take random times.

    `name`: the process, in traces. `drive`: waits for a future of `run_until_complete` while the world goes
    on. `is_running_code`: False while Lambda has frozen the process between two invocations.
    """

    def __init__(self, world: World, network: "Network", name: str) -> None:
        super().__init__()
        self.name = name
        self.world = world
        self.drive: Callable[[asyncio.Future[Any]], None] | None = None
        self.is_running_code = True
        self.was_frozen = False
        self.after_turn: Callable[[], None] = lambda: None
        self.unhandled: list[BaseException] = []
        self._network = network
        self._frozen_until = 0.0
        self._wakes_at = float("inf")
        self._queue: Any = self._ready
        self._timers: Any = self._scheduled

    def time(self) -> float:
        return self.world.now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        handle = events.Handle(callback, args, self, context)
        self._queue.append(handle)
        if self.world.now < self._wakes_at:
            self.wake()
        return handle

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        timer = events.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, timer)
        timer._scheduled = True
        if when < self._wakes_at:
            self._wake_at(when)
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        return self.call_at(self.world.now + delay, callback, *args, context=context)

    def wake(self) -> None:
        """Take a turn soon."""
        self._wake_at(self.world.now + self.world.random.random() * _TURN_SECONDS)

    def freeze(self, seconds: float) -> None:
        """Stand still, as a process that is stopped."""
        self._frozen_until = self.world.now + seconds
        self.was_frozen = True

    def die(self) -> None:
        """End without doing anything more."""
        self._closed = True
        self._queue.clear()
        self._timers.clear()

    def run_until_complete(self, future: Any) -> Any:
        """Run in the thread of a container: the world goes on in its own until the future is done."""
        if self.drive is None:
            raise RuntimeError("this process has no main thread")
        waited = asyncio.ensure_future(future, loop=self)
        self.drive(waited)
        return waited.result()

    def _wake_at(self, when: float) -> None:
        self._wakes_at = when
        self.world.at(when, self._turn, when)

    def _turn(self, planned: float) -> None:
        if planned != self._wakes_at or self._closed:
            return
        self._wakes_at = float("inf")
        if not self.is_running_code:
            return
        world, queue, timers = self.world, self._queue, self._timers
        if world.now < self._frozen_until:
            self._wake_at(self._frozen_until)
            return
        world.step()
        self._wakes_at = 0.0  # what it calls soon is planned for after this turn
        while timers and timers[0]._when <= world.now:
            queue.append(heapq.heappop(timers))
        events._set_running_loop(self)
        try:
            for _ in range(len(queue)):
                if not queue:  # it died
                    break
                handle = queue.popleft()
                if not handle._cancelled:
                    handle._run()
        finally:
            events._set_running_loop(None)
        self._wakes_at = float("inf")
        self._plan()
        self.after_turn()

    def _plan(self) -> None:
        timers = self._timers
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)
        if self._queue:
            self.wake()
        elif timers and timers[0]._when < self._wakes_at:
            self._wake_at(timers[0]._when)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it where it is: `_plan` drops it."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep errors that nobody caught."""
        error = context.get("exception")
        self.world.note(f"{self.name}: {context.get('message')}: {type(error).__name__}")
        if error is not None and "never retrieved" not in str(context.get("message")):
            self.unhandled.append(error)

    def get_debug(self) -> bool:
        return False

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Run at once: threads would make chance of it."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 raised where the result is awaited
            future.set_exception(error)
        return future

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        await self._network.look_up(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    async def create_connection(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        **_: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        await self._network.look_up(host)
        connection = await self._network.connect(self, str(host))
        protocol = protocol_factory()
        transport = SimulatedTransport(self, connection, protocol)
        connection.client = transport
        protocol.connection_made(transport)
        return transport, protocol

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """There is none."""

    def __del__(self, _warn: Any = None) -> None:
        """Need no closing."""


class SimulatedLookups(Lookups):
    """Looks names up on the simulated loop."""

    async def find(self, *name: object) -> Any:
        return await asyncio.get_running_loop().getaddrinfo(str(name[0]), str(name[1]))


class _Socket:
    family = socket.AF_INET

    def setsockopt(self, *_: object) -> None:
        """Set nothing."""


class SimulatedTransport(asyncio.Transport):
    """A process's end of a connection."""

    def __init__(self, loop: SimulatedLoop, connection: "Connection", protocol: asyncio.BaseProtocol) -> None:
        super().__init__({"socket": _Socket(), "peername": (connection.host, 1)})
        self.loop = loop
        self.connection = connection
        self._protocol: Any = protocol
        self._closing = False

    def write(self, data: Any) -> None:
        if not self._closing:
            self.connection.send(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.connection.close_by_client()
            self.loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def received(self, data: bytes) -> None:
        """Let the process read what the other side sent."""
        if not self._closing and not self.loop.is_closed():
            self.loop.call_soon(self._read, data)

    def lost(self) -> None:
        """Let the process see that the other side reset the connection."""
        if not self._closing and not self.loop.is_closed():
            self.loop.call_soon(self._end)

    def _read(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def _end(self) -> None:
        if not self._closing:
            self._closing = True
            self._protocol.connection_lost(ConnectionResetError("reset by the other side"))

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Never be full."""

    def pause_reading(self) -> None:
        """Read on: messages are small."""

    def resume_reading(self) -> None:
        """Read on."""

    def is_reading(self) -> bool:
        return not self._closing

    def can_write_eof(self) -> bool:
        return False
