"""The app: one stack an environment, and one more for the suffix in `ENVIRONMENT_SUFFIX`.

Run by `cdktf` and by itself; writes `cdktf.out`, needs no network and no credentials. The only module that
reads environment variables for the stacks:

- `ENVIRONMENT_SUFFIX`: adds the throwaway stack `<suffix>-stack` with dev's settings.
- `CATALOG_ACCOUNT_ID`: the only AWS account that Terraform may touch.
- `CATALOG_STATE_BUCKET`, `CATALOG_STATE_REGION`: where the Terraform state is kept; without a bucket in
  `terraform.<stack>.tfstate` beside this file, without a region in the stack's.
- `CATALOG_WIDE_PROVIDER`: `1` accepts other versions of the AWS provider than the binding's own.
"""

import os
import re
import sys
from collections.abc import Mapping

# Before cdktf: prepares the binding, and chooses the Node that importing cdktf starts.
import stacks.binding  # noqa: F401

# isort: split
from cdktf import App

from stacks.catalog_stack import CatalogStack, Deployment
from stacks.environments import ENVIRONMENTS, Environment, SettingsError, throwaway


def chosen_environments(variables: Mapping[str, str]) -> tuple[Environment, ...]:
    """Return the environments to make stacks of; an empty variable counts as none.

    Raises: SettingsError.
    """
    suffix = variables.get("ENVIRONMENT_SUFFIX")
    return (*ENVIRONMENTS, throwaway(suffix)) if suffix else ENVIRONMENTS


def chosen_deployment(variables: Mapping[str, str]) -> Deployment:
    """Return how to deploy; an empty variable counts as none.

    Raises: SettingsError.
    """
    account_id = variables.get("CATALOG_ACCOUNT_ID") or None
    if account_id is not None and not re.fullmatch(r"[0-9]{12}", account_id):
        raise SettingsError(f"CATALOG_ACCOUNT_ID is {account_id!r}; accepted: 12 digits")
    wide = variables.get("CATALOG_WIDE_PROVIDER") or "0"
    if wide not in {"0", "1"}:
        raise SettingsError(f"CATALOG_WIDE_PROVIDER is {wide!r}; accepted: 0 or 1")
    return Deployment(
        account_id=account_id,
        state_bucket=variables.get("CATALOG_STATE_BUCKET") or None,
        state_region=variables.get("CATALOG_STATE_REGION") or None,
        wide_provider_versions=wide == "1",
    )


def build_app(variables: Mapping[str, str], *, outdir: str | None = None) -> App:
    """Return the app, ready to synthesize into `outdir` (default: where cdktf says, else `cdktf.out`).

    Raises: SettingsError.
    """
    environments = chosen_environments(variables)
    deployment = chosen_deployment(variables)
    # Stack traces would put this machine's paths in the output.
    app = App(outdir=outdir, stack_traces=False)
    for environment in environments:
        CatalogStack(app, environment.stack_id, config=environment, deployment=deployment)
    return app


def main() -> None:
    """Synthesize every stack, or end with one line that says which setting is wrong."""
    try:
        app = build_app(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
