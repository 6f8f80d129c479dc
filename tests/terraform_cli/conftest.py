import os
from pathlib import Path

import pytest

from terraform_cli import Terraform, TerraformError, find_terraform


@pytest.fixture
def terraform() -> Terraform:
    """Terraform as installed on this machine."""
    try:
        return find_terraform(os.environ)
    except TerraformError as error:
        pytest.skip(str(error))


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Environment variables with an empty home, empty data folders and no network."""
    nowhere = str(tmp_path / "nowhere")
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": nowhere,
        "XDG_DATA_HOME": nowhere,
        "XDG_DATA_DIRS": nowhere,
        # Refuses connections immediately; an unreachable registry would be waited for.
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
