"""The environment variables of cdktf, Terraform and the provider: none can lead to a real AWS account."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.deploy.overrides import CACHE_PORT, DATABASE_PORT
from local.emulated_aws.account import REGION
from local.emulated_aws.function_service import PROJECT
from local.servers import ACCOUNT_ID

_KEPT = (
    # The locations of programs, home directories and temporary folders.
    *("PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "LANG", "LC_ALL"),
    *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_DATA_DIRS"),
    *("JSII_NODE", "JSII_RUNTIME_PACKAGE_CACHE_ROOT"),
    # Which Terraform to run, and where its provider comes from.
    *("TERRAFORM_BINARY_NAME", "TF_CLI_CONFIG_FILE", "CATALOG_PROVIDER_MIRROR"),
    # How to reach the registries.
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "PYTHON"),
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for name in (upper, upper.lower())),
)
_KEPT_PREFIXES = ("PIP_", "npm_config_", "NPM_CONFIG_")

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "deploy-local", "AWS_SECRET_ACCESS_KEY": "deploy-local"}


def machine_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return only those of the user's variables that say how this machine works."""
    return {
        name: value for name, value in variables.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }


def terraform_variables(
    variables: Mapping[str, str],
    *,
    endpoint_url: str,
    architecture: str,
    database_port: int,
    cache_port: int,
) -> dict[str, str]:
    """Return all environment variables for cdktf; `variables`: those from `Provider.variables`.

    The SDKs find only the emulator: no profile, no configuration file, no metadata service.
    """
    path = os.pathsep.join(part for part in (str(Path(sys.executable).parent), variables.get("PATH")) if part)
    return {
        **variables,
        **CREDENTIALS,
        "PATH": path,
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CATALOG_ACCOUNT_ID": ACCOUNT_ID,
        "CATALOG_ARCHITECTURE": architecture,
        DATABASE_PORT: str(database_port),
        CACHE_PORT: str(cache_port),
        "CDKTF_DISABLE_PLUGIN_CACHE_ENV": "1",
        "CHECKPOINT_DISABLE": "1",
        "DISABLE_VERSION_CHECK": "1",
        "CI": "1",
        "FORCE_COLOR": "0",
    }
