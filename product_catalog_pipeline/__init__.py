"""What the wheel starts as `catalog`: the operators' program is in this package, with all that it imports.

Beside `processor`, packages called `catalog`, `costs` or `local` would be in the way of a shop's own.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the program, whose packages only this process and its workers find."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from catalog.app import app
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed; install the wheel with its extra, …any.whl[catalog]")
    app(prog_name="catalog")
