"""`make preflight` on the team's key: what is wrong with it is a finding, by its name."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from preflight.account import Clients
from stacks.key_policy import key_policy
from tests.preflight.test_preflight import ACCOUNT, ENOUGH, clients_that_answer, failed, findings
from tests.support.environments import DEV

OTHER_ACCOUNT = "arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab"
Put = Callable[[Clients], str]


def make_key(clients: Clients, *, KeyUsage: str = "ENCRYPT_DECRYPT", **settings: str) -> str:  # noqa: N803
    """Create a key with the policy that dev needs, and return its ARN."""
    kms = clients("kms")
    metadata = kms.create_key(KeyUsage=KeyUsage, **settings)["KeyMetadata"]
    arn: str = metadata["Arn"]
    policy = json.dumps(key_policy(arn, [DEV]))
    kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=policy)
    return arn


def disabled(clients: Clients) -> str:
    arn = make_key(clients)
    clients("kms").disable_key(KeyId=arn.rpartition("/")[2])
    return arn


def without_logs(clients: Clients) -> str:
    arn = make_key(clients)
    policy = key_policy(arn, [DEV])
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "Logs"]
    clients("kms").put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy))
    return arn


def with_key(clients: Clients, arn: str, **settings: Any) -> dict[str, str]:
    return failed(findings(clients, {}, encryption_key_arn=arn, **settings))


@pytest.mark.parametrize("deployed", [False, True])
def test_a_key_that_is_usable_is_not_in_the_way(clients: Clients, *, deployed: bool) -> None:
    arn = make_key(clients)
    if deployed:
        make_database(clients, arn)
    found = findings(clients, {}, encryption_key_arn=arn, deployed=deployed)
    assert failed(found) == {}
    shown = {finding.check: finding.found for finding in found if finding.check.startswith("key")}
    assert shown == {
        "key": "Enabled, SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT",
        "key: policy": "names the services",
        **({"key: of the database": arn} if deployed else {}),
    }


@pytest.mark.parametrize(
    ("put", "expected"),
    [
        (disabled, {"key": "Disabled, SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT"}),
        (
            lambda clients: make_key(clients, KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048"),
            {"key": "Enabled, RSA_2048, SIGN_VERIFY"},
        ),
        (without_logs, {"key: policy": "without logs.us-east-1.amazonaws.com"}),
        (lambda _: OTHER_ACCOUNT.replace("999999999999", ACCOUNT), {"key": "not there"}),
        (lambda _: OTHER_ACCOUNT, {"key: account": "999999999999"}),
    ],
)
def test_a_key_that_cannot_be_used(clients: Clients, put: Put, expected: dict[str, str]) -> None:
    assert with_key(clients, put(clients)) == expected


@pytest.mark.usefixtures("clients")
def test_an_answer_without_a_usage() -> None:
    """Some emulators leave it out."""
    arn = OTHER_ACCOUNT.replace("999999999999", ACCOUNT)
    answer = {"KeyMetadata": {"KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT"}}
    policy = {"Policy": json.dumps(key_policy(arn, [DEV]))}
    answering = clients_that_answer({**ENOUGH, "kms.DescribeKey": answer, "kms.GetKeyPolicy": policy})
    assert with_key(answering, arn) == {"key": "Enabled, SYMMETRIC_DEFAULT, no KeyUsage"}


def test_another_key_than_the_database_has(clients: Clients) -> None:
    earlier = make_key(clients)
    make_database(clients, earlier)
    assert with_key(clients, make_key(clients), deployed=True) == {"key: of the database": earlier}


@pytest.mark.usefixtures("clients")
def test_without_the_right_to_look(clients: Clients) -> None:
    arn = make_key(clients)
    looking = clients_that_answer({**ENOUGH, "kms.DescribeKey": 403})
    assert with_key(looking, arn) == {"encryption key": "DescribeKey: AccessDenied"}


def make_database(clients: Clients, key_arn: str) -> None:
    clients("rds").create_db_instance(
        DBInstanceIdentifier="product-catalog-dev",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        StorageEncrypted=True,
        KmsKeyId=key_arn,
    )
