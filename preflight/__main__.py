"""Print what an AWS account has in the way of a deploy; nothing is changed."""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from lambda_packages import PackagingError
from main import chosen_deployment, chosen_environments, current_deployment_packages
from preflight.account import Account, UnreachableError, connect, identify, is_deployed
from preflight.checks import run_checks
from preflight.findings import Finding, table
from preflight.names import names_of
from stacks.config.environments import environment_of
from stacks.config.settings import SettingsError
from stacks.deploy_checks import refusals
from terraform_cli.synthesis import ROOT, SynthesisError, synthesize

NOTHING_CHECKED = 3


def main() -> None:
    """Check the stack that the argument names."""
    parser = argparse.ArgumentParser(prog="python -m preflight", description=__doc__)
    parser.add_argument("stack", help="a stack's id, such as dev-stack")
    stack = parser.parse_args().stack
    try:
        findings = preflight(stack, os.environ)
    except (PackagingError, SettingsError, SynthesisError, UnreachableError) as error:
        sys.stdout.write(f"Nothing was checked. {error}\n")
        sys.exit(NOTHING_CHECKED)
    sys.stdout.write(f"{table(findings)}\n")
    failed = sum(1 for finding in findings if finding.remedy)
    sys.stdout.write(f"{stack}: {f'{failed} in the way of a deploy' if failed else 'nothing in the way'}\n")
    sys.exit(1 if failed else 0)


def preflight(stack: str, variables: Mapping[str, str]) -> list[Finding]:
    """Return the findings on a stack in the account of the credentials.

    Raises: PackagingError, SettingsError, SynthesisError, UnreachableError.
    """
    environment = environment_of(stack, chosen_environments(variables))
    deployment = chosen_deployment(variables, current_deployment_packages())
    clients = connect(environment.region)
    account_id = identify(clients)
    with tempfile.TemporaryDirectory() as directory:
        folders = synthesize(Path(directory).resolve(), variables)
        (folder,) = [folder for folder in folders if folder.name == stack]
        names = names_of(folder, account_id=account_id)
    return run_checks(
        Account(
            clients=clients,
            id=account_id,
            is_deployed=is_deployed(clients, stack, bucket=deployment.state_bucket, folder=ROOT),
        ),
        environment,
        deployment,
        names=names,
        refusals=refusals(environment, deployment, today=datetime.now(UTC).date()),
    )


if __name__ == "__main__":
    main()
