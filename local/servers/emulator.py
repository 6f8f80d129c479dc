"""ministack, the emulator of every AWS service that Terraform uses."""

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
    "athena",
    "ec2",
    "elasticache",
    "events",
    "glue",
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
    "ssm",
    "sts",
)


@dataclass(frozen=True, slots=True)
class AdministeredDatabase:
    """The server that takes the place of the RDS instance, and its administrator's password."""

    host: str
    port: int
    password: str = field(repr=False)


class EmulatorServer(Server):
    """ministack, in a separate virtual environment; empty after each start.

    It runs functions as child processes of its own Python, which must therefore have Lambda's version.

    `python`: the virtual environment's interpreter.
    `program`: the file that corrects the emulator and starts it; `corrections`: the names of those to apply.
    `database`, `valkey`: what the endpoints of RDS instances and ElastiCache replication groups lead to.
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
        self._new_port = 0

    @property
    def endpoint_url(self) -> str:
        """The value for `AWS_ENDPOINT_URL`; any credentials are accepted."""
        return f"http://{HOST}:{self.port}"

    def _prepare(self) -> None:
        # Files that functions and uploads leave behind are removed with our directory.
        (self.directory / "tmp").mkdir()

    def _command(self, port: int) -> list[str]:
        if not self._python.exists():
            raise ServerError(f"there is no emulator in {self._python}: run `bash scripts/emulator.sh`")
        self._new_port = port
        return [str(self._python), "-B", "-P", str(self._program)]

    def _environment(self) -> dict[str, str]:
        # Nothing is inherited: the functions that the emulator runs see its environment variables.
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory / "tmp"),
            "STATE_DIR": str(self.directory / "state"),
            "LC_ALL": "C.UTF-8",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self._new_port),
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
