# mypy: disable-error-code="import-not-found"
"""The emulator (ministack) with its faults corrected: `local.servers.EmulatorServer` runs this file.

It runs in the emulator's own virtual environment and imports nothing of ours. Each function corrects one
fault, and says what is wrong and why it matters here; a test for each fails once ministack has it no more.

`EMULATOR_CORRECTIONS` names those to apply, separated by commas. `DATABASE_HOST`, `DATABASE_PORT` and
`DATABASE_PASSWORD` are of the server that plays RDS's instance.
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
    """An instance's `manage_master_user_password` is ignored, and its endpoint leads nowhere.

    Only clusters get their secret. Without one the stack has no administrator's secret to hand to the
    migrations; without a real endpoint there is no database to migrate.
    """
    create, delete, to_xml = rds._create_db_instance_impl, rds._delete_db_instance, rds._instance_xml

    def create_instance(request: Any) -> Any:
        answer = create(request)
        if answer[0] != 200:
            return answer
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
        answer = delete(request)
        if answer[0] == 200 and instance and "MasterUserSecret" in instance:
            secretsmanager.delete_secret_in_process(instance["MasterUserSecret"]["SecretArn"])
        return answer

    def instance_xml(instance: Any) -> Any:
        secret = instance.get("MasterUserSecret")
        if not secret:
            return to_xml(instance)
        members = "".join(f"<{name}>{value}</{name}>" for name, value in secret.items())
        return f"{to_xml(instance)}<MasterUserSecret>{members}</MasterUserSecret>"

    rds._create_db_instance_impl, rds._instance_xml = create_instance, instance_xml
    rds._delete_db_instance = rds._ACTION_MAP["DeleteDBInstance"] = delete_instance


def ec2_prefix_lists() -> None:
    """A security group's rule forgets the prefix list it leads to.

    The way to S3's gateway endpoint is such a rule: once it is read back, every plan, a destroy's too, ends
    with "Provider produced invalid plan".
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
    """Sequence numbers begin with zeros, which AWS's pattern `0|([1-9]\\d{0,128})` refuses.

    So does the processor, which compares them as numbers of a known length.
    """
    next_number = kinesis._next_sequence_number
    kinesis._next_sequence_number = lambda: f"49{next_number()}"


def repeated_requests() -> None:
    """A request that a client sends again, because it got no answer to the first, is carried out again.

    That happens to up to four requests a run: carried out and answered with 200 in milliseconds, yet the
    provider's log has no answer, and its SDK asks again 0.1 s later on another connection. Where the answer
    gets lost is not known. A repeated CreateDBInstance ended with `DBInstanceAlreadyExists`, for the instance
    that the first had made. A repetition has the same `amz-sdk-invocation-id`, and gets the first's answer.
    """
    app = gateway.app
    answers: dict[str, _Answer] = {}

    async def remembering(scope: Any, receive: Any, send: Any) -> None:
        identity = _invocation(scope)
        if identity is None:
            await app(scope, receive, send)
            return
        if identity in answers:
            answer = answers[identity]
            # A connection whose request was not read to its end is closed.
            while (await receive()).get("more_body"):
                pass
            _log(f"{_describe(scope)} came again, {answer.describe()}: it gets the first one's answer")
            await answer.complete.wait()
            for part in answer.parts:
                await send(part)
            return
        answer = answers[identity] = _Answer(_describe(scope))
        while len(answers) > _REMEMBERED:
            del answers[next(iter(answers))]

        async def keep(part: dict[str, Any]) -> None:
            answer.parts.append(part)
            await send(part)

        try:
            await app(scope, receive, keep)
        finally:
            # A refusal is no answer to remember: the client asks again for another one.
            if not answer.parts or answer.parts[0].get("status", 500) >= 400:
                answers.pop(identity, None)
            answer.complete.set()

    gateway.app = remembering


class _Answer:
    """What a request was answered, in ASGI's parts."""

    def __init__(self, request: str) -> None:
        self._request = request
        self.parts: list[dict[str, Any]] = []
        self.complete = asyncio.Event()
        self._began = time.monotonic()

    def describe(self) -> str:
        """Return how the first request stands."""
        status = self.parts[0]["status"] if self.complete.is_set() else "not yet"
        return f"{time.monotonic() - self._began:.3f} s after {self._request}, which was answered {status}"


def _invocation(scope: Any) -> str | None:
    """Return what identifies a request that changes something, or None."""
    if scope["type"] != "http" or scope["method"] == "GET":
        return None
    headers = dict(scope["headers"])
    identity = headers.get(b"amz-sdk-invocation-id")
    return None if identity is None else identity.decode()


def _describe(scope: Any) -> str:
    """Return service, connection and attempt of a request."""
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
    # No function that runs in here may find them.
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
