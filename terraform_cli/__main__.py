"""`python -m terraform_cli validate`: check every stack with Terraform and its AWS provider.

Ends with 0 if all are valid, with 1 if one is not or cannot be synthesized, and with 3 if nothing could be
checked because Terraform or its provider is not to be had here. Warnings are shown and do not count: what is
deprecated depends on the provider's version, and this machine may have another than a deployment.
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
from terraform_cli.provider import FETCHED, choose_provider
from terraform_cli.synthesis import SynthesisError, synthesize
from terraform_cli.validation import Verdict, validate

NOTHING_CHECKED = 3
_THROWAWAY = "pr-validate"
# Never reached: it makes the synthesis write the S3 backend that a team deploys with.
_STATE_BUCKET = "states-of-nobody"


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
    command.add_argument("--jobs", type=int, default=2, help="how many at once (default: 2)")
    arguments = parser.parse_args()
    try:
        verdicts = _validate(arguments.folders, arguments.jobs, os.environ)
    except TerraformError as error:
        _tell(f"Nothing was validated. {error}")
        sys.exit(NOTHING_CHECKED)
    except SynthesisError as error:
        _tell(f"The stacks cannot be synthesized:\n{error}")
        sys.exit(1)
    sys.exit(0 if all(verdict.is_valid for verdict in verdicts) else 1)


def _validate(folders: list[Path], jobs: int, variables: Mapping[str, str]) -> list[Verdict]:
    terraform = find_terraform(variables)
    if folders:
        # Written for some version already: all that is left to choose is where it comes from.
        mirror = None
        if not chooses_providers(variables):
            mirror = find_mirror(terraform.platform, variables, own=FETCHED)
        with configured(mirror.folder if mirror else None, variables) as chosen:
            return _check([folder.absolute() for folder in folders], terraform, chosen, jobs)
    provider = choose_provider(terraform, variables)
    _tell(f"Terraform {terraform.version}, {provider.told}")
    with provider.variables(variables) as chosen, tempfile.TemporaryDirectory() as directory:
        started = monotonic()
        suffix = variables.get("ENVIRONMENT_SUFFIX") or _THROWAWAY
        bucket = variables.get("CATALOG_STATE_BUCKET") or _STATE_BUCKET
        settings = {**chosen, "ENVIRONMENT_SUFFIX": suffix, "CATALOG_STATE_BUCKET": bucket}
        stacks = synthesize(Path(directory).resolve(), settings)
        _tell(f"{'synthesis':20} {len(stacks)} stacks ({monotonic() - started:.1f} s)")
        return _check(stacks, terraform, chosen, jobs)


def _check(
    folders: list[Path], terraform: Terraform, variables: Mapping[str, str], jobs: int
) -> list[Verdict]:
    verdicts = []
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for verdict in pool.map(lambda folder: validate(folder, terraform, variables), folders):
            _tell(verdict.line())
            if verdict.said:
                _tell(f"{verdict.said}\n")
            verdicts.append(verdict)
    return verdicts


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
