"""The installed packages that the servers come from."""

import importlib.util
from pathlib import Path

from local.servers.errors import ServerError


def require(*packages: str) -> Path:
    """The directory of the last of these installed packages, found without importing it."""
    place = Path()
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ServerError(f"the package {package} is not installed: run `make setup`")
        place = Path(spec.origin).parent
    return place
