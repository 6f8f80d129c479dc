"""What Lambda gets: the processor's code and, in a layer, the packages it imports.

`python -m lambda_packages` builds `dist/code.zip` and `dist/layer-<architecture>.zip`, the same bytes on
every build. Synthesis takes them through `build_code`, which needs no network, and `find_layer`, which builds
nothing.
"""

from lambda_packages.errors import PackageError
from lambda_packages.function_code import build_code
from lambda_packages.layer import find_layer
from lambda_packages.target import ARCHITECTURES, DIST, RUNTIME

__all__ = ["ARCHITECTURES", "DIST", "RUNTIME", "PackageError", "build_code", "find_layer"]
