"""A missing prerequisite is named in one message."""

import pytest

from local.deploy.errors import PrerequisiteError
from local.deploy.prerequisites import find_architecture, find_machine


@pytest.mark.parametrize(("processor", "architecture"), [("x86_64", "x86_64"), ("aarch64", "arm64")])
def test_lambdas_name_for_an_architecture(processor: str, architecture: str) -> None:
    assert find_architecture("linux", processor) == architecture


@pytest.mark.parametrize(
    ("system", "processor", "message"),
    [
        ("darwin", "arm64", "this machine runs darwin"),
        ("linux", "riscv64", "Lambda does not support riscv64"),
    ],
)
def test_where_no_layer_runs(system: str, processor: str, message: str) -> None:
    with pytest.raises(PrerequisiteError, match=message):
        find_architecture(system, processor)


def test_without_terraform() -> None:
    with pytest.raises(PrerequisiteError, match=r"terraform is not on the PATH\. Install Terraform"):
        find_machine({"PATH": "/nonexistent"})
