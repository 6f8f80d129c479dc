"""A stub of RDS that answers about parameter groups as AWS does, default values included."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

# The defaults of PostgreSQL's families from 15 on, of the parameters that the stacks set.
_DEFAULTS = {
    "rds.force_ssl": "1",
    "password_encryption": "scram-sha-256",
    "idle_session_timeout": "",
    "client_connection_check_interval": "",
    "idle_in_transaction_session_timeout": "86400000",
}


@dataclass
class _Group:
    family: str
    description: str
    # Value and apply method by name, only of what differs from the default.
    modified: dict[str, tuple[str, str]] = field(default_factory=dict)

    def modify(self, name: str, value: str, apply_method: str) -> None:
        """Store a value with its apply method, unless it is the default or what is stored already."""
        if value == _DEFAULTS[name]:
            self.modified.pop(name, None)
        elif self.modified.get(name, ("", ""))[0] != value:
            self.modified[name] = (value, apply_method)

    def parameters(self, source: str | None) -> Iterator[Mapping[str, str]]:
        """Yield the parameters with this source; None: with any."""
        for name, default in _DEFAULTS.items():
            if name in self.modified:
                value, method = self.modified[name]
                found = {"ParameterValue": value, "Source": "user", "ApplyMethod": method}
            else:
                found = {"ParameterValue": default, "Source": "system", "ApplyMethod": "pending-reboot"}
            if source in (None, found["Source"]):
                yield {"ParameterName": name, **found}


class StubRds:
    """The groups; `endpoint_url`: where the stub listens."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self._groups: dict[str, _Group] = {}

    def answer(self, request: Mapping[str, str]) -> tuple[int, str]:
        """Return the status and the XML for a request of the query protocol."""
        action, name = request["Action"], request.get("DBParameterGroupName", "")
        if action == "CreateDBParameterGroup":
            self._groups[name] = _Group(request["DBParameterGroupFamily"], request["Description"])
            return 200, _result(action, f"<DBParameterGroup>{self._xml(name)}</DBParameterGroup>")
        if action == "ListTagsForResource":
            return 200, _result(action, "<TagList/>")
        group = self._groups.get(name)
        if group is None:
            return 404, (
                "<ErrorResponse><Error><Type>Sender</Type><Code>DBParameterGroupNotFound</Code>"
                f"<Message>{escape(name)}</Message></Error></ErrorResponse>"
            )
        if action == "DescribeDBParameterGroups":
            found = f"<DBParameterGroup>{self._xml(name)}</DBParameterGroup>"
            return 200, _result(action, f"<DBParameterGroups>{found}</DBParameterGroups>")
        if action == "ModifyDBParameterGroup":
            for parameter in _members(request, "Parameters.Parameter"):
                group.modify(
                    parameter["ParameterName"], parameter["ParameterValue"], parameter["ApplyMethod"]
                )
            return 200, _result(action, f"<DBParameterGroupName>{escape(name)}</DBParameterGroupName>")
        if action == "DescribeDBParameters":
            parameters = "".join(
                f"<Parameter>{_elements(parameter)}</Parameter>"
                for parameter in group.parameters(request.get("Source"))
            )
            return 200, _result(action, f"<Parameters>{parameters}</Parameters>")
        raise NotImplementedError(action)

    def _xml(self, name: str) -> str:
        group = self._groups[name]
        return _elements(
            {
                "DBParameterGroupName": name,
                "DBParameterGroupFamily": group.family,
                "Description": group.description,
                "DBParameterGroupArn": f"arn:aws:rds:us-east-1:123456789012:pg:{name}",
            }
        )


@contextmanager
def stub_rds() -> Iterator[StubRds]:
    """Yield a stub that listens on loopback until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.rds = StubRds(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.rds  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, xml = self.server.rds.answer(dict(parse_qsl(body)))  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(xml)))
        self.end_headers()
        self.wfile.write(xml.encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _members(request: Mapping[str, str], prefix: str) -> Iterator[dict[str, str]]:
    number = 1
    while found := {
        key.removeprefix(f"{prefix}.{number}."): value
        for key, value in request.items()
        if key.startswith(f"{prefix}.{number}.")
    }:
        yield found
        number += 1


def _result(action: str, content: str) -> str:
    return f"<{action}Response><{action}Result>{content}</{action}Result></{action}Response>"


def _elements(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
