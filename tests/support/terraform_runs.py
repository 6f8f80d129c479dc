"""Terraform on a part of a synthesized stack, with the AWS provider of a mirror and no account."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from terraform_cli import Mirror, Terraform, TerraformError, find_terraform
from terraform_cli.configuration import configured
from terraform_cli.mirror import find_mirror
from terraform_cli.provider import FETCHED_PROVIDERS

UNREACHABLE = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True)
class TerraformRun:
    """A folder with a configuration and its local state."""

    folder: Path
    terraform: Terraform
    variables: Mapping[str, str]

    def configure(self, document: Mapping[str, Any]) -> None:
        """Write the configuration in place of an earlier one, and initialize."""
        (self.folder / "cdk.tf.json").write_text(json.dumps(document))
        self.run("init")

    def run(self, *arguments: str, expected: int = 0) -> str:
        """Run a command and return its output; fail unless it exits with `expected`."""
        run = self.terraform.run(self.folder, *arguments, "-no-color", variables=self.variables)
        assert run.returncode == expected, run.stdout
        return run.stdout

    def changes(self, *options: str) -> dict[str, list[str]]:
        """Plan and return the actions on each resource that changes."""
        self.run("plan", "-out=plan", *options)
        shown = self.terraform.run(self.folder, "show", "-json", "plan", variables=self.variables)
        return {
            change["address"]: change["change"]["actions"]
            for change in json.loads(shown.stdout).get("resource_changes", ())
            if change["change"]["actions"] not in (["no-op"], ["read"])
        }


def installed_terraform() -> Terraform:
    """Return this machine's Terraform, or skip the test."""
    try:
        return find_terraform(os.environ)
    except TerraformError as error:
        pytest.skip(str(error))


def available_provider(terraform: Terraform) -> Mirror:
    """Return a mirror with an AWS provider that this machine has, or skip the test."""
    mirror = find_mirror(terraform.platform, os.environ, own=FETCHED_PROVIDERS)
    if mirror is None:
        pytest.skip("no mirror on this machine has an AWS provider")
    return mirror


@contextmanager
def terraform_run(
    folder: Path, *, provider: bool = True, endpoint_urls: Mapping[str, str] | None = None
) -> Iterator[TerraformRun]:
    """Yield a run in a folder; without `provider` only Terraform's own resources can be used.

    `endpoint_urls`: where the provider finds a service, such as `rds`. In the environment, because the
    provider's argument `endpoints` takes it two seconds to check, in every command several times.
    """
    terraform = installed_terraform()
    mirror = available_provider(terraform) if provider else None
    with configured(mirror.folder if mirror else None, os.environ) as variables:
        variables |= {f"AWS_ENDPOINT_URL_{name.upper()}": url for name, url in (endpoint_urls or {}).items()}
        # Less garbage collection, which takes a quarter of the provider's time.
        variables |= {"GOGC": "400"}
        yield TerraformRun(folder=folder, terraform=terraform, variables=variables)


def configuration(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with these resources, and a provider that needs no account."""
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "provider": {
            "aws": {
                "region": "us-east-1",
                "access_key": "key",
                "secret_key": "secret",
                "skip_credentials_validation": True,
                "skip_metadata_api_check": True,
                "skip_region_validation": True,
                "skip_requesting_account_id": True,
            }
        },
        "resource": resources,
    }
