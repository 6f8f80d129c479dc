"""Looks for the passwords of the deployed roles where they must not be: in anything that Terraform wrote."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local.deploy.aws_clients import AwsClients
from local.deploy.errors import DeployError

# What was written by others, long before there was a password.
_NOT_WRITTEN_BY_THE_DEPLOY = frozenset({".terraform", "assets"})


async def read_login(aws: AwsClients, secret_arn: str) -> Mapping[str, Any]:
    """Return what a secret holds: `username`, `password`, `host`, `dbname` and others."""
    async with aws.client("secretsmanager") as secrets:
        answer = await secrets.get_secret_value(SecretId=secret_arn)
    held: Mapping[str, Any] = json.loads(answer["SecretString"])
    return held


def check_files(passwords: Mapping[str, str], folder: Path) -> int:
    """Raise DeployError if a file in the folder holds a password; returns how many files were looked into.

    `passwords`: whose → the password.
    """
    looked_into = 0
    for file in _files(folder):
        content = file.read_bytes()
        looked_into += 1
        for whose, password in passwords.items():
            if password.encode() in content:
                raise DeployError(f"{file.relative_to(folder)} holds the password of {whose}")
    return looked_into


def check_state(state: Mapping[str, Any]) -> None:
    """Raise DeployError if Terraform's state holds the value of any secret."""
    for resource in state["resources"]:
        for instance in resource["instances"]:
            for name in ("secret_string", "secret_string_wo", "secret_binary"):
                if instance["attributes"].get(name):
                    raise DeployError(f"the state holds {name} of {resource['type']}.{resource['name']}")


def _files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name in _NOT_WRITTEN_BY_THE_DEPLOY:
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path
