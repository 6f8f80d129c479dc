"""A password in any file that a deployment wrote is found."""

from pathlib import Path
from typing import Any

import pytest

from local.deploy.errors import DeployError
from local.deploy.passwords import check_files, check_state


def test_a_password_is_found_at_any_depth(tmp_path: Path) -> None:
    folder = tmp_path / "cdktf.out" / "stacks" / "dev-stack"
    folder.mkdir(parents=True)
    (tmp_path / "state").write_text("{}")
    (folder / "plan").write_bytes(b"\0before Correct-Horse after")
    assert check_files({"postgres": "none-of-these"}, tmp_path) == 2
    with pytest.raises(DeployError, match=r"dev-stack/plan contains the password of product_shop"):
        check_files({"postgres": "none-of-these", "product_shop": "Correct-Horse"}, tmp_path)


def test_packages_are_not_searched(tmp_path: Path) -> None:
    for name in (".terraform", "assets"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("Correct-Horse")
    assert check_files({"postgres": "Correct-Horse"}, tmp_path) == 0


def state(**attributes: Any) -> dict[str, Any]:
    instance = {"attributes": attributes}
    return {
        "resources": [
            {"type": "aws_secretsmanager_secret_version", "name": "Writer", "instances": [instance]}
        ]
    }


def test_a_secrets_value_in_the_state_is_found() -> None:
    check_state(state(secret_string="", secret_string_wo=None, secret_string_wo_version=1))
    with pytest.raises(
        DeployError, match="the state contains secret_string of aws_secretsmanager_secret_version"
    ):
        check_state(state(secret_string="{}"))
