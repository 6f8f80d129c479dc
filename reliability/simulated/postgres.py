"""A simulated PostgreSQL: sessions, locks, late commits; it knows the processor's and the readers' statements."""

import itertools
import re
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from reliability.simulated import postgres_wire as wire
from reliability.simulated.network import Connection
from reliability.simulated.postgres_wire import Shape, SqlError
from reliability.simulated.world import World

# What a statement waits for: seconds of work, or the lock of a row.
Wait: TypeAlias = float | tuple[str, str]
# A statement at work: it yields what it waits for, and returns its rows and tag. What it writes it has
# written when it returns, in the same moment: that is its commit.
Work: TypeAlias = Generator[Wait, None, tuple[list[tuple[Any, ...]], str]]
Plan: TypeAlias = tuple[Shape, Callable[..., Work]]

_DEADLOCK_SECONDS = 1.0
_MAX_CONNECTIONS = 60
_SETTING = re.compile(r"SET (\w+) = (\w+)")
_ROW_SECONDS = 50e-6


class Database:
    """The server: what all its sessions share.

    `plan`: finds a statement's shape and work by its text. `row_seconds`: how long it works on a row.
    `deadlocks`: rows for which statements waited for each other. `crash_after_commit`: the next statement that writes commits, and then the server crashes.
    """

    def __init__(self, world: World, plan: Callable[[str], Plan], passwords: dict[str, str]) -> None:
        self.world = world
        self.plan = plan
        self.passwords = passwords
        self.sessions: dict[int, Session] = {}
        self.locks: dict[tuple[str, str], Running] = {}
        self.waiting: dict[tuple[str, str], list[Running]] = {}
        self.is_read_only = False
        self.max_connections = _MAX_CONNECTIONS
        self.row_seconds = _ROW_SECONDS
        self.crash_after_commit: Callable[[], None] | None = None
        self.errors_ahead: list[str] = []
        self.deadlocks: list[tuple[str, str]] = []
        self._pids = itertools.count(100)

    def accept(self, connection: Connection) -> "Session":
        """Return the session of a new connection."""
        return Session(self, connection, next(self._pids))

    def crash(self) -> None:
        """End all sessions and what they do; what is committed stays."""
        for session in list(self.sessions.values()):
            session.end()
            session.connection.reset()
        self.sessions.clear()

    def lock_rows(self, rows: list[tuple[str, str]], seconds: float) -> "Running":
        """Lock rows for a time, as somebody's open transaction; return that."""

        def hold() -> Work:
            yield from rows
            yield seconds
            return [], ""

        transaction = Running(self, None, hold(), lambda *_: None)
        transaction.go()
        return transaction


class Session:
    """A connection's backend; it does one message after another, and reads no more while it works."""

    def __init__(self, server: Database, connection: Connection, pid: int) -> None:
        self.server = server
        self.connection = connection
        self.pid = pid
        self.statement_timeout = 0.0
        self.check_interval = 0.0
        self._reader = wire.Reader()
        self._waiting: list[wire.Message] = []
        self._running: Running | None = None
        self._plans: dict[str, tuple[Shape, Callable[..., Work]]] = {}
        self._bound: tuple[str, list[Any]] = ("", [])
        self._skips_to_sync = False
        self._user = ""
        self._is_lost = False

    def received(self, data: bytes) -> None:
        self._waiting += self._reader.read(data)
        self._go_on()

    def lost(self) -> None:
        """Notice that the client is gone: at once if idle, else when it is checked or the work is done."""
        self._is_lost = True
        if self._running is None:
            self.end()
        elif self.check_interval:
            running = self._running
            self.server.world.after(
                self.check_interval, lambda: running.stop(SqlError("08006", "connection to client lost"))
            )

    def end(self) -> None:
        """End the session, and the statement that runs."""
        self.server.sessions.pop(self.pid, None)
        self._waiting.clear()
        if self._running is not None:
            running, self._running = self._running, None
            running.drop()

    def cancel(self) -> None:
        """Cancel the statement that runs."""
        if self._running is not None:
            self._running.stop(SqlError("57014", "canceling statement due to user request"))

    def _go_on(self) -> None:
        while self._waiting and self._running is None:
            self._do(self._waiting.pop(0))

    def _do(self, message: wire.Message) -> None:
        if self._skips_to_sync and message.kind != "S":
            return
        match message.kind:
            case "startup":
                fields = message.body.decode().split("\0")
                self._user = fields[fields.index("user") + 1]
                self._send(wire.ASK_PASSWORD)
            case "p":
                self._log_in(message.body.rstrip(b"\0").decode())
            case "cancel":
                pid = int.from_bytes(message.body[:4], "big")
                if pid in self.server.sessions:
                    self.server.sessions[pid].cancel()
                self.connection.close_by_server()
            case "P":
                name, text, _ = message.body.split(b"\0", 2)
                self._parse(name.decode(), text.decode())
            case "D":
                name = message.body[1:-1].decode()
                if name in self._plans:
                    self._send(wire.description(self._plans[name][0]))
            case "B":
                shapes = {name: shape for name, (shape, _) in self._plans.items()}
                self._bound = wire.bound(message.body, shapes)
                self._send(wire.BOUND)
            case "E":
                self._execute()
            case "C":
                self._send(wire.CLOSED)
            case "Q":
                self._query(message.body[:-1].decode())
            case "S":
                self._skips_to_sync = False
                self._send(wire.READY)
            case "X":
                self.end()
                self.connection.close_by_server()

    def _log_in(self, password: str) -> None:
        if self.server.passwords.get(self._user) != password:
            self._fail(
                SqlError("28P01", f'password authentication failed for user "{self._user}"', is_fatal=True)
            )
        elif len(self.server.sessions) >= self.server.max_connections:
            self._fail(SqlError("53300", "sorry, too many clients already", is_fatal=True))
        else:
            self.server.sessions[self.pid] = self
            self._send(wire.welcome(self.pid, 1))

    def _parse(self, name: str, text: str) -> None:
        try:
            self._plans[name] = self.server.plan(text)
            self._send(wire.PARSED)
        except SqlError as error:
            self._fail(error)

    def _execute(self) -> None:
        name, arguments = self._bound
        shape, work = self._plans[name]

        def answer(values: list[tuple[Any, ...]], tag: str) -> None:
            self._send(wire.rows(shape, values, tag))

        self._run(work(*arguments), answer)

    def _query(self, text: str) -> None:
        settings = _SETTING.findall(text)
        for name, value in settings:
            if name == "statement_timeout":
                self.statement_timeout = int(value) / 1000
            elif name == "client_connection_check_interval":
                self.check_interval = int(value) / 1000
        try:
            work = _nothing("SET") if settings else self.server.plan(text)[1]()
        except SqlError as error:
            self._fail(error)
            self._send(wire.READY)
            return
        self._run(work, lambda _, tag: self._send(wire.rows(Shape(), [], tag) + wire.READY), is_simple=True)

    def _run(self, work: Work, answer: Callable[..., None], *, is_simple: bool = False) -> None:
        def done(outcome: "tuple[list[Any], str] | SqlError") -> None:
            self._running = None
            if isinstance(outcome, SqlError):
                self._fail(outcome)
                if is_simple:
                    self._skips_to_sync = False
                    self._send(wire.READY)
            else:
                answer(*outcome)
            if self._is_lost:
                self.end()
            else:
                self._go_on()

        self._running = running = Running(self.server, self, work, done)
        if self.statement_timeout:
            late = SqlError("57014", "canceling statement due to statement timeout")
            self.server.world.after(self.statement_timeout, running.stop, late)
        if self.server.errors_ahead:
            running.stop(SqlError(self.server.errors_ahead.pop(), "as ordered"))
        else:
            running.go()

    def _fail(self, failed: SqlError) -> None:
        self.server.world.note(f"postgres {self.pid}: {failed.state} {failed}")
        self._send(wire.error(failed))
        self._skips_to_sync = True
        if failed.is_fatal:
            self.end()
            self.connection.close_by_server()

    def _send(self, data: bytes) -> None:
        self.connection.answer(data)


