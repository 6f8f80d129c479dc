"""A simulated PostgreSQL: sessions, locks, statements that outlive their clients, commits without answer."""

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
ROW_SECONDS = 50e-6


class Database:
    """The server: what all its sessions share.

    `plan`: finds a statement's shape and work by its text. `row_seconds`: how long it writes a product.
    `deadlocks`: rows for which statements waited for each other. `errors_ahead`: SQLSTATEs with which the
    next statements fail. `crash_after_commit`: called once, in place of the answer to a commit.
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
        self.row_seconds = ROW_SECONDS
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

    def _go_on(self) -> None:
        while self._waiting and self._running is None:
            self._do(self._waiting.pop(0))

    def _do(self, message: wire.Message) -> None:
        if message.kind == "S" or not self._skips_to_sync:
            does = _MESSAGES.get(message.kind)
            if does is not None:  # else it asks for nothing
                does(self, message.body)

    def _begin(self, body: bytes) -> None:
        fields = body.decode().split("\0")
        self._user = fields[fields.index("user") + 1]
        self._send(wire.ASK_PASSWORD)

    def _log_in(self, body: bytes) -> None:
        server = self.server
        if server.passwords.get(self._user) != body.rstrip(b"\0").decode():
            self._fail(SqlError("28P01", f'password authentication failed for "{self._user}"', is_fatal=True))
        elif len(server.sessions) >= server.max_connections:
            self._fail(SqlError("53300", "sorry, too many clients already", is_fatal=True))
        else:
            server.sessions[self.pid] = self
            self._send(wire.welcome(self.pid, 1))

    def _cancel_other(self, body: bytes) -> None:
        other = self.server.sessions.get(int.from_bytes(body[:4], "big"))
        if other is not None and other._running is not None:
            other._running.stop(SqlError("57014", "canceling statement due to user request"))
        self.connection.close_by_server()

    def _parse(self, body: bytes) -> None:
        name, text, _ = body.split(b"\0", 2)
        try:
            self._plans[name.decode()] = self.server.plan(text.decode())
            self._send(wire.PARSED)
        except SqlError as error:
            self._fail(error)

    def _describe(self, body: bytes) -> None:
        self._send(wire.description(self._plans[body[1:-1].decode()][0]))

    def _bind(self, body: bytes) -> None:
        name = body.split(b"\0", 2)[1].decode()
        self._bound = name, wire.bound(body, self._plans[name][0])
        self._send(wire.BOUND)

    def _execute(self, _: bytes) -> None:
        name, arguments = self._bound
        shape, work = self._plans[name]
        self._run(work(*arguments), lambda values, tag: self._send(wire.rows(shape, values, tag)))

    def _query(self, body: bytes) -> None:
        text = body[:-1].decode()
        settings = dict(_SETTING.findall(text))
        self.statement_timeout = int(settings.get("statement_timeout", self.statement_timeout * 1000)) / 1000
        self.check_interval = (
            int(settings.get("client_connection_check_interval", self.check_interval * 1000)) / 1000
        )
        try:
            work = _nothing("SET") if settings else self.server.plan(text)[1]()
        except SqlError as error:
            self._fail(error)
            self._sync(b"")
            return
        self._run(work, lambda _, tag: self._send(wire.rows(Shape(), [], tag) + wire.READY), is_simple=True)

    def _sync(self, _: bytes) -> None:
        self._skips_to_sync = False
        self._send(wire.READY)

    def _terminate(self, _: bytes) -> None:
        self.end()
        self.connection.close_by_server()

    def _run(self, work: Work, answer: Callable[..., None], *, is_simple: bool = False) -> None:
        def done(outcome: "tuple[list[Any], str] | SqlError") -> None:
            self._running = None
            if isinstance(outcome, SqlError):
                self._fail(outcome)
                if is_simple:
                    self._sync(b"")
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


_MESSAGES: dict[str, Callable[[Session, bytes], None]] = {
    "startup": Session._begin,
    "p": Session._log_in,
    "cancel": Session._cancel_other,
    "P": Session._parse,
    "D": Session._describe,
    "B": Session._bind,
    "E": Session._execute,
    "C": lambda session, _: session._send(wire.CLOSED),
    "Q": Session._query,
    "S": Session._sync,
    "X": Session._terminate,
}


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
