"""`python -m terraform_cli validate`: check every stack with Terraform and its AWS provider.

Exits with 0 if all are valid, with 1 if one is not or cannot be synthesized, and with 3 if nothing could be
checked because this machine has no Terraform or no provider. Warnings are shown and do not count: what is
deprecated depends on the provider's version, and a deployment may use a different one.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

from terraform_cli.configuration import chooses_providers, configured
from terraform_cli.errors import TerraformError
from terraform_cli.installation import Terraform, find_terraform
from terraform_cli.mirror import find_mirror
from terraform_cli.provider import FETCHED_PROVIDERS, choose_provider
from terraform_cli.synthesis import SynthesisError, synthesize
from terraform_cli.validation import ValidationResult, validate

NOTHING_CHECKED = 3
_THROWAWAY = "pr-validate"
# Never accessed: it makes the synthesis write the S3 backend that a team deploys with.
_STATE_BUCKET = "no-such-bucket"


def main() -> None:
    """Run the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m terraform_cli", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("validate", help="check every stack")
    command.add_argument(
        "folders",
        nargs="*",
        type=Path,
        help="check synthesized stacks as they are, such as cdktf.out/stacks/*",
    )
    command.add_argument(
        "--jobs", type=int, default=2, help="how many stacks to check concurrently (default: 2)"
    )
    arguments = parser.parse_args()
    try:
        results = _validate(arguments.folders, arguments.jobs, os.environ)
    except TerraformError as error:
        _print(f"Nothing was validated. {error}")
        sys.exit(NOTHING_CHECKED)
    except SynthesisError as error:
        _print(f"The stacks cannot be synthesized:\n{error}")
        sys.exit(1)
    sys.exit(0 if all(result.is_valid for result in results) else 1)


def _validate(folders: list[Path], jobs: int, variables: Mapping[str, str]) -> list[ValidationResult]:
    terraform = find_terraform(variables)
    if folders:
        # They name a provider version already, so only its source is left to choose.
        mirror = None
        if not chooses_providers(variables):
            mirror = find_mirror(terraform.platform, variables, own=FETCHED_PROVIDERS)
        with configured(mirror.folder if mirror else None, variables) as chosen:
            return _check([folder.absolute() for folder in folders], terraform, chosen, jobs)
    provider = choose_provider(terraform, variables)
    _print(f"Terraform {terraform.version}, {provider.description}")
    with provider.variables(variables) as chosen, tempfile.TemporaryDirectory() as directory:
        started = monotonic()
        suffix = variables.get("ENVIRONMENT_SUFFIX") or _THROWAWAY
        bucket = variables.get("CATALOG_STATE_BUCKET") or _STATE_BUCKET
        settings = {**chosen, "ENVIRONMENT_SUFFIX": suffix, "CATALOG_STATE_BUCKET": bucket}
        stacks = synthesize(Path(directory).resolve(), settings)
        _print(f"{'synthesis':20} {len(stacks)} stacks ({monotonic() - started:.1f} s)")
        return _check(stacks, terraform, chosen, jobs)


def _check(
    folders: list[Path], terraform: Terraform, variables: Mapping[str, str], jobs: int
) -> list[ValidationResult]:
    results = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for result in pool.map(lambda folder: validate(folder, terraform, variables), folders):
            _print(result.line())
            if result.output:
                _print(f"{result.output}\n")
            results.append(result)
    return results


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
