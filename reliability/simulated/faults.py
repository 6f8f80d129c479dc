"""What each fault of a history does to the world, and how all of them end."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from reliability.aws import TROUBLES
from reliability.history import FAULTS, PRODUCTS, Fault, identifier
from reliability.simulated.function import TIMEOUT_SECONDS
from reliability.simulated.network import Connection, Host
from reliability.simulated.postgres import ROW_SECONDS

if TYPE_CHECKING:
    from reliability.simulated.pipeline import SimulatedPipeline

_ERRORS = {
    "postgres: deadlock": "40P01",
    "postgres: serialization failure": "40001",
    "postgres: statement timeout": "57014",
    "postgres: shut down": "57P01",
    "postgres: statement lost": "26000",
    "postgres: result type changed": "0A000",
}


class Faults:
    """Makes faults happen. `happened`: how many of each kind did, with something to hit."""

    def __init__(self, pipeline: "SimulatedPipeline") -> None:
        self.happened: Counter[str] = Counter()
        self._pipeline = pipeline
        self._world = pipeline.world
        self._network = pipeline.network
        self._function = pipeline.function
        self._database = pipeline.database
        self._cache = pipeline.cache
        self._services = pipeline.services
        self._is_over = False
        self._heals: list[Callable[[], None]] = []

    def plan(self, faults: Sequence[Fault]) -> None:
        """Let the faults happen when their steps are done."""
        for fault in faults:
            self._world.at_step(fault.step, partial(self._happen, fault))

    def heal(self) -> None:
        """End all faults; no other happens."""
        self._is_over = True
        for host in self._network.hosts.values():
            if host.refuses_until < float("inf"):
                host.refuses_until = 0.0
            host.hole_to_until = host.hole_from_until = 0.0
            host.slow_until = host.no_name_until = 0.0
        for heal in self._heals:
            heal()
        self._database.errors_ahead.clear()
        self._database.crash_after_commit = None
        self._services.end_troubles()
        self._world.note("faults end")

    def _happen(self, fault: Fault) -> None:
        if self._is_over:
            return
        name, what = fault.where_and_what
        did: object = None
        if name in self._network.hosts and hasattr(self, method := f"_way_{what}"):
            did = getattr(self, method)(self._network.hosts[name], fault)
        elif fault.kind in _ERRORS:
            self._database.errors_ahead.append(_ERRORS[fault.kind])
        elif fault.kind in TROUBLES:
            self._services.trouble(fault)
        else:
            did = getattr(self, f"_{identifier(fault.kind)}")(fault)
        if did is not False:  # there was something to hit
            self.happened[fault.kind] += 1
            self._world.note(f"fault: {fault.kind} for {fault.seconds:.3f} s")

    # Processes:

    def _kill(self, fault: Fault, *, vanish: bool = False) -> bool:
        return self._on_busy(fault, lambda one: one.kill(vanish=vanish))

    def _kill_and_vanish(self, fault: Fault) -> bool:
        return self._kill(fault, vanish=True)

    def _freeze(self, fault: Fault) -> bool:
        return self._on_busy(fault, lambda one: one.loop.freeze(fault.seconds))

    def _freeze_past_the_timeout(self, fault: Fault) -> bool:
        return self._on_busy(fault, lambda one: one.loop.freeze(fault.seconds + TIMEOUT_SECONDS))

    def _recycle(self, fault: Fault) -> bool:
        idle = [one for one in self._function.environments if one.is_alive and one.event is None]
        if idle:
            fault.picked(idle).kill()
        return bool(idle)

    def _mapping_restarts(self, _: Fault) -> None:
        self._pipeline.restart_mapping()

    def _on_busy(self, fault: Fault, do: Callable[[Any], None]) -> bool:
        busy = self._function.busy
        if busy:
            do(fault.picked(busy))
        return bool(busy)

    # The ways to servers:

    def _way_refuses(self, host: Host, fault: Fault) -> None:
        host.refuses_until = max(host.refuses_until, self._world.now + fault.seconds)

    def _way_black_hole_to_it(self, host: Host, fault: Fault) -> None:
        host.hole_to_until = self._world.now + fault.seconds

    def _way_black_hole_from_it(self, host: Host, fault: Fault) -> None:
        host.hole_from_until = self._world.now + fault.seconds

    def _way_black_hole(self, host: Host, fault: Fault) -> None:
        host.hole_to_until = host.hole_from_until = self._world.now + fault.seconds

    def _way_slow(self, host: Host, fault: Fault) -> None:
        host.slow_until, host.slow_seconds = self._world.now + fault.seconds, 4 * fault.pick**3

    def _way_no_name(self, host: Host, fault: Fault) -> None:
        host.no_name_until = self._world.now + fault.seconds

    def _way_flaps(self, host: Host, fault: Fault) -> None:
        """Cut all connections again and again."""
        end = self._world.now + fault.seconds

        def cut() -> None:
            for connection in list(host.connections):
                connection.reset()
            if self._world.now < end and not self._is_over:
                self._world.after(self._world.random.random() ** 2 * (0.02 + fault.pick), cut)

        cut()

    def _way_connection_cut(self, host: Host, fault: Fault) -> bool:
        return self._on_connection(host, fault, Connection.reset)

    def _way_connection_vanishes(self, host: Host, fault: Fault) -> bool:
        return self._on_connection(host, fault, Connection.forget)

    def _way_cut_after_delivery(self, host: Host, fault: Fault) -> bool:
        def cut(connection: Connection) -> None:
            connection.cut_after_delivery = True

        return self._on_connection(host, fault, cut)

    def _way_answers_vanish(self, host: Host, fault: Fault) -> bool:
        def vanish(connection: Connection) -> None:
            connection.forgotten_from = True

        return self._on_connection(host, fault, vanish)

    def _on_connection(self, host: Host, fault: Fault, do: Callable[[Connection], None]) -> bool:
        """Hit one of the connections of a process that works; those of others are idle."""
        busy = {one.loop for one in self._function.busy}
        connections = [one for one in host.connections if one.process in busy] or list(host.connections)
        if connections:
            do(fault.picked(connections))
        return bool(connections)

    # PostgreSQL:

    def _postgres_crash(self, fault: Fault) -> None:
        host, accept = self._network.hosts["postgres"], self._database.accept
        host.accept = None
        self._database.crash()

        def restart() -> None:
            host.accept = accept

        self._heal_after(fault.seconds, restart)

    def _postgres_crash_after_a_commit(self, fault: Fault) -> None:
        self._database.crash_after_commit = lambda: self._postgres_crash(fault)

    def _postgres_read_only(self, fault: Fault) -> None:
        database = self._database
        database.is_read_only = True

        def end() -> None:
            if database.is_read_only:
                database.is_read_only = False
                database.crash()  # what was connected to the old primary

        self._heal_after(fault.seconds, end)

    def _postgres_too_many_connections(self, fault: Fault) -> None:
        most = self._database.max_connections
        self._database.max_connections = 0

        def end() -> None:
            self._database.max_connections = max(most, self._database.max_connections)

        self._heal_after(fault.seconds, end)

    def _postgres_password_rotated(self, fault: Fault) -> None:
        self._rotate("postgres", fault)

    def _postgres_rows_locked(self, fault: Fault) -> None:
        rows = [("products", product) for product in PRODUCTS]
        transaction = self._database.lock_rows(rows[: 1 + int(fault.pick * len(rows))], fault.seconds)
        self._heals.append(transaction.drop)

    def _postgres_slow_rows(self, fault: Fault) -> None:
        normal = self._database.row_seconds
        self._database.row_seconds = max(normal, 3.0 * fault.pick**2)

        def end() -> None:
            self._database.row_seconds = max(ROW_SECONDS, self._pipeline.history.row_seconds)

        self._heal_after(fault.seconds, end)

    # The cache:

    def _valkey_failover(self, fault: Fault) -> None:
        self._cache.fail_over(fault.seconds)
        for connection in list(self._network.hosts["valkey"].connections):
            if self._world.random.random() < 0.5:
                connection.reset()

    def _valkey_restart(self, _: Fault) -> None:
        self._cache.clear()
        for connection in list(self._network.hosts["valkey"].connections):
            connection.reset()

    def _valkey_eviction(self, fault: Fault) -> bool:
        keys = sorted(self._cache.values)
        if keys:
            self._cache.set(fault.picked(keys), None)
        return bool(keys)

    def _valkey_password_rotated(self, fault: Fault) -> None:
        self._rotate("valkey", fault)

    def _rotate(self, name: str, fault: Fault) -> None:
        """Set a new password; for a time, the secret has the old one."""
        password = f"password {fault.pick}"
        if name == "postgres":
            self._database.passwords.update(dict.fromkeys(self._database.passwords, password))
        else:
            self._cache.password = password
        self._heal_after(fault.seconds, lambda: self._pipeline.set_secret(name, password))

    def _heal_after(self, seconds: float, heal: Callable[[], None]) -> None:
        self._heals.append(heal)
        self._world.after(seconds, heal)


def kinds_without_code() -> list[str]:
    """Return the kinds of faults that nothing here does."""
    return [
        kind
        for kind in FAULTS
        if kind not in _ERRORS.keys() | TROUBLES.keys()
        and not hasattr(Faults, f"_{identifier(kind)}")
        and not hasattr(Faults, f"_way_{identifier(kind.rpartition(': ')[2])}")
    ]
