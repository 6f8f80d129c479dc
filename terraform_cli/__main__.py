"""Commands on the stacks that need Terraform.

`python -m terraform_cli validate`: check every stack with Terraform and its AWS provider. Exits with 0 if all
are valid, with 1 if one is not or cannot be synthesized, and with 3 if nothing could be checked because this
machine has no Terraform or no provider. Warnings are shown and do not count: what is deprecated depends on
the provider's version, and a deployment may use a different one.

`python -m terraform_cli audit`: scan the stacks of every permanent environment with checkov. Exits with 0 if
nothing is found but what accepted_findings.toml explains, with 1 otherwise, and with 3 if checkov cannot be
installed here.

`python -m terraform_cli lock`: write the hashes of the AWS provider to .terraform.lock.hcl. Exits with 3,
and leaves the file as it was, if a platform's provider cannot be had.

`python -m terraform_cli ready STACK`: check that Terraform is here and that there is such a stack, before
anything is built. Exits with 1 if not.

`python -m terraform_cli plan STACK`: show what a deploy would change. Exits with 0 if nothing, with 2 if
something, and with 1 if there is no plan. `--drift` prints one line per change and leaves the state unlocked.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic

from stacks.config.environments import ENVIRONMENTS, environment_of, throwaway
from stacks.config.settings import SettingsError
from stacks.provider_binding import PROVIDER_LOCK, PROVIDER_VERSION
from terraform_cli.audit import AuditError, install_checkov, problems, read_accepted, scan, stale
from terraform_cli.configuration import chooses_providers, configured
from terraform_cli.errors import TerraformError
from terraform_cli.installation import Terraform, find_terraform
from terraform_cli.mirror import MIRROR_VARIABLE, find_mirror
from terraform_cli.plan import CHANGES, NO_CHANGES, plan
from terraform_cli.provider import FETCHED_PROVIDERS, choose_provider
from terraform_cli.provider_lock import PLATFORMS, lock_provider
from terraform_cli.synthesis import ROOT, SynthesisError, synthesize
from terraform_cli.validation import ValidationResult, validate

NOTHING_CHECKED = 3
# Where cdktf synthesizes too, since the path of a state in a file is relative to it.
_OUTPUT = ROOT / "cdktf.out"
_THROWAWAY = "pr-validate"
# Never accessed: it makes the synthesis write the S3 backend that a team deploys with.
_STATE_BUCKET = "no-such-bucket"
# An account and a repository that are only in text.
_BOOTSTRAP = {
    "CATALOG_BOOTSTRAP": "1",
    "CATALOG_ACCOUNT_ID": "123456789012",
    "CATALOG_REPOSITORY": "owner/name",
}


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
    command = commands.add_parser("audit", help="scan every stack with checkov")
    command.add_argument("folders", nargs="*", type=Path, help="scan synthesized stacks as they are")
    command = commands.add_parser("lock", help="write the hashes of the AWS provider")
    command.add_argument(
        "--platform", action="append", help=f"repeat for several (default: {', '.join(PLATFORMS)})"
    )
    command = commands.add_parser("plan", help="show what a deploy of a stack would change")
    command.add_argument("stack", help="a stack's id, or the folder of a synthesized one")
    command.add_argument("--drift", action="store_true", help="print only the changes; do not lock the state")
    command = commands.add_parser("ready", help="check that there is Terraform, and a stack of this id")
    command.add_argument("stack", help="a stack's id")
    arguments = parser.parse_args()
    if arguments.command == "ready":
        sys.exit(_ready(arguments.stack, os.environ))
    if arguments.command == "plan":
        sys.exit(_plan(arguments.stack, os.environ, drift=arguments.drift))
    if arguments.command == "lock":
        sys.exit(_lock(arguments.platform or PLATFORMS, os.environ))
    if arguments.command == "audit":
        sys.exit(_audit(arguments.folders, os.environ))
    try:
        results = _validate(arguments.folders, arguments.jobs, os.environ)
    except TerraformError as error:
        _print(f"Nothing was validated. {error}")
        sys.exit(NOTHING_CHECKED)
    except SynthesisError as error:
        _print(f"The stacks cannot be synthesized:\n{error}")
        sys.exit(1)
    sys.exit(0 if all(result.is_valid for result in results) else 1)


def _ready(stack: str, variables: Mapping[str, str]) -> int:
    suffix = variables.get("ENVIRONMENT_SUFFIX")
    try:
        environments = [*ENVIRONMENTS, throwaway(suffix)] if suffix else [*ENVIRONMENTS]
        environment_of(stack, environments)
        find_terraform(variables)
    except (SettingsError, TerraformError) as error:
        _print(str(error))
        return 1
    return 0


def _plan(stack: str, variables: Mapping[str, str], *, drift: bool) -> int:
    folder = Path(stack) if Path(stack).is_dir() else _OUTPUT / "stacks" / stack
    try:
        terraform = find_terraform(variables)
        if not Path(stack).is_dir():
            synthesize(_OUTPUT, variables)
        if not folder.is_dir():
            raise TerraformError(f"There is no {stack}; accepted: {', '.join(_stack_ids())}")
        with _from_mirror(terraform, variables) as chosen:
            found = plan(folder, terraform, chosen, lock=not drift)
    except (SynthesisError, TerraformError) as error:
        _print(f"{stack}: no plan. {error}")
        return 1
    if drift:
        lines = [f"{folder.name}: {change}" for change in found.changes]
        _print("\n".join(lines or [f"{folder.name}: no changes"]))
    else:
        _print(found.output)
    return CHANGES if found.changes else NO_CHANGES


def _lock(platforms: Sequence[str], variables: Mapping[str, str]) -> int:
    named = variables.get(MIRROR_VARIABLE)
    try:
        lock_provider(
            ROOT / PROVIDER_LOCK,
            find_terraform(variables),
            variables,
            platforms=platforms,
            mirror=Path(named) if named else None,
        )
    except TerraformError as error:
        _print(f"Nothing was locked. {error}")
        return NOTHING_CHECKED
    _print(f"{PROVIDER_LOCK}: AWS provider {PROVIDER_VERSION} for {', '.join(platforms)}; commit it")
    return 0


def _audit(folders: list[Path], variables: Mapping[str, str]) -> int:
    try:
        install_checkov(ROOT, variables)
        accepted = read_accepted()
        with tempfile.TemporaryDirectory() as directory:
            # A throwaway environment has dev's settings under a name that no accepted finding has.
            permanent = {name: value for name, value in variables.items() if name != "ENVIRONMENT_SUFFIX"}
            stacks = folders or synthesize(Path(directory).resolve(), permanent)
            scans = [scan(folder.absolute(), variables) for folder in stacks]
    except AuditError as error:
        _print(str(error))
        return 1
    except SynthesisError as error:
        _print(f"The stacks cannot be synthesized:\n{error}")
        return 1
    except TerraformError as error:
        _print(f"Nothing was scanned. {error}")
        return NOTHING_CHECKED
    found = {scanned.stack: list(problems(scanned, accepted)) for scanned in scans}
    for scanned in scans:
        lines = found[scanned.stack]
        _print(f"{scanned.stack:20} {scanned.checks} checks, {len(lines)} problems")
        _print_each(lines)
    # One stack alone need not have what is accepted in another.
    outdated = [] if folders else list(stale(scans, accepted))
    _print_each(outdated)
    return 1 if outdated or any(found.values()) else 0


def _from_mirror(
    terraform: Terraform, variables: Mapping[str, str]
) -> AbstractContextManager[dict[str, str]]:
    """Yield environment variables that make Terraform take the provider from a mirror, if there is one."""
    mirror = None
    if not chooses_providers(variables):
        mirror = find_mirror(terraform.platform, variables, own=FETCHED_PROVIDERS)
        if mirror and not mirror.is_exact and variables.get("CATALOG_WIDE_PROVIDER") != "1":
            mirror = None
    return configured(mirror.folder if mirror else None, variables)


def _stack_ids() -> list[str]:
    return sorted(path.name for path in (_OUTPUT / "stacks").iterdir())


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
    if not (ROOT / PROVIDER_LOCK).is_file():
        _print(f"There is no {PROVIDER_LOCK}, so Terraform trusts whatever it gets: make provider-lock")
    with provider.variables(variables) as chosen, tempfile.TemporaryDirectory() as directory:
        started = monotonic()
        suffix = variables.get("ENVIRONMENT_SUFFIX") or _THROWAWAY
        bucket = variables.get("CATALOG_STATE_BUCKET") or _STATE_BUCKET
        settings = {**chosen, "ENVIRONMENT_SUFFIX": suffix, "CATALOG_STATE_BUCKET": bucket}
        stacks = [
            *synthesize(Path(directory).resolve() / "environments", settings),
            *synthesize(Path(directory).resolve() / "bootstrap", settings | _BOOTSTRAP),
        ]
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


def _print_each(lines: list[str]) -> None:
    for line in lines:
        _print(f"  {line}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
