import os
from pathlib import Path

import pytest

from terraform_cli import Terraform, TerraformError, find_terraform


@pytest.fixture
def terraform() -> Terraform:
    """The machine's own Terraform."""
    try:
        return find_terraform(os.environ)
    except TerraformError as error:
        pytest.skip(str(error))


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """An environment with a home, folders and a network of its own: none of them has anything."""
    nowhere = str(tmp_path / "nowhere")
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": nowhere,
        "XDG_DATA_HOME": nowhere,
        "XDG_DATA_DIRS": nowhere,
        # Refuses at once, where a registry out of reach may take its time.
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
