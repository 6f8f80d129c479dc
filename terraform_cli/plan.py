"""What a deploy of a stack would change, told by exit codes as `terraform plan -detailed-exitcode` does.

`cdktf diff` shows the same plan and exits with 0 whatever is in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from terraform_cli.errors import TerraformError
from terraform_cli.installation import Terraform

NO_CHANGES = 0
CHANGES = 2
_FILE = "plan"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan's changes, such as `aws_sqs_queue.Quarantine_Queue: update`; `output`: Terraform's own text."""

    changes: tuple[str, ...]
    output: str


def plan(folder: Path, terraform: Terraform, variables: Mapping[str, str], *, lock: bool = True) -> Plan:
    """Plan the stack in a folder against its state and the account.

    `lock`: whether to lock the state; without, a deploy may go on meanwhile.

    Raises: TerraformError, with Terraform's output.
    """
    init = terraform.run(folder, "init", "-no-color", variables=variables)
    if init.returncode:
        raise TerraformError(init.stdout.strip())
    options = ("-detailed-exitcode", "-no-color", f"-out={_FILE}", f"-lock={str(lock).lower()}")
    run = terraform.run(folder, "plan", *options, variables=variables)
    if run.returncode not in (NO_CHANGES, CHANGES):
        raise TerraformError(run.stdout.strip())
    changes = _changes(folder, terraform, variables) if run.returncode == CHANGES else ()
    return Plan(changes=changes, output=run.stdout.strip())


def _changes(folder: Path, terraform: Terraform, variables: Mapping[str, str]) -> tuple[str, ...]:
    shown = json.loads(terraform.run(folder, "show", "-json", _FILE, variables=variables).stdout)
    changed = {change["address"]: change["change"] for change in shown.get("resource_changes", ())}
    changed |= {f"output.{name}": change for name, change in shown.get("output_changes", {}).items()}
    return tuple(
        f"{address}: {', '.join(change['actions'])}"
        for address, change in changed.items()
        if change["actions"] not in (["no-op"], ["read"])
    )
