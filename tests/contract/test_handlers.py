"""The handlers that Lambda is configured to call are in the shipped code, for its runtime."""

import importlib
import inspect
import zipfile
from pathlib import Path
from typing import get_args

import pytest

from lambda_packages import ARCHITECTURES, RUNTIME, build_code
from lambda_packages.layer import layer_name
from lambda_packages.target import PROJECT
from processor.migrate import DIRECTORY
from processor.settings import RDS_ROOTS
from stacks.config.settings import Architecture
from stacks.config.supported_versions import END_OF_LIFE
from tests.support.deployed_functions import STACK_IDS, block_of, migrations, processor, references
from tests.support.synthesized import Stack


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the paths in the function's code as it is shipped."""
    archive = build_code(tmp_path_factory.mktemp("code"))
    return set(zipfile.ZipFile(archive).namelist())


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_handlers_are_shipped_and_take_event_and_context(
    stacks: dict[str, Stack], shipped: set[str], stack_id: str
) -> None:
    stack = stacks[stack_id]
    handlers = {function(stack).block["handler"] for function in (processor, migrations)}
    assert len(handlers) == 2
    for handler in handlers:
        # Like Lambda's runtime: https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
        module_name, _, function_name = handler.rpartition(".")
        module = importlib.import_module(module_name)
        inspect.signature(getattr(module, function_name)).bind({}, object())
        assert f"{module_name.replace('.', '/')}.py" in shipped


def test_what_the_code_reads_beside_itself_is_shipped(shipped: set[str]) -> None:
    for file in (RDS_ROOTS, *DIRECTORY.glob("*.sql")):
        assert file.relative_to(PROJECT).as_posix() in shipped


@pytest.mark.parametrize("stack_id", STACK_IDS)
def test_functions_run_where_the_packages_are_built_for(stacks: dict[str, Stack], stack_id: str) -> None:
    stack = stacks[stack_id]
    for _, function in references(stack, "aws_lambda_function", "arn"):
        (architecture,) = function["architectures"]
        (layer_arn,) = function["layers"]
        layer = block_of(stack, layer_arn)
        assert function["runtime"] == RUNTIME
        assert architecture in ARCHITECTURES
        assert layer["compatible_runtimes"] == [RUNTIME]
        assert layer["compatible_architectures"] == [architecture]
        assert Path(layer["filename"]).name == layer_name(architecture)


def test_stacks_accept_what_packages_can_be_built_for() -> None:
    assert set(get_args(Architecture)) == set(ARCHITECTURES)
    assert set(END_OF_LIFE["Lambda runtime"]) == {RUNTIME}
