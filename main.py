"""The app: one stack per environment, and one more for the suffix in `ENVIRONMENT_SUFFIX`.

Run by `cdktf` or directly; writes `cdktf.out` and needs neither network nor credentials. No other module
reads these environment variables for the stacks:

- `ENVIRONMENT_SUFFIX`: adds the throwaway stack `<suffix>-stack` with dev's settings.
- `CATALOG_ACCOUNT_ID`: the only AWS account that Terraform may touch.
- `CATALOG_STATE_BUCKET`, `CATALOG_STATE_REGION`: the bucket that keeps the Terraform state, and its region if
  that is not the stack's. Without a bucket the state is in `terraform.<stack>.tfstate` beside this file.
- `CATALOG_ARCHITECTURE`: `arm64` or `x86_64` for every function, overriding the environment's settings.
- `CATALOG_WIDE_PROVIDER`: `1` accepts versions of the AWS provider other than the binding's own.
- `CATALOG_PERMISSIONS_BOUNDARY`: the ARN of a policy that bounds the roles.
- `CATALOG_ROLE_PATH`: the path of every role and policy in IAM, such as `/team/`.
- `CATALOG_BOOTSTRAP`: `1` writes only `bootstrap-stack`, which makes the bucket for the state.
- `CATALOG_REPOSITORY`: adds roles for this repository's workflows to it, `owner/name`.
- `CATALOG_TRUSTS_GITHUB`: `1` where the account has GitHub's identity provider already.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar, get_args

# Before cdktf: prepares the binding and chooses the Node that importing cdktf starts.
import stacks.provider_binding  # noqa: F401

# isort: split
from cdktf import App

from costs.prices import read_prices
from costs.report import summary
from lambda_packages import DIST, PackagingError, build_code, find_layer
from stacks.bootstrap.bootstrap_stack import Bootstrap, BootstrapStack
from stacks.catalog_stack import CatalogStack, Deployment
from stacks.code_assets import DeploymentPackages
from stacks.config.environments import ENVIRONMENTS, Environment, throwaway
from stacks.config.settings import Architecture, SettingsError
from stacks.deploy_checks import notes, refusals
from stacks.provider_binding import PROVIDER_LOCK

T = TypeVar("T", bound=str)

_LOCK = Path(__file__).with_name(PROVIDER_LOCK)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_STATE_BUCKET = re.compile(
    r"(?!.*\.\.)(?!([0-9]+\.){3}[0-9]+\Z)(?!xn--|sthree-|amzn-s3-demo-)"
    r"(?!.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)\Z)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
)
_ACCOUNT = re.compile("[0-9]{12}")
# A team's, or one of AWS's own: arn:aws:iam::aws:policy/…
_BOUNDARY = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[\w+=,.@/-]+", re.ASCII)
# IAM's 512 characters, but only those that need no care elsewhere. Paths that begin with /aws- are AWS's.
_ROLE_PATH = re.compile(r"(?!/aws-)(?=.{1,512}\Z)(/[\w+=,.@-]+)+/|/", re.ASCII)
_ACCEPTED_PATH = "a path in IAM such as '/team/', with a slash at both ends"
# GitHub's names, to which it may add ids: repo:octo@123/shop@456:environment:prod
_REPOSITORY = re.compile(r"[A-Za-z0-9_.@-]+/[A-Za-z0-9_.@-]+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[1-9]")


def chosen_environments(
    variables: Mapping[str, str], permanent: Sequence[Environment] = ENVIRONMENTS
) -> list[Environment]:
    """Return the environments to create stacks for; an empty variable counts as unset.

    Raises: SettingsError.
    """
    suffix = variables.get("ENVIRONMENT_SUFFIX")
    environments = [*permanent, throwaway(suffix, permanent)] if suffix else [*permanent]
    architecture = _chosen(variables, "CATALOG_ARCHITECTURE", get_args(Architecture))
    if architecture is None:
        return environments
    return [
        replace(environment, function=replace(environment.function, architecture=architecture))
        for environment in environments
    ]


def chosen_deployment(variables: Mapping[str, str], deployment_packages: DeploymentPackages) -> Deployment:
    """Return how to deploy; an empty variable counts as unset.

    Raises: SettingsError.
    """
    if variables.get("CATALOG_STATE_REGION") and not variables.get("CATALOG_STATE_BUCKET"):
        raise SettingsError(
            f"CATALOG_STATE_REGION is {variables['CATALOG_STATE_REGION']!r}; accepted: only with "
            "CATALOG_STATE_BUCKET, whose region it is"
        )
    account_id = _matching(variables, "CATALOG_ACCOUNT_ID", _ACCOUNT, "12 digits")
    return Deployment(
        account_id=account_id,
        state_bucket=_matching(variables, "CATALOG_STATE_BUCKET", _STATE_BUCKET, "a bucket's name"),
        state_region=_matching(variables, "CATALOG_STATE_REGION", _REGION, "a region such as 'eu-west-1'"),
        wide_provider_versions=_chosen(variables, "CATALOG_WIDE_PROVIDER", ("0", "1")) == "1",
        permissions_boundary=_permissions_boundary(variables, account_id),
        role_path=_matching(variables, "CATALOG_ROLE_PATH", _ROLE_PATH, _ACCEPTED_PATH),
        deployment_packages=deployment_packages,
    )


def chosen_bootstrap(
    variables: Mapping[str, str], permanent: Sequence[Environment] = ENVIRONMENTS
) -> Bootstrap | None:
    """Return what to bootstrap, or None for the environments' stacks; an empty variable counts as unset.

    Raises: SettingsError.
    """
    if _chosen(variables, "CATALOG_BOOTSTRAP", ("0", "1")) != "1":
        return None
    account_id = _matching(variables, "CATALOG_ACCOUNT_ID", _ACCOUNT, "12 digits")
    state_bucket = _matching(variables, "CATALOG_STATE_BUCKET", _STATE_BUCKET, "a bucket's name")
    if account_id is None or state_bucket is None:
        raise SettingsError(
            "CATALOG_BOOTSTRAP is '1'; accepted: with CATALOG_ACCOUNT_ID and CATALOG_STATE_BUCKET"
        )
    for environment in ENVIRONMENTS:
        # The deploy role may do everything to such buckets.
        if state_bucket.endswith(ending := environment.global_name("", account_id=account_id)):
            raise SettingsError(
                f"CATALOG_STATE_BUCKET is {state_bucket!r}; accepted: a name that does not end with "
                f"{ending}, as {environment.stack_id}'s own buckets do"
            )
    region = _matching(variables, "CATALOG_STATE_REGION", _REGION, "a region such as 'eu-west-1'")
    return Bootstrap(
        account_id=account_id,
        state_bucket=state_bucket,
        state_region=region or permanent[0].region,
        repository=_matching(variables, "CATALOG_REPOSITORY", _REPOSITORY, "'owner/name'"),
        role_path=_matching(variables, "CATALOG_ROLE_PATH", _ROLE_PATH, _ACCEPTED_PATH),
        permissions_boundary=_permissions_boundary(variables, account_id),
        creates_issuer=_chosen(variables, "CATALOG_TRUSTS_GITHUB", ("0", "1")) != "1",
        wide_provider_versions=_chosen(variables, "CATALOG_WIDE_PROVIDER", ("0", "1")) == "1",
    )


def build_bootstrap(
    config: Bootstrap, environments: Sequence[Environment] = ENVIRONMENTS, *, outdir: str | None = None
) -> App:
    """Return the app with only the bootstrap stack, for these environments."""
    app = App(outdir=outdir, stack_traces=False)
    BootstrapStack(app, config=config, environments=environments)
    return app


def current_deployment_packages() -> DeploymentPackages:
    """Build the code and return it with the layers that `make package` has built from the present lock."""
    layers = {architecture: find_layer(architecture) for architecture in get_args(Architecture)}
    return DeploymentPackages(
        code=build_code(DIST),
        layers={architecture: layer for architecture, layer in layers.items() if layer is not None},
    )


def build_app(
    variables: Mapping[str, str],
    deployment_packages: DeploymentPackages,
    *,
    today: date,
    permanent: Sequence[Environment] = ENVIRONMENTS,
    outdir: str | None = None,
) -> App:
    """Return the app, ready to synthesize into `outdir` (default: `CDKTF_OUTDIR`, else `cdktf.out`).

    Raises: SettingsError.
    """
    environments = chosen_environments(variables, permanent)
    deployment = chosen_deployment(variables, deployment_packages)
    # Stack traces would put this machine's paths into the output.
    app = App(outdir=outdir, stack_traces=False)
    for environment in environments:
        CatalogStack(
            app,
            environment.stack_id,
            config=environment,
            deployment=deployment,
            refusals=refusals(environment, deployment, today=today),
        )
    return app


def main() -> None:
    """Synthesize every stack, or exit with one line that says which setting is wrong."""
    today = datetime.now(UTC).date()
    try:
        bootstrap = chosen_bootstrap(os.environ)
        if bootstrap is not None:
            app = build_bootstrap(bootstrap)
            app.synth()
            pin_provider(Path(app.outdir), os.environ)
            return
        deployment_packages = current_deployment_packages()
        app = build_app(os.environ, deployment_packages, today=today)
        environments = chosen_environments(os.environ)
        deployment = chosen_deployment(os.environ, deployment_packages)
    except (PackagingError, SettingsError) as error:
        sys.exit(str(error))
    prices = read_prices()
    lines = [
        *(summary(environment, prices) for environment in environments),
        *notes(environments, deployment, today=today),
    ]
    app.synth()
    pin_provider(Path(app.outdir), os.environ)
    # On standard output, since cdktf shows standard error as an error.
    sys.stdout.writelines(f"{line}\n" for line in lines)


def pin_provider(outdir: Path, variables: Mapping[str, str], lock: Path = _LOCK) -> None:
    """Copy the provider's hashes, if they are known, to where Terraform looks for them in each stack.

    Not with `CATALOG_WIDE_PROVIDER`, which accepts versions that the hashes are not of; those of an earlier
    synthesis are removed then.
    """
    is_pinned = lock.is_file() and variables.get("CATALOG_WIDE_PROVIDER") != "1"
    for stack in (outdir / "stacks").iterdir():
        (stack / PROVIDER_LOCK).unlink(missing_ok=True)
        if is_pinned:
            shutil.copyfile(lock, stack / PROVIDER_LOCK)


def _permissions_boundary(variables: Mapping[str, str], account_id: str | None) -> str | None:
    """Return the boundary's ARN; IAM takes a boundary only from the role's own account, or one of AWS's."""
    name = "CATALOG_PERMISSIONS_BOUNDARY"
    arn = _matching(variables, name, _BOUNDARY, "a policy's ARN")
    if arn and account_id and arn.split(":")[4] not in (account_id, "aws"):
        raise SettingsError(
            f"{name} is {arn!r}; accepted: a policy of CATALOG_ACCOUNT_ID, {account_id}, or one of AWS's"
        )
    return arn


def _matching(variables: Mapping[str, str], name: str, pattern: re.Pattern[str], accepted: str) -> str | None:
    value = variables.get(name) or None
    if value is not None and not pattern.fullmatch(value):
        raise SettingsError(f"{name} is {value!r}; accepted: {accepted}")
    return value


def _chosen(variables: Mapping[str, str], name: str, accepted: tuple[T, ...]) -> T | None:
    value = variables.get(name) or None
    for choice in accepted:
        if choice == value:
            return choice
    if value is not None:
        raise SettingsError(f"{name} is {value!r}; accepted: {' or '.join(accepted)}")
    return None


if __name__ == "__main__":
    main()
