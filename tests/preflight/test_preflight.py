"""`make preflight` against moto; each fault that is put into the account is one finding, by its name."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.loaders import Loader

from main import chosen_deployment
from preflight.account import Account, Clients, identify, is_deployed
from preflight.checks import run_checks
from preflight.findings import Finding, table
from preflight.names import LISTINGS, names_of
from stacks.code_assets import DeploymentPackages
from stacks.deploy_checks import refusals
from tests.support.environments import DEV, PROD
from tests.support.synthesized import Stack, write_stacks

ACCOUNT = "123456789012"
REGION = "us-east-1"
PACKAGES = DeploymentPackages(code=Path("code.zip"), layers={})
IN_ZONES = [{"Name": f"us-east-1{letter}"} for letter in "abcdef"]
Answers = Mapping[str, Mapping[str, Any] | int]
# moto lacks these operations, or what they return for PostgreSQL.
ENOUGH: Answers = {
    "lambda.GetAccountSettings": {
        "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 996}
    },
    "rds.DescribeOrderableDBInstanceOptions": {
        "OrderableDBInstanceOptions": [
            {"EngineVersion": "18.1", "MultiAZCapable": True, "AvailabilityZones": IN_ZONES}
        ]
    },
    "elasticache.DescribeUserGroups": {"UserGroups": []},
    "elasticache.DescribeReservedCacheNodesOfferings": {
        "ReservedCacheNodesOfferings": [{"CacheNodeType": "cache.t4g.micro"}]
    },
}
STATES = {"CATALOG_ACCOUNT_ID": ACCOUNT, "CATALOG_STATE_BUCKET": "states"}
Put = Callable[[Clients], object]


LOADER = Loader()
"""Reads the description of each service once for all tests."""


@pytest.fixture(scope="module")
def names(stacks: Mapping[str, Stack], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Physical names of dev-stack."""
    outdir = tmp_path_factory.mktemp("names")
    write_stacks(stacks, outdir)
    return names_of(outdir / "stacks" / "dev-stack", account_id=ACCOUNT)


def clients_that_answer(answers: Answers) -> Clients:
    """Return clients for moto, but with these answers to operations; a number: that status and no right."""
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)

    @cache
    def client(service: str) -> Any:
        made = session.create_client(service, region_name=REGION)
        prefix = made.meta.service_model.service_id.hyphenize()
        for operation, answer in answers.items():
            if operation.partition(".")[0] == service:
                made.meta.events.register_first(
                    f"before-call.{prefix}.{operation.partition('.')[2]}", given(answer)
                )
        return made

    return client


