"""Find the installed packages that contain the servers."""

import importlib.util
from pathlib import Path

from local.servers.errors import ServerError


def require(*packages: str) -> Path:
    """Return the directory of the last of these packages, without importing it. Raises: ServerError."""
    place = Path()
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ServerError(f"the package {package} is not installed: run `make setup`")
        place = Path(spec.origin).parent
    return place
