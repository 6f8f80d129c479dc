"""The servers that the engines use, on loopback: PostgreSQL, Valkey and a stub of S3; proxies delay them.

PostgreSQL has fsync and synchronous_commit on. Neither it nor Valkey is built with TLS.
"""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.children import Child
from benchmarks.delay_proxy import Target
from benchmarks.engine import Addresses
from local.servers import PostgresAddress, PostgresServer, ValkeyServer
from local.servers.loopback import HOST
from processor import migrate

_TEMPLATE = "migrated"
# A quarter of 2 GB, as RDS would give; checkpoints by time, as on a server that is not tiny.
_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB", "max_connections": "200"}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long a round trip to each service takes, in milliseconds."""

    name: str
    postgres_ms: float
    redis_ms: float
    s3_ms: float


LOOPBACK = Latency(name="loopback", postgres_ms=0.0, redis_ms=0.0, s3_ms=0.0)
REGION = Latency(name="region", postgres_ms=0.7, redis_ms=0.4, s3_ms=25.0)


class BenchmarkServers:
    """Running servers, which hand out databases and addresses."""

    def __init__(self, postgres: PostgresServer, valkey: ValkeyServer, s3_port: int) -> None:
        self.postgres = postgres.address
        self._valkey = valkey.address
        self._s3_port = s3_port

    def addresses(self, database: str) -> Addresses:
        """Return the servers' own addresses, without a delay."""
        return Addresses(
            postgres=replace(self.postgres, database=database),
            redis_host=self._valkey.host,
            redis_port=self._valkey.port,
            s3_url=f"http://{HOST}:{self._s3_port}",
            # One for each, since some name their objects alike.
            bucket=f"benchmark-{database}",
        )

    def new_database(self, name: str, *, copy_of: str = _TEMPLATE) -> None:
        """Create a copy of a database, by default of an empty, migrated one; one of that name is dropped."""
        asyncio.run(
            self._execute(
                self.postgres.database,
                f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
                f'CREATE DATABASE "{name}" TEMPLATE "{copy_of}"',
            )
        )

    def execute(self, database: str, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        asyncio.run(self._execute(database, *statements))

    def fetch_value(self, database: str, query: str) -> Any:
        """Return the one value of a query."""

        async def fetch() -> Any:
            connection = await asyncpg.connect(replace(self.postgres, database=database).dsn)
            try:
                return await connection.fetchval(query)
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def stored_in_s3(self) -> dict[str, int]:
        """Return how many objects and bytes the stub of S3 took."""
        with urllib.request.urlopen(f"http://{HOST}:{self._s3_port}/") as answer:
            counts: dict[str, int] = json.load(answer)
        return counts

    @contextmanager
    def delayed(self, latency: Latency, log: Path | None = None) -> Iterator["Delayed"]:
        """Run proxies to all of them; `log`: see `delay_proxy`."""
        targets = (
            Target(host=self.postgres.host, port=self.postgres.port, round_trip_ms=latency.postgres_ms),
            Target(host=self._valkey.host, port=self._valkey.port, round_trip_ms=latency.redis_ms),
            Target(host=HOST, port=self._s3_port, round_trip_ms=latency.s3_ms),
        )
        arguments = [json.dumps([asdict(target) for target in targets])]
        if log is not None:
            arguments.append(str(log))
        with closing(Child("benchmarks.delay_proxy", arguments)) as proxy:
            yield Delayed(self, *json.loads(proxy.receive()))

    async def migrate(self) -> None:
        """Make the database that all others are copies of."""
        await self._execute(self.postgres.database, f"CREATE DATABASE {_TEMPLATE}")
        connection = await asyncpg.connect(replace(self.postgres, database=_TEMPLATE).dsn)
        try:
            await migrate.migrate(connection, migrate.read_migrations())
        finally:
            await connection.close()

    async def _execute(self, database: str, *statements: str) -> None:
        connection = await asyncpg.connect(replace(self.postgres, database=database).dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True)
class Delayed:
    """The proxies' ports, in front of the same servers."""

    servers: BenchmarkServers
    postgres_port: int
    redis_port: int
    s3_port: int

    def addresses(self, database: str) -> Addresses:
        """Return addresses that lead through the proxies."""
        direct = self.servers.addresses(database)
        return replace(
            direct,
            postgres=replace(direct.postgres, port=self.postgres_port),
            redis_port=self.redis_port,
            s3_url=f"http://{HOST}:{self.s3_port}",
        )


@contextmanager
def start_benchmark_servers() -> Iterator[BenchmarkServers]:
    """Start the servers; they end with the block."""
    postgres, valkey = PostgresServer(durable=True, settings=_SETTINGS), ValkeyServer()
    with ExitStack() as stack:
        stack.enter_context(postgres)
        stack.enter_context(valkey)
        s3 = stack.enter_context(closing(Child("benchmarks.s3_stub")))
        s3.send(json.dumps(secret_of(postgres.address)))
        servers = BenchmarkServers(postgres, valkey, int(s3.receive()))
        asyncio.run(servers.migrate())
        yield servers


def secret_of(address: PostgresAddress) -> str:
    """Return the value of the secret that holds the database's login."""
    secret: dict[str, Any] = {"username": address.user, "password": address.password}
    return json.dumps(secret)