def given(answer: Mapping[str, Any] | int) -> Any:
    """Return a handler of botocore's event `before-call`, which replaces the request."""
    status = answer if isinstance(answer, int) else 200
    headers: Any = HeadersDict()
    parsed: Mapping[str, Any] = (
        answer
        if isinstance(answer, Mapping)
        else {
            "Error": {"Code": "AccessDenied"},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
    )
    return lambda **_: (AWSResponse("", status, headers, None), parsed)


def findings(
    clients: Clients,
    names: Mapping[str, list[str]],
    *,
    variables: Mapping[str, str] | None = None,
    deployed: bool = False,
    **settings: Any,
) -> list[Finding]:
    environment = replace(DEV, **settings)
    deployment = chosen_deployment(variables or {}, PACKAGES)
    return run_checks(
        Account(clients=clients, id=identify(clients), is_deployed=deployed),
        environment,
        deployment,
        names=names,
        refusals=refusals(environment, deployment, today=date(2026, 11, 27)),
    )


def failed(found: list[Finding]) -> dict[str, str]:
    """Return what is in the way: check → found."""
    return {finding.check: finding.found for finding in found if finding.remedy}


def make_bucket(clients: Clients, *, versioned: bool = True, private: bool = True) -> None:
    s3 = clients("s3")
    s3.create_bucket(Bucket="states")
    s3.put_bucket_encryption(
        Bucket="states",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    if versioned:
        s3.put_bucket_versioning(Bucket="states", VersioningConfiguration={"Status": "Enabled"})
    block = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket="states", PublicAccessBlockConfiguration=dict.fromkeys(block, private))


def test_nothing_is_in_the_way_of_an_empty_account(clients: Clients, names: dict[str, list[str]]) -> None:
    make_bucket(clients)
    found = findings(clients, names, variables=STATES)
    assert failed(found) == {}
    count = sum(map(len, names.values()))
    assert found[-1] == Finding(check="names", found=f"{count} are free", needed="free")


@pytest.mark.parametrize(
    ("put", "check"),
    [
        (
            lambda get: get("kinesis").create_stream(StreamName="inventory-updates-dev", ShardCount=1),
            "inventory-updates-dev",
        ),
        (
            lambda get: get("s3").create_bucket(Bucket=f"inventory-quarantine-{ACCOUNT}-dev"),
            f"inventory-quarantine-{ACCOUNT}-dev",
        ),
        (
            lambda get: get("logs").create_log_group(logGroupName="/aws/lambda/inventory-processor-dev"),
            "/aws/lambda/inventory-processor-dev",
        ),
        (
            lambda get: get("sqs").create_queue(QueueName="inventory-processor-dlq-dev"),
            "inventory-processor-dlq-dev",
        ),
        (
            lambda get: get("rds").create_db_instance(
                DBInstanceIdentifier="product-catalog-dev", DBInstanceClass="db.t4g.micro", Engine="postgres"
            ),
            "product-catalog-dev",
        ),
        (
            lambda get: get("iam").create_role(
                RoleName="inventory-processor-role-dev", AssumeRolePolicyDocument="{}"
            ),
            "inventory-processor-role-dev",
        ),
        (
            lambda get: get("elasticache").create_user(
                UserId="product-shop-dev",
                UserName="shop",
                Engine="redis",
                AccessString="on",
                NoPasswordRequired=True,
            ),
            "product-shop-dev",
        ),
    ],
)
def test_a_name_that_is_taken(clients: Clients, names: dict[str, list[str]], put: Put, check: str) -> None:
    put(clients)
    assert list(failed(findings(clients, names))) == [check]
    assert failed(findings(clients, names, deployed=True)) == {}


def test_a_secret_that_will_be_deleted(clients: Clients, names: dict[str, list[str]]) -> None:
    name = "product-catalog-db-reader-dev"
    secrets = clients("secretsmanager")
    secrets.create_secret(Name=name, SecretString="none")
    secrets.delete_secret(SecretId=name)
    found = failed(findings(clients, names))
    assert found == {name: "aws_secretsmanager_secret scheduled for deletion"}


def test_a_bucket_of_another_account(names: dict[str, list[str]], clients: Clients) -> None:
    del clients
    found = failed(findings(clients_that_answer({**ENOUGH, "s3.HeadBucket": 403}), names))
    assert set(found) == set(names["aws_s3_bucket"])


def test_the_quota_of_vpcs(clients: Clients, names: dict[str, list[str]]) -> None:
    for number in range(4):
        clients("ec2").create_vpc(CidrBlock=f"10.{number}.0.0/16")
    assert failed(findings(clients, names)) == {"VPCs in the region": "5 of 5"}
    assert failed(findings(clients, names, deployed=True)) == {}


@pytest.mark.parametrize(
    ("operation", "answer", "expected"),
    [
        (
            "lambda.GetAccountSettings",
            {"AccountLimit": {"ConcurrentExecutions": 3, "UnreservedConcurrentExecutions": 3}},
            {"Lambda concurrency": "3"},
        ),
        (
            "ec2.DescribeAvailabilityZones",
            {
                "AvailabilityZones": [
                    {"ZoneName": "us-east-1a", "ZoneId": "use1-az1", "State": "available"},
                    {"ZoneName": "us-east-1b", "ZoneId": "use1-az2", "State": "unavailable"},
                ]
            },
            {"availability zones": "use1-az1 available, use1-az2 unavailable"},
        ),
        (
            "rds.DescribeOrderableDBInstanceOptions",
            {
                "OrderableDBInstanceOptions": [
                    {"EngineVersion": "17.6", "MultiAZCapable": True, "AvailabilityZones": IN_ZONES}
                ]
            },
            {"db.t4g.micro": "offered in no zone"},
        ),
        (
            "elasticache.DescribeReservedCacheNodesOfferings",
            {"ReservedCacheNodesOfferings": []},
            {"cache.t4g.micro": "not offered"},
        ),
        ("ec2.DescribeVpcs", 403, {"vpcs": "DescribeVpcs: AccessDenied"}),
        ("iam.ListPolicies", 403, {"aws iam policy": "ListPolicies: AccessDenied"}),
    ],
)
@pytest.mark.usefixtures("clients")
def test_what_the_account_lacks(
    names: dict[str, list[str]], operation: str, answer: Mapping[str, Any] | int, expected: dict[str, str]
) -> None:
    assert failed(findings(clients_that_answer({**ENOUGH, operation: answer}), names)) == expected


@pytest.mark.parametrize(("quota", "is_enough"), [(113, False), (114, True)])
@pytest.mark.usefixtures("clients")
def test_what_a_stack_reserves_and_what_others_do(
    names: dict[str, list[str]],
    quota: int,
    is_enough: bool,  # noqa: FBT001
) -> None:
    """Four are reserved already; prod's ten are missing, and 100 must stay."""
    limits = {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": quota - 4}
    getting = clients_that_answer({**ENOUGH, "lambda.GetAccountSettings": {"AccountLimit": limits}})
    found = failed(findings(getting, names, function=PROD.function, stream=DEV.stream))
    assert ("Lambda concurrency" not in found) == is_enough


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        ({"versioned": False}, {"state bucket states: versioning": "not enabled"}),
        ({"private": False}, {"state bucket states: public access": "not blocked"}),
        (None, {"state bucket states": "not there"}),
    ],
)
def test_a_state_bucket_that_cannot_hold_a_state(
    clients: Clients, names: dict[str, list[str]], bucket: dict[str, bool] | None, expected: dict[str, str]
) -> None:
    if bucket is not None:
        make_bucket(clients, **bucket)
    assert failed(findings(clients, names, variables=STATES)) == expected


