"""A simulated network: connections between processes and servers, and what can go wrong with them.

TCP sends again what is lost. So what passes through a black hole arrives after it, in order, and only a
connection that both sides, or one, have forgotten never delivers anything.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from reliability.simulated.loop import SimulatedLoop, SimulatedTransport
from reliability.simulated.world import World

_LATENCY_SECONDS = 0.8e-3
_RETRANSMISSION_SECONDS = 0.2
# Linux gives up connecting after two minutes.
_CONNECT_SECONDS = 130.0


class Session(Protocol):
    """A server's end of a connection."""

    def received(self, data: bytes) -> None:
        """Act on what the client sent."""

    def lost(self) -> None:
        """Act on the client's end, of which the server was told."""


@dataclass(slots=True)
class Host:
    """A server's address, and the faults on the way to it; times are those at which a fault ends.

    `accept`: makes the session of a new connection; None while the server is down.
    """

    name: str
    accept: "Callable[[Connection], Session] | None" = None
    refuses_until: float = 0.0
    hole_to_until: float = 0.0
    hole_from_until: float = 0.0
    slow_until: float = 0.0
    slow_seconds: float = 0.0
    no_name_until: float = 0.0
    connections: "dict[Connection, None]" = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Connection:
    """One connection. `forgotten_to`, `forgotten_from`: nothing is delivered to, or from, the server."""

    network: "Network"
    host: str
    process: SimulatedLoop
    number: int
    client: SimulatedTransport | None = None
    session: Session | None = None
    is_open: bool = True
    forgotten_to: bool = False
    forgotten_from: bool = False
    cut_after_delivery: bool = False
    _to_at: float = 0.0
    _from_at: float = 0.0

    def send(self, data: bytes) -> None:
        """Send from the process to the server."""
        if self.is_open and not self.network.kills(self.process, data):
            self._to_at = self.network.arrival(self.host, self._to_at, to_server=True)
            self.network.world.at(self._to_at, self._deliver_to, data)

    def answer(self, data: bytes) -> None:
        """Send from the server to the process."""
        if self.is_open and not self.cut_after_delivery:
            self._from_at = self.network.arrival(self.host, self._from_at, to_server=False)
            self.network.world.at(self._from_at, self._deliver_from, data)

    def close_by_client(self) -> None:
        """End the connection; the server learns of it when it hears of it."""
        if self.is_open:
            self._to_at = self.network.arrival(self.host, self._to_at, to_server=True)
            self.network.world.at(self._to_at, self._end_at_server)

    def close_by_server(self) -> None:
        """End the connection after what was sent before."""
        if self.is_open:
            self._from_at = self.network.arrival(self.host, self._from_at, to_server=False)
            self.network.world.at(self._from_at, self.reset)

    def reset(self) -> None:
        """End the connection on both sides that still know of it."""
        self._end_at_client()
        self._end_at_server()

    def forget(self) -> None:
        """Vanish: neither side is told, and nothing arrives any more."""
        self.forgotten_to = self.forgotten_from = True

    def _deliver_to(self, data: bytes) -> None:
        if self.is_open and not self.forgotten_to and self.session is not None:
            self.network.note_delivery(self, "→")
            self.session.received(data)
            if self.cut_after_delivery:
                self.network.world.after(_LATENCY_SECONDS, self._end_at_client)

    def _deliver_from(self, data: bytes) -> None:
        if self.is_open and not self.forgotten_from and self.client is not None:
            self.network.note_delivery(self, "←")
            self.client.received(data)

    def _end_at_client(self) -> None:
        if self.client is not None and not self.forgotten_from:
            self.client.lost()

    def _end_at_server(self) -> None:
        if self.is_open and not self.forgotten_to:
            self.is_open = False
            self.network.hosts[self.host].connections.pop(self, None)
            if self.session is not None:
                self.session.lost()


class Network:
    """All hosts, and the faults on the ways to them.

    `kills`: told of everything a process sends, before it is sent; True if that kills the process.
    """

    def __init__(self, world: World, kills: Callable[[SimulatedLoop, bytes], bool]) -> None:
        self.world = world
        self.kills = kills
        self.hosts: dict[str, Host] = {}
        self._numbers = 0

    def host(self, name: str, accept: "Callable[[Connection], Session] | None" = None) -> Host:
        """Add a host."""
        self.hosts[name] = Host(name, accept)
        return self.hosts[name]

    async def look_up(self, name: str) -> None:
        """Return when the name is known, late or never while there is a fault. Raises: OSError."""
        host, random = self.hosts[name], self.world.random
        if self.world.now < host.no_name_until:
            await asyncio.sleep(random.choice((0.01, 2.0, host.no_name_until - self.world.now)))
            if random.random() < 0.7:
                raise OSError(-3, "Temporary failure in name resolution")

    async def connect(self, process: SimulatedLoop, name: str) -> Connection:
        """Return a new connection, as the server accepted it. Raises: OSError."""
        world, host = self.world, self.hosts[name]
        there = self.arrival(name, 0.0, to_server=True)
        if there - world.now > _CONNECT_SECONDS:
            await asyncio.sleep(_CONNECT_SECONDS)
            raise TimeoutError(110, "Connection timed out")
        await asyncio.sleep(there - world.now)
        if host.accept is None or world.now < host.refuses_until:
            await asyncio.sleep(self.arrival(name, 0.0, to_server=False) - world.now)
            raise ConnectionRefusedError(111, f"Connect call failed: {name}")
        self._numbers += 1
        connection = Connection(self, name, process, self._numbers)
        connection.session = host.accept(connection)
        host.connections[connection] = None
        try:
            await asyncio.sleep(self.arrival(name, 0.0, to_server=False) - world.now)
        except asyncio.CancelledError:
            connection.close_by_client()
            raise
        return connection

    def arrival(self, name: str, last: float, *, to_server: bool) -> float:
        """Return when something that is sent now arrives: after the last, and after any black hole."""
        host, now = self.hosts[name], self.world.now
        when = now + self.world.random.random() * _LATENCY_SECONDS
        if now < host.slow_until:
            when += host.slow_seconds * self.world.random.random()
        hole = host.hole_to_until if to_server else host.hole_from_until
        if now < hole:
            when = hole + self.world.random.random() * _RETRANSMISSION_SECONDS
        return max(when, last + 1e-9)

    def note_delivery(self, connection: Connection, direction: str) -> None:
        """Count a message, and note it in the trace."""
        self.world.step()
        self.world.note(f"{connection.process.name} {direction} {connection.host}#{connection.number}")

    def end_process(self, process: SimulatedLoop, *, vanish: bool) -> None:
        """End a process's connections: servers are told, or never hear of it."""
        for host in self.hosts.values():
            for connection in list(host.connections):
                if connection.process is process:
                    connection.client = None
                    if vanish:
                        connection.forget()
                    else:
                        connection.close_by_client()
