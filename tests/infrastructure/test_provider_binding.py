import importlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from stacks.provider_binding import PACKAGE, PROVIDER_VERSION, bundled_node, register_bare_package
from tests.support.synthesized import Stack


def test_the_package_has_the_layout_that_the_bare_package_needs() -> None:
    """Bare package → submodule → `_jsii` → assembly; fails if a new version changes that."""
    (directory,) = map(Path, sys.modules[PACKAGE].__path__)
    submodule = (directory / "kinesis_stream" / "__init__.py").read_text()
    assert "\nfrom .._jsii import *\n" in submodule
    assert "\nfrom .. import" not in submodule
    assert "jsii.JSIIAssembly.load(" in (directory / "_jsii" / "__init__.py").read_text()
    assert f"provider version {PROVIDER_VERSION}\n" in (directory / "__init__.py").read_text()


def test_only_the_submodules_in_use_are_imported(stacks: dict[str, Stack]) -> None:
    assert stacks
    assert f"{PACKAGE}.kinesis_stream" in sys.modules
    imported = [name for name in sys.modules if name.startswith(f"{PACKAGE}.") and name.count(".") == 1]
    assert len(imported) < 100, "the package's __init__ ran: it imports all of its 1,550 submodules"


def test_a_submodule_is_usable_and_the_assembly_is_loaded() -> None:
    assembly = importlib.import_module(f"{PACKAGE}._jsii").__jsii_assembly__
    assert assembly.version == version("cdktf-cdktf-provider-aws")
    submodule = importlib.import_module(f"{PACKAGE}.kinesis_stream")
    assert submodule.KinesisStream.TF_RESOURCE_TYPE == "aws_kinesis_stream"


def test_registering_again_changes_nothing() -> None:
    package = sys.modules[PACKAGE]
    register_bare_package()
    assert sys.modules[PACKAGE] is package


def test_node_comes_from_the_virtual_environment() -> None:
    node = bundled_node()
    assert node is not None
    assert Path(sys.prefix) in node.parents
    run = subprocess.run(  # noqa: S603
        [node, "--print", "JSON.stringify(process.versions)"], capture_output=True, text=True, check=True
    )
    assert int(json.loads(run.stdout)["node"].split(".")[0]) >= 24
