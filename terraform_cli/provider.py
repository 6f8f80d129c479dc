"""Chooses the AWS provider to run the stacks with, from those that this machine can get."""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from stacks.provider_binding import PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS
from terraform_cli.configuration import chooses_providers, configured
from terraform_cli.errors import TerraformError
from terraform_cli.installation import Terraform
from terraform_cli.mirror import MIRROR_VARIABLE, SOURCE, USUAL_ROOTS, Mirror, find_mirror

FETCHED_PROVIDERS = Path(__file__).resolve().parent.parent / ".local" / "terraform-providers"
"""A provider from the registry is kept here, unpacked (about 700 MB), so that it is fetched only once."""

# Without these, a registry behind a firewall that drops packets is waited for too long.
_SHORT_TIMEOUTS = {"TF_REGISTRY_CLIENT_TIMEOUT": "5", "TF_REGISTRY_DISCOVERY_RETRY": "0"}


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The provider to use.

    `is_exact`: whether it is the version that the binding was generated from.
    `mirror`: None if the machine's own configuration says where it comes from.
    `description`: one line that says which version it is.
    """

    is_exact: bool
    mirror: Mirror | None
    description: str

    def variables(self, variables: Mapping[str, str]) -> AbstractContextManager[dict[str, str]]:
        """Yield environment variables for Terraform and for a synthesis that this provider accepts."""
        wide = {} if self.is_exact else {"CATALOG_WIDE_PROVIDER": "1"}
        return configured(self.mirror.folder if self.mirror else None, {**variables, **wide})


def choose_provider(
    terraform: Terraform,
    variables: Mapping[str, str],
    *,
    fetched: Path = FETCHED_PROVIDERS,
    roots: Iterable[Path] = USUAL_ROOTS,
) -> Provider:
    """Return the binding's own version if this machine can get it, else one that accepts our output too.

    Tried in turn: this machine's configuration if it says where providers come from, a mirror with the
    binding's own version, the registry, a mirror with another version.

    `fetched`: the folder for a provider from the registry. `roots`: the folders to scan for mirrors.

    Raises: TerraformError, with Terraform's output and what to do.
    """
    if not variables.get(MIRROR_VARIABLE) and chooses_providers(variables):
        return _as_configured(terraform, variables)
    mirror = find_mirror(terraform.platform, variables, roots=roots, own=fetched)
    if mirror is None or not (mirror.is_exact or variables.get(MIRROR_VARIABLE)):
        refusal = fetch(terraform, variables, fetched)
        if refusal is None:
            mirror = Mirror(folder=fetched, version=PROVIDER_VERSION)
        elif mirror is None:
            raise TerraformError(f"{refusal}\n{_advice(terraform)}")
    return Provider(is_exact=mirror.is_exact, mirror=mirror, description=_describe(mirror.version))


def fetch(terraform: Terraform, variables: Mapping[str, str], fetched: Path) -> str | None:
    """Fetch the binding's own version from the registry into a folder, or return Terraform's refusal."""
    fetched.mkdir(parents=True, exist_ok=True)
    version = Path(SOURCE) / PROVIDER_VERSION
    with tempfile.TemporaryDirectory(dir=fetched.parent) as directory:
        refusal = _initialise(terraform, Path(directory), PROVIDER_VERSION, {**_SHORT_TIMEOUTS, **variables})
        if refusal is not None:
            return refusal
        # With a plugin cache these are links, so they are copied. One rename puts the copy in place, since
        # another process may be looking for a mirror.
        whole = shutil.copytree(Path(directory) / ".terraform/providers" / version, Path(directory) / "whole")
        (fetched / version).parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # Another process was first.
            whole.rename(fetched / version)
    return None


def _as_configured(terraform: Terraform, variables: Mapping[str, str]) -> Provider:
    refusal = None
    for version in (PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS):
        with tempfile.TemporaryDirectory() as directory:
            refusal = _initialise(terraform, Path(directory), version, variables)
        if refusal is None:
            is_exact = version == PROVIDER_VERSION
            return Provider(is_exact=is_exact, mirror=None, description=_describe(version))
    raise TerraformError(f"{refusal}\n{_advice(terraform)}")


def _initialise(
    terraform: Terraform, directory: Path, version: str, variables: Mapping[str, str]
) -> str | None:
    require_provider(directory, version)
    run = terraform.run(directory, "init", "-no-color", variables=variables)
    return run.stdout.strip() if run.returncode else None


def require_provider(directory: Path, version: str) -> None:
    """Write a configuration that needs the AWS provider alone."""
    required = {"aws": {"source": "hashicorp/aws", "version": version}}
    (directory / "probe.tf.json").write_text(json.dumps({"terraform": {"required_providers": required}}))


def _describe(version: str) -> str:
    if version == PROVIDER_VERSION:
        return f"AWS provider {PROVIDER_VERSION}, which the binding was generated from"
    return (
        f"AWS provider {version} instead of {PROVIDER_VERSION}, which is not available here: "
        "synthesized with CATALOG_WIDE_PROVIDER=1"
    )


def _advice(terraform: Terraform) -> str:
    return (
        f"The AWS provider {PROVIDER_VERSION} is not available here. Let Terraform reach its registry, or\n"
        f"  {MIRROR_VARIABLE}=<folder>, as `terraform providers mirror <folder>` makes it elsewhere "
        f"(-platform={terraform.platform}), or\n"
        "  provider_installation in ~/.terraformrc or in the file that TF_CLI_CONFIG_FILE names."
    )
