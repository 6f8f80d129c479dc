"""moto, an emulator of AWS services."""

import http.client
import sys
from pathlib import Path

from local.servers.installed import require
from local.servers.loopback import HOST, PROBE_SECONDS
from local.servers.server import Server

_PROGRAM = Path(__file__).with_name("moto_server.py")


class MotoServer(Server):
    """moto's server for Kinesis, S3, SQS and Secrets Manager; empty after each start."""

    name = "moto"

    @property
    def endpoint_url(self) -> str:
        """The value for `AWS_ENDPOINT_URL`; any credentials are accepted."""
        return f"http://{HOST}:{self.port}"

    def _command(self, port: int) -> list[str]:
        require("moto", "flask", "flask_cors")
        # Without -P, its folder would be on the path, and this module in place of moto.
        return [sys.executable, "-P", str(_PROGRAM), "-H", HOST, "-p", str(port)]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "none")

    def _listening_line(self, port: int) -> str:
        return f"Running on http://{HOST}:{port}"

    def _answers(self, port: int) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", "/moto-api/data.json")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
