"""The emulator starts, ends and is corrected; each correction is still needed.

When a check passes on plain ministack too, its test fails: remove the correction.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from local.deploy.aws_clients import AwsClients
from local.deploy.differences_from_aws import CORRECTIONS
from local.deploy.leftovers import find_leftovers, list_resources
from local.deploy.prerequisites import EMULATOR_PROGRAM, EMULATOR_PYTHON
from local.servers import AdministeredDatabase, EmulatorServer, ServerError, ValkeyAddress
from local.servers.guard import process_tree, running_processes
from tests.support.polling import until

# No test here connects to these.
DATABASE = AdministeredDatabase("127.0.0.1", 20_001, "the-administrators")
VALKEY = ValkeyAddress("127.0.0.1", 20_002, None)
GONE_SECONDS = 3.0

needs_emulator = pytest.mark.skipif(
    not EMULATOR_PYTHON.with_name("ministack").exists(),
    reason="THE EMULATOR IS NOT INSTALLED, so its corrections are not tested: bash scripts/emulator.sh",
)


def emulator(*, corrected: bool) -> EmulatorServer:
    return EmulatorServer(
        EMULATOR_PYTHON,
        EMULATOR_PROGRAM,
        corrections=list(CORRECTIONS) if corrected else [],
        database=DATABASE,
        valkey=VALKEY,
    )


@pytest.fixture(scope="module")
def corrected() -> Iterator[AwsClients]:
    with emulator(corrected=True) as server:
        yield AwsClients(server.endpoint_url)


@pytest.fixture(scope="module")
def plain() -> Iterator[AwsClients]:
    with emulator(corrected=False) as server:
        yield AwsClients(server.endpoint_url)


async def rds_managed_secret(aws: AwsClients) -> bool:
    async with aws.client("rds") as rds, aws.client("secretsmanager") as secrets:
        await rds.create_db_instance(
            DBInstanceIdentifier="catalog",
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            MasterUsername="postgres",
            ManageMasterUserPassword=True,
        )
        (instance,) = (await rds.describe_db_instances(DBInstanceIdentifier="catalog"))["DBInstances"]
        if "MasterUserSecret" not in instance:
            return False
        secret = await secrets.get_secret_value(SecretId=instance["MasterUserSecret"]["SecretArn"])
        await rds.delete_db_instance(DBInstanceIdentifier="catalog", SkipFinalSnapshot=True)
        left = await secrets.list_secrets(IncludePlannedDeletion=True)
    login: dict[str, str] = json.loads(secret["SecretString"])
    return bool(
        login == {"username": "postgres", "password": DATABASE.password}
        and instance["Endpoint"]["Address"] == DATABASE.host
        and instance["Endpoint"]["Port"] == DATABASE.port
        and left["SecretList"] == []
    )


async def ec2_prefix_lists(aws: AwsClients) -> bool:
    async with aws.client("ec2") as ec2:
        vpc = (await ec2.create_vpc(CidrBlock="10.40.0.0/16"))["Vpc"]["VpcId"]
        group = (await ec2.create_security_group(GroupName="function", Description="-", VpcId=vpc))["GroupId"]
        towards = [{"PrefixListId": "pl-63a5400a"}]
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": towards}
        await ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule])
        of_group = [{"Name": "group-id", "Values": [group]}]
        rules = (await ec2.describe_security_group_rules(Filters=of_group))["SecurityGroupRules"]
    return "pl-63a5400a" in [each.get("PrefixListId") for each in rules]


async def kinesis_sequence_numbers(aws: AwsClients) -> bool:
    async with aws.client("kinesis") as kinesis:
        await kinesis.create_stream(StreamName="updates", ShardCount=1)
        put = await kinesis.put_record(StreamName="updates", PartitionKey="-", Data=b"{}")
    # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
    return re.fullmatch(r"0|([1-9]\d{0,128})", put["SequenceNumber"]) is not None


async def repeated_requests(aws: AwsClients) -> bool:
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"), timeout=10)
    invocation = str(uuid.uuid4())
    statuses = [make_parameter_group(connection, invocation) for _ in range(2)]
    connection.close()
    return statuses == [200, 200]


def make_parameter_group(connection: http.client.HTTPConnection, invocation: str) -> int:
    """Return the status of a request to create a parameter group, which can be created once."""
    form = {"Action": "CreateDBParameterGroup", "Version": "2014-10-31", "Description": "-"}
    form |= {"DBParameterGroupName": "catalog", "DBParameterGroupFamily": "postgres18"}
    body = urlencode(form).encode()
    signed = (
        "AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/rds/aws4_request, SignedHeaders=host, Signature=-"
    )
    connection.putrequest("POST", "/")
    for name, value in (
        ("Authorization", signed),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Length", str(len(body))),
        ("amz-sdk-invocation-id", invocation),
    ):
        connection.putheader(name, value)
    # As the SDK for Go sends it: the body after the headers, on a connection that is kept open.
    connection.endheaders()
    threading.Event().wait(0.05)
    connection.send(body)
    response = connection.getresponse()
    response.read()
    assert response.getheader("connection") != "close"
    return response.status


CHECKS: dict[str, Callable[[AwsClients], Awaitable[bool]]] = {
    check.__name__: check
    for check in (rds_managed_secret, ec2_prefix_lists, kinesis_sequence_numbers, repeated_requests)
}


def test_every_correction_has_its_check() -> None:
    assert list(CHECKS) == list(CORRECTIONS)


@needs_emulator
@pytest.mark.parametrize("name", CHECKS)
async def test_corrected(corrected: AwsClients, name: str) -> None:
    assert await CHECKS[name](corrected)


@needs_emulator
@pytest.mark.parametrize("name", CHECKS)
async def test_correction_is_still_needed(plain: AwsClients, name: str) -> None:
    assert not await CHECKS[name](plain), f"ministack does this right now: remove {name}"


@needs_emulator
async def test_a_response_to_another_invocation_is_not_repeated(corrected: AwsClients) -> None:
    async with corrected.client("rds") as rds:
        arguments = {
            "DBParameterGroupName": "once",
            "DBParameterGroupFamily": "postgres18",
            "Description": "-",
        }
        await rds.create_db_parameter_group(**arguments)
        with pytest.raises(ClientError, match="AlreadyExists"):
            await rds.create_db_parameter_group(**arguments)


@pytest.fixture
async def empty() -> AsyncIterator[AwsClients]:
    with emulator(corrected=True) as server:
        yield AwsClients(server.endpoint_url)


@needs_emulator
async def test_everything_is_listed(empty: AwsClients) -> None:
    before = await list_resources(empty)
    async with empty.client("s3") as s3, empty.client("secretsmanager") as secrets:
        await s3.create_bucket(Bucket="left-behind")
        await secrets.create_secret(Name="login", SecretString="{}")
        await secrets.delete_secret(SecretId="login", RecoveryWindowInDays=7)
    assert find_leftovers(before, await list_resources(empty)) == [
        "s3 Buckets: left-behind is left over",
        "secretsmanager SecretList: login is left over",
    ]


def test_without_an_installation_it_says_what_to_do(tmp_path: Path) -> None:
    server = EmulatorServer(
        tmp_path / "python", EMULATOR_PROGRAM, corrections=[], database=DATABASE, valkey=VALKEY
    )
    with pytest.raises(ServerError, match=r"scripts/emulator\.sh"):
        server.start()


@needs_emulator
def test_an_emulator_that_ends_immediately_shows_its_log() -> None:
    server = EmulatorServer(
        EMULATOR_PYTHON, EMULATOR_PROGRAM, corrections=["no_such"], database=DATABASE, valkey=VALKEY
    )
    with pytest.raises(ServerError, match="KeyError: 'no_such'"):
        server.start()


_PARENT = """
import sys
from tests.deploy.test_emulator import emulator

with emulator(corrected=True) as server:
    print(server.pid, server.directory, flush=True)
    sys.stdin.read()
"""


@needs_emulator
def test_it_dies_with_its_parent() -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as parent:
        assert parent.stdout is not None
        pid, directory = parent.stdout.readline().split()
        family = process_tree(int(pid))
        assert family
        parent.send_signal(signal.SIGKILL)
        until(
            lambda: running_processes().keys().isdisjoint(family) and not Path(directory).exists(),
            "the emulator and its directory are gone",
            GONE_SECONDS,
        )
