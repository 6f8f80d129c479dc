"""Terraform's CLI configuration: this machine's if it says where providers come from, else ours."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from terraform_cli.mirror import SOURCE

CONFIG_VARIABLE = "TF_CLI_CONFIG_FILE"


def chooses_providers(variables: Mapping[str, str]) -> bool:
    """Return whether this machine's configuration says where providers come from, so that ours must not."""
    home = variables.get("HOME")
    named = variables.get(CONFIG_VARIABLE) or (f"{home}/.terraformrc" if home else "")
    try:
        text = Path(named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(r'^\s*"?provider_installation\b', text, re.MULTILINE) is not None


def configuration_text(folder: Path) -> str:
    """Return a configuration that takes the AWS provider from a mirror and others from the registry."""
    only = f"[{json.dumps(SOURCE)}]"
    return (
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {json.dumps(str(folder))}\n    include = {only}\n  }}\n"
        f"  direct {{\n    exclude = {only}\n  }}\n"
        "}\n"
    )


@contextmanager
def configured(folder: Path | None, variables: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield environment variables that make Terraform take the provider from a folder; None: as it would."""
    if folder is None:
        yield dict(variables)
        return
    with tempfile.TemporaryDirectory(prefix="terraform-") as directory:
        file = Path(directory) / "terraform.rc"
        file.write_text(configuration_text(folder), encoding="utf-8")
        # A plugin cache would only duplicate the mirror.
        others = {name: value for name, value in variables.items() if name != "TF_PLUGIN_CACHE_DIR"}
        yield others | {CONFIG_VARIABLE: str(file)}
