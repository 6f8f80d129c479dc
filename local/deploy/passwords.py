"""Check that no file that Terraform wrote contains a password of a deployed role."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local.deploy.aws_clients import AwsClients
from local.deploy.errors import DeployError

# Providers and deployment packages were written before there was a password.
_NOT_WRITTEN_BY_THE_DEPLOY = frozenset({".terraform", "assets"})


async def read_login(aws: AwsClients, secret_arn: str) -> Mapping[str, Any]:
    """Return a secret's login: `username`, `password`, `host`, `dbname` and others."""
    async with aws.client("secretsmanager") as secrets:
        response = await secrets.get_secret_value(SecretId=secret_arn)
    login: Mapping[str, Any] = json.loads(response["SecretString"])
    return login


def check_files(passwords: Mapping[str, str], folder: Path) -> int:
    """Return how many files in the folder were searched. Raises: DeployError if one contains a password.

    `passwords`: user name → password.
    """
    searched = 0
    for file in _files(folder):
        content = file.read_bytes()
        searched += 1
        for user, password in passwords.items():
            if password.encode() in content:
                raise DeployError(f"{file.relative_to(folder)} contains the password of {user}")
    return searched


def check_state(state: Mapping[str, Any]) -> None:
    """Raise DeployError if Terraform's state contains the value of a secret."""
    for resource in state["resources"]:
        for instance in resource["instances"]:
            for name in ("secret_string", "secret_string_wo", "secret_binary"):
                if instance["attributes"].get(name):
                    raise DeployError(f"the state contains {name} of {resource['type']}.{resource['name']}")


def _files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or path.name in _NOT_WRITTEN_BY_THE_DEPLOY:
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path