class Running:
    """A statement at work, with the locks of its rows; `done` gets its rows and tag, or its error."""

    def __init__(
        self, server: Database, session: Session | None, work: Work, done: Callable[[Any], None]
    ) -> None:
        self._server = server
        self._session = session
        self._work = work
        self._done = done
        self._held: list[tuple[str, str]] = []
        self._awaited: tuple[str, str] | None = None
        self._has_ended = False

    def go(self) -> None:
        """Work until there is something to wait for, or to the end."""
        if self._has_ended:
            return
        server = self._server
        try:
            while True:
                wait = next(self._work)
                if isinstance(wait, float):
                    if wait:
                        server.world.after(wait, self.go)
                        return
                elif not self._lock(wait):
                    return
        except StopIteration as end:
            self._end(end.value)
        except SqlError as error:
            self._end(error)

    def stop(self, error: SqlError) -> None:
        """End it with an error; nothing of it is written."""
        if not self._has_ended:
            self._end(error)

    def drop(self) -> None:
        """End it, and tell nobody."""
        self._done = lambda _: None
        self.stop(SqlError("57P01", "dropped"))

    def _lock(self, row: tuple[str, str]) -> bool:
        server = self._server
        holder = server.locks.setdefault(row, self)
        if holder is self:
            if row not in self._held:
                self._held.append(row)
            return True
        self._awaited = row
        server.waiting.setdefault(row, []).append(self)
        server.world.after(_DEADLOCK_SECONDS, self._check_deadlock, row)
        return False

    def _check_deadlock(self, row: tuple[str, str]) -> None:
        one: Running | None = self
        for _ in range(len(self._server.locks) + 1):
            if one is None or one._awaited is None or self._awaited != row:
                return
            one = self._server.locks.get(one._awaited)
            if one is self:
                self._server.deadlocks.append(row)
                self.stop(SqlError("40P01", "deadlock detected"))
                return

    def _end(self, outcome: Any) -> None:
        server = self._server
        self._has_ended = True
        self._work.close()
        if self._awaited is not None and self in server.waiting.get(self._awaited, ()):
            server.waiting[self._awaited].remove(self)
        for row in self._held:
            del server.locks[row]
            if waiting := server.waiting.get(row):
                next_one = waiting.pop(0)
                next_one._awaited = None
                server.locks[row] = next_one
                next_one._held.append(row)
                server.world.after(0.0, next_one.go)
        crash = server.crash_after_commit
        if crash is not None and not isinstance(outcome, SqlError) and self._held:
            server.crash_after_commit = None
            server.world.note("postgres: crash between commit and answer")
            crash()
        else:
            self._done(outcome)


def _nothing(tag: str) -> Work:
    yield 0.0
    return [], tag
