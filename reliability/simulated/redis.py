"""A simulated Valkey: strings with times to live, the readers' scripts, failovers that lose writes."""

import hashlib
import re
from collections.abc import Sequence

from reliability.simulated.network import Connection
from reliability.simulated.world import World

_WRITES = frozenset({"SET", "UNLINK", "DEL", "EVALSHA"})
_GUARD = re.compile(r"if redis\.call\((.+)\) ~= (\S+) then return (\d+) end")
_CALL = re.compile(r"redis\.call\((.+)\)")
_RETURN = re.compile(r"return (\d+)")
_ARGUMENT = re.compile(r"(KEYS|ARGV)\[(\d)\]")


class Cache:
    """The primary. `lost`: keys that a failover brought back, and when; `password`: what a login needs."""

    def __init__(self, world: World, password: str) -> None:
        self.world = world
        self.password = password
        self.values: dict[str, tuple[bytes, float]] = {}
        self.lost: dict[str, float] = {}
        self.scripts: dict[str, str] = {}
        self._undo: list[tuple[float, str, tuple[bytes, float] | None]] = []
        self._primary = 0

    def accept(self, connection: Connection) -> "CacheSession":
        """Return the session of a new connection."""
        return CacheSession(self, connection, self._primary)

    def leads(self, primary: int) -> bool:
        """Return whether a connection leads to the primary of today."""
        return primary == self._primary

    def fail_over(self, lag_seconds: float) -> None:
        """Let the replica take over, without the primary's last writes."""
        self._primary += 1
        for at, key, before in reversed(self._undo):
            if at < self.world.now - lag_seconds:
                break
            if before is None:
                self.values.pop(key, None)
            else:
                self.values[key] = before
                self.lost[key] = self.world.now
        self._undo.clear()
        self.world.note("valkey: failover")

    def clear(self) -> None:
        """Lose everything, as by a restart."""
        self.values.clear()
        self._undo.clear()

    def get(self, key: str) -> bytes | None:
        """Return a value; None if there is none, or its time is over."""
        value, until = self.values.get(key, (None, 0.0))
        return value if self.world.now < until else None

    def set(self, key: str, value: bytes | None, seconds: float = 0.0) -> None:
        """Set or delete a value."""
        self._undo.append((self.world.now, key, self.values.get(key) if self.get(key) is not None else None))
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value, self.world.now + seconds

    def delete(self, key: str) -> bool:
        """Delete a value; return whether there was one."""
        found = self.get(key) is not None
        if found:
            self.set(key, None)
        return found

    def do(self, command: Sequence[bytes]) -> bytes:
        """Do a command; return its reply."""
        name, *arguments = command
        texts = [argument.decode() for argument in arguments]
        match name.decode().upper(), *texts:
            case "GET" | "GETRANGE", key, *_:
                found = self.get(key)
                return _bulk(found if name == b"GET" or found is not None else b"")
            case "SET", key, _, "NX", "GET", "EX", seconds:
                before = self.get(key)
                if before is None:
                    self.set(key, arguments[1], float(seconds))
                return _bulk(before)
            case "SET", key, _, *rest:
                self.set(key, arguments[1], float(rest[1]) if rest[:1] == ["EX"] else float("inf"))
                return b"+OK\r\n"
            case "UNLINK" | "DEL", *keys:
                return b":%d\r\n" % sum(map(self.delete, keys))
            case "SCRIPT", "LOAD", source:
                digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
                self.scripts[digest] = source
                return _bulk(digest.encode())
            case "EVALSHA", digest, count, *rest if digest in self.scripts:
                number = int(count)
                return b":%d\r\n" % self._run(self.scripts[digest], rest[:number], rest[number:])
            case "EVALSHA", *_:
                return b"-NOSCRIPT No matching script.\r\n"
            case "PING" | "SELECT" | "CLIENT", *_:
                return b"+OK\r\n"
        return b"-ERR the simulation does not know %s\r\n" % name

    def _run(self, source: str, keys: Sequence[str], arguments: Sequence[str]) -> int:
        """Run the part of Lua that the readers' scripts use."""

        def value_of(text: str) -> str:
            if held := _ARGUMENT.fullmatch(text):
                return (keys if held[1] == "KEYS" else arguments)[int(held[2]) - 1]
            return text.strip("'")

        def call(text: str) -> str | None:
            words = [value_of(word.strip()) for word in text.split(",")]
            if words[0] == "GET":
                found = self.get(words[1])
                return None if found is None else found.decode()
            self.do([word.encode() for word in words])
            return None

        for line in source.strip().splitlines():
            if guard := _GUARD.fullmatch(line):
                if call(guard[1]) != value_of(guard[2]):
                    return int(guard[3])
            elif called := _CALL.fullmatch(line):
                call(called[1])
            elif returned := _RETURN.fullmatch(line):
                return int(returned[1])
            else:
                raise ValueError(f"the simulation cannot read the script's {line!r}")
        return 0


class CacheSession:
    """A connection to the cache; after a failover it leads to a replica, which takes no writes."""

    def __init__(self, cache: Cache, connection: Connection, primary: int) -> None:
        self._cache = cache
        self._connection = connection
        self._primary = primary
        self._received = b""
        self._is_logged_in = not cache.password

    def received(self, data: bytes) -> None:
        self._received += data
        replies = []
        while (command := self._next()) is not None:
            replies.append(self._reply(command))
        if replies:
            self._connection.answer(b"".join(replies))

    def lost(self) -> None:
        """Forget the connection."""

    def _reply(self, command: list[bytes]) -> bytes:
        name = command[0].decode().upper()
        if name == "AUTH":
            self._is_logged_in = command[-1].decode() == self._cache.password
            return b"+OK\r\n" if self._is_logged_in else b"-WRONGPASS invalid username-password pair\r\n"
        if not self._is_logged_in:
            return b"-NOAUTH Authentication required.\r\n"
        if name in _WRITES and not self._cache.leads(self._primary):
            return b"-READONLY You can't write against a read only replica.\r\n"
        reply = self._cache.do(command)
        if name in _WRITES:
            keys = b" ".join(command[1:4]).decode(errors="replace")
            self._cache.world.note(f"valkey: {name} {keys[:100]} = {reply!r}")
        return reply

    def _next(self) -> list[bytes] | None:
        """Return the next command, if all of it has arrived."""
        head, separator, rest = self._received.partition(b"\r\n")
        if not separator:
            return None
        parts = []
        for _ in range(int(head[1:])):
            size, separator, rest = rest.partition(b"\r\n")
            if not separator or len(rest) < int(size[1:]) + 2:
                return None
            parts.append(rest[: int(size[1:])])
            rest = rest[int(size[1:]) + 2 :]
        self._received = rest
        return parts


def _bulk(value: bytes | None) -> bytes:
    return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
