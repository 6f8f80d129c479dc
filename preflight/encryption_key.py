"""Whether the team's key can encrypt what the stack keeps."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from preflight.account import Account
from preflight.findings import Finding
from stacks.config.encryption_key import parse_key_arn
from stacks.config.environments import Environment
from stacks.key_policy import key_policy

_NEEDED = {"KeyState": "Enabled", "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT"}


def encryption_key(account: Account, environment: Environment) -> Iterator[Finding]:
    """Check that the key is there and usable, that its policy names the services, and that it stays."""
    arn = environment.encryption_key_arn
    if arn is None:
        return
    owner = parse_key_arn(arn).account_id
    if owner != account.id:
        yield Finding(
            check="key: account",
            found=owner,
            needed=account.id,
            remedy="a key of this account in encryption_key_arn",
        )
        return
    kms = account.clients("kms")
    try:
        key = kms.describe_key(KeyId=arn)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        yield Finding(
            check="key", found="not there", needed="a key", remedy="create it, or correct encryption_key_arn"
        )
        return
    if account.is_deployed:
        yield from _unchanged(account, environment, arn)
    is_usable = all(key.get(name) == value for name, value in _NEEDED.items())
    yield Finding(
        check="key",
        found=", ".join(key.get(name, f"no {name}") for name in _NEEDED),
        needed=", ".join(_NEEDED.values()),
        remedy="" if is_usable else "enable it, or another key in encryption_key_arn",
    )
    # A key has only this policy.
    policy = kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    needed = _services(json.dumps(key_policy(arn, [environment])))
    missing = sorted(needed - _services(policy))
    yield Finding(
        check="key: policy",
        found=f"without {', '.join(missing)}" if missing else "names the services",
        needed=", ".join(sorted(needed)),
        remedy=f"make key-policy STACK={environment.stack_id}" if missing else "",
    )


def _unchanged(account: Account, environment: Environment, arn: str) -> Iterator[Finding]:
    """Check that the database that is there has the key; another key replaces it, and the cache."""
    identifier = environment.physical_name("product-catalog")
    found = account.every("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=identifier)
    for instance in found:
        earlier = instance.get("KmsKeyId", "none")
        yield Finding(
            check="key: of the database",
            found=earlier,
            needed=arn,
            remedy="" if earlier == arn else "keep the earlier key: another one replaces database and cache",
        )


def _services(policy: str) -> set[str]:
    """Return the services that a policy names as principals."""
    found: set[str] = set()
    for statement in json.loads(policy)["Statement"]:
        principal = statement["Principal"]
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        found |= {named} if isinstance(named, str) else {*named}
    return found