def test_a_state_bucket_in_another_region(clients: Clients, names: dict[str, list[str]]) -> None:
    make_bucket(clients)
    variables = {**STATES, "CATALOG_STATE_REGION": "eu-west-1"}
    found = failed(findings(clients, names, variables=variables))
    assert found == {"state bucket states: region": "us-east-1"}


def test_a_state_bucket_without_encryption(clients: Clients, names: dict[str, list[str]]) -> None:
    make_bucket(clients)
    clients("s3").delete_bucket_encryption(Bucket="states")
    found = failed(findings(clients, names, variables=STATES))
    assert found == {"state bucket states: encryption": "none by default"}


def test_another_account(clients: Clients, names: dict[str, list[str]]) -> None:
    found = failed(findings(clients, names, variables={"CATALOG_ACCOUNT_ID": "999999999999"}))
    assert found == {"account": ACCOUNT}


def test_what_refuses_a_deploy_is_a_finding(clients: Clients, names: dict[str, list[str]]) -> None:
    found = findings(clients, names, removal=PROD.removal)
    texts = [finding.remedy for finding in found if finding.check == "settings"]
    assert [text.partition(" ")[0] for text in texts] == [
        "alarms.emails",
        "CATALOG_STATE_BUCKET",
        "CATALOG_ACCOUNT_ID",
    ]


def test_a_missing_service_linked_role_is_in_nobodys_way(
    clients: Clients, names: dict[str, list[str]]
) -> None:
    # moto's create_service_linked_role spells it AWSServiceRoleForrds.
    clients("iam").create_role(
        Path="/aws-service-role/rds.amazonaws.com/",
        RoleName="AWSServiceRoleForRDS",
        AssumeRolePolicyDocument="{}",
    )
    found = {finding.check: finding.found for finding in findings(clients, names)}
    assert found["AWSServiceRoleForRDS"] == "there"
    assert found["AWSServiceRoleForElastiCache"] == "not there: AWS creates it"


def test_a_stack_with_a_state_is_deployed(clients: Clients, tmp_path: Path) -> None:
    assert not is_deployed(clients, "dev-stack", bucket="states", folder=tmp_path)
    make_bucket(clients)
    clients("s3").put_object(Bucket="states", Key="product-catalog/dev-stack.tfstate", Body=b"{}")
    assert is_deployed(clients, "dev-stack", bucket="states", folder=tmp_path)
    assert not is_deployed(clients, "dev-stack", bucket=None, folder=tmp_path)
    (tmp_path / "terraform.dev-stack.tfstate").touch()
    assert is_deployed(clients, "dev-stack", bucket=None, folder=tmp_path)


def test_every_name_of_the_stack_is_compared(names: dict[str, list[str]]) -> None:
    assert set(names) == {*LISTINGS, "aws_s3_bucket"}
    assert all(found for found in names.values())
    assert all("dev" in name for found in names.values() for name in found)


def test_the_table() -> None:
    rows = [
        Finding(check="one", found="1", needed="2", remedy="do this"),
        Finding(check="another", found="there", needed="there"),
    ]
    assert table(rows).splitlines() == [
        "      check    found  needed  what to do",
        "FAIL  one      1      2       do this",
        "ok    another  there  there",
    ]


def test_a_table_with_long_cells_fits_a_terminal() -> None:
    arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    remedy = "keep the earlier key: another one replaces database and cache " * 2
    lines = table(
        [
            Finding(check="key: of the database", found="none", needed=arn, remedy=remedy.strip()),
            Finding(check="names", found="36 are free", needed="free"),
        ]
    ).splitlines()
    assert max(map(len, lines)) <= 120
    assert "FAIL  key: of the database  none         arn:aws" in lines[1]
    assert all(line.startswith(" ") for line in lines[2:-1])
    right = lines[0].index("what to do")
    assert " ".join(line[right:].strip() for line in lines[1:-1]).split() == remedy.split()
