"""ministack, which stands in for all of AWS that Terraform talks to."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local.servers.errors import ServerError
from local.servers.loopback import HOST, PROBE_SECONDS
from local.servers.server import Server
from local.servers.valkey import ValkeyAddress

ACCOUNT_ID = "123456789012"
_SERVICES = (
    "ec2",
    "elasticache",
    "events",
    "iam",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
)


@dataclass(frozen=True, slots=True)
class AdministeredDatabase:
    """The server that plays RDS's instance, and its administrator's password."""

    host: str
    port: int
    password: str = field(repr=False)


class EmulatorServer(Server):
    """ministack, from a virtual environment of its own; empty after each start.

    It runs functions itself, as children of its own Python, so that one must be what Lambda has.

    `python`: that environment's interpreter.
    `program`: the file that corrects the emulator and starts it; `corrections`: the names of those to apply.
    `database`, `valkey`: where the endpoints of RDS's instances and ElastiCache's replication groups lead.
    """

    name = "ministack"

    def __init__(
        self,
        python: Path,
        program: Path,
        *,
        corrections: Sequence[str],
        database: AdministeredDatabase,
        valkey: ValkeyAddress,
        start_timeout_seconds: float = 60.0,
    ) -> None:
        super().__init__(start_timeout_seconds=start_timeout_seconds)
        self._python = python
        self._program = program
        self._corrections = corrections
        self._database = database
        self._valkey = valkey
        self._port_to_be = 0

    @property
    def endpoint_url(self) -> str:
        """What `AWS_ENDPOINT_URL` is to be set to; any credentials do."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self) -> None:
        # What functions and uploads leave behind is removed with our directory.
        (self.directory / "tmp").mkdir()

    def _command(self, port: int) -> list[str]:
        if not self._python.exists():
            raise ServerError(f"there is no emulator in {self._python}: run `bash scripts/emulator.sh`")
        self._port_to_be = port
        return [str(self._python), "-B", "-P", str(self._program)]

    def _environment(self) -> dict[str, str]:
        # From scratch: what the emulator has, the functions in it have too.
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory / "tmp"),
            "STATE_DIR": str(self.directory / "state"),
            "LC_ALL": "C.UTF-8",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._port_to_be),
            "MINISTACK_HOST": HOST,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "LAMBDA_EXECUTOR": "local",
            "REDIS_HOST": self._valkey.host,
            "REDIS_PORT": str(self._valkey.port),
            "SERVICES": ",".join(_SERVICES),
            "EMULATOR_CORRECTIONS": ",".join(self._corrections),
            "DATABASE_HOST": self._database.host,
            "DATABASE_PORT": str(self._database.port),
            "DATABASE_PASSWORD": self._database.password,
        }

    def _listening_line(self, port: int) -> str:
        return f"Running on http://{HOST}:{port}"

    def _answers(self, port: int) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", "/_ministack/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
