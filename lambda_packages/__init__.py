"""Lambda's deployment packages: the processor's code, and a layer with the packages that it imports.

`python -m lambda_packages` builds `dist/code.zip` and `dist/layer-<architecture>.zip`, the same bytes on
every build. Synthesis calls `build_code`, which needs no network, and `find_layer`, which builds nothing.
"""

from lambda_packages.errors import PackagingError
from lambda_packages.function_code import build_code
from lambda_packages.layer import find_layer
from lambda_packages.target import ARCHITECTURES, DIST, RUNTIME

__all__ = ["ARCHITECTURES", "DIST", "RUNTIME", "PackagingError", "build_code", "find_layer"]
