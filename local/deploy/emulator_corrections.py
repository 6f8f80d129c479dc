# mypy: disable-error-code="import-not-found"
"""Correct faults of the emulator (ministack) and run it: `local.servers.EmulatorServer` runs this file.

It runs in the emulator's virtual environment and does not import our code. Each function corrects one fault;
its docstring says what is wrong and why it matters here. A test per function fails once ministack has no such
fault any more.

`EMULATOR_CORRECTIONS` names those to apply, separated by commas. `DATABASE_HOST`, `DATABASE_PORT` and
`DATABASE_PASSWORD` belong to the server that takes the place of the RDS instance.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import ministack.app as gateway
from ministack.services import ec2, kinesis, rds, secretsmanager

_REMEMBERED = 2000


def rds_managed_secret(host: str, port: int, password: str) -> None:
    """Give an instance with `manage_master_user_password` its secret, and a real endpoint.

    ministack creates the secret only for clusters, and an instance's endpoint leads nowhere. Without the
    secret the migrations have no administrator's login; without a real endpoint there is no database to
    migrate.
    """
    create, delete, to_xml = rds._create_db_instance_impl, rds._delete_db_instance, rds._instance_xml

    def create_instance(request: Any) -> Any:
        response = create(request)
        if response[0] != 200:
            return response
        instance = rds._instances.get(rds._p(request, "DBInstanceIdentifier"))
        instance["Endpoint"] = {**instance["Endpoint"], "Address": host, "Port": port}
        if rds._p(request, "ManageMasterUserPassword") == "true":
            login = {"username": instance["MasterUsername"], "password": password}
            name = f"rds!{instance['DbiResourceId'].lower()}"
            arn = secretsmanager.create_secret_in_process(name, json.dumps(login))
            instance["MasterUserSecret"] = {"SecretArn": arn, "SecretStatus": "active"}
        return rds._single_instance_response("CreateDBInstanceResponse", "CreateDBInstanceResult", instance)

    def delete_instance(request: Any) -> Any:
        instance = rds._instances.get(rds._p(request, "DBInstanceIdentifier"))
        response = delete(request)
        if response[0] == 200 and instance and "MasterUserSecret" in instance:
            secretsmanager.delete_secret_in_process(instance["MasterUserSecret"]["SecretArn"])
        return response

    def instance_xml(instance: Any) -> Any:
        secret = instance.get("MasterUserSecret")
        if not secret:
            return to_xml(instance)
        members = "".join(f"<{name}>{value}</{name}>" for name, value in secret.items())
        return f"{to_xml(instance)}<MasterUserSecret>{members}</MasterUserSecret>"

    rds._create_db_instance_impl, rds._instance_xml = create_instance, instance_xml
    rds._delete_db_instance = rds._ACTION_MAP["DeleteDBInstance"] = delete_instance


def ec2_prefix_lists() -> None:
    """Keep the prefix lists of security group rules, which ministack loses.

    The rule for S3's gateway endpoint has one. Once it is read back without, every plan, even for a destroy,
    ends with "Provider produced invalid plan".
    """
    parse, to_xml = ec2._parse_ip_permissions, ec2._sg_rule_xml

    def parse_ip_permissions(parameters: Any, prefix: str) -> Any:
        rules = parse(parameters, prefix)
        for number, rule in enumerate(rules, 1):
            place = 1
            while found := ec2._p(parameters, f"{prefix}.{number}.PrefixListIds.{place}.PrefixListId"):
                rule["PrefixListIds"].append({"PrefixListId": found})
                place += 1
        return rules

    def rule_xml(group_id: str, rule: Any, **others: Any) -> Any:
        ids = "".join(
            f"<prefixListId>{found['PrefixListId']}</prefixListId>" for found in rule.get("PrefixListIds", [])
        )
        return to_xml(group_id, rule, **others).replace("</item>", f"{ids}</item>")

    ec2._parse_ip_permissions, ec2._sg_rule_xml = parse_ip_permissions, rule_xml


def kinesis_sequence_numbers() -> None:
    """Let sequence numbers begin with 49 instead of zeros.

    AWS's pattern `0|([1-9]\\d{0,128})` excludes zeros. So does the processor, which compares sequence numbers
    as numbers of a known length.
    """
    next_number = kinesis._next_sequence_number
    kinesis._next_sequence_number = lambda: f"49{next_number()}"


def repeated_requests() -> None:
    """Return the first response again if a client repeats a request because it got no response.

    ministack would run the request twice. This happens to up to four requests per run: the request is run and
    answered with 200 within milliseconds, yet the provider's log has no response, and its SDK repeats the
    request 0.1 s later on another connection. Where the response is lost is not known. A repeated
    CreateDBInstance failed with `DBInstanceAlreadyExists`, because the first one had created the instance. A
    repeated request has the same `amz-sdk-invocation-id`.
    """
    app = gateway.app
    responses: dict[str, _Response] = {}

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        identity = _invocation(scope)
        if identity is None:
            await app(scope, receive, send)
            return
        if identity in responses:
            response = responses[identity]
            # The server closes a connection whose request was not read to its end.
            while (await receive()).get("more_body"):
                pass
            _log(f"{_describe(scope)} came again, {response.describe()}: it gets the first one's response")
            await response.complete.wait()
            for part in response.parts:
                await send(part)
            return
        response = responses[identity] = _Response(_describe(scope))
        while len(responses) > _REMEMBERED:
            del responses[next(iter(responses))]

        async def keep(part: dict[str, Any]) -> None:
            response.parts.append(part)
            await send(part)

        try:
            await app(scope, receive, keep)
        finally:
            # Errors are not remembered: a client that repeats such a request wants it to be run again.
            if not response.parts or response.parts[0].get("status", 500) >= 400:
                responses.pop(identity, None)
            response.complete.set()

    gateway.app = remembering


class _Response:
    """The response to a request, as the messages of ASGI."""

    def __init__(self, request: str) -> None:
        self._request = request
        self.parts: list[dict[str, Any]] = []
        self.complete = asyncio.Event()
        self._began = time.monotonic()

    def describe(self) -> str:
        """Return which request this answers, how long ago it came, and its status."""
        status = self.parts[0]["status"] if self.complete.is_set() else "none yet"
        return f"{time.monotonic() - self._began:.3f} s after {self._request}, whose status is {status}"


def _invocation(scope: Any) -> str | None:
    """Return what identifies a request that changes something, or None."""
    if scope["type"] != "http" or scope["method"] == "GET":
        return None
    headers = dict(scope["headers"])
    identity = headers.get(b"amz-sdk-invocation-id")
    return None if identity is None else identity.decode()


def _describe(scope: Any) -> str:
    """Return a request's service, connection and attempt."""
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    signed = headers.get("authorization", "").partition("Credential=")[2].split("/")
    service = signed[3] if len(signed) > 3 else "?"
    attempt = headers.get("amz-sdk-request", "?")
    return f"{scope['method']} {scope['path']} for {service} ({attempt}, from port {scope['client'][1]})"


CORRECTIONS: tuple[Callable[..., None], ...] = (
    rds_managed_secret,
    ec2_prefix_lists,
    kinesis_sequence_numbers,
    repeated_requests,
)


def _log(line: str) -> None:
    sys.stderr.write(f"corrections: {line}\n")
    sys.stderr.flush()


def correct(names: Iterable[str]) -> None:
    """Apply the corrections of these names."""
    known = {correction.__name__: correction for correction in CORRECTIONS}
    # Functions run in child processes, which must not see these.
    host, port = os.environ.pop("DATABASE_HOST"), int(os.environ.pop("DATABASE_PORT"))
    password = os.environ.pop("DATABASE_PASSWORD")
    for name in names:
        if name == rds_managed_secret.__name__:
            rds_managed_secret(host, port, password)
        else:
            known[name]()


if __name__ == "__main__":
    correct(os.environ["EMULATOR_CORRECTIONS"].split(",") if os.environ["EMULATOR_CORRECTIONS"] else ())
    gateway.main()
