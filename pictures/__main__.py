"""Draw the pictures that need no servers: `make pictures`.

    python -m pictures [NAME …]

Each is made of a text of the project, so that a test can draw it again and compare.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.environments import DEV
from tests.support.synthesized import synthesize_environment, synthesize_pictured

PROJECT = Path(__file__).parents[1]
ARCHITECTURE = PROJECT / "docs" / "pictures" / "architecture.svg"


def main() -> None:
    """Draw those that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m pictures", description="Draw the pictures of documents.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(_PICTURES)} (default: all)")
    names = parser.parse_args().names or list(_PICTURES)
    for name in names:
        if name not in _PICTURES:
            parser.error(f"NAME is {name!r}; accepted: {', '.join(_PICTURES)}")
    for name in names:
        sys.stdout.write(f"{_PICTURES[name]().relative_to(PROJECT)}: read its diff\n")


def _architecture() -> Path:
    """Draw the stack of prod, synthesized; what the stack of dev lacks is dashed."""
    from pictures.drawing import draw

    with tempfile.TemporaryDirectory() as directory:
        pictured = synthesize_pictured(_folder(directory, "pictured"))
        dev = synthesize_environment(DEV, _folder(directory, "dev")).readable()
    ARCHITECTURE.parent.mkdir(exist_ok=True)
    ARCHITECTURE.write_text(draw(pictured.document, dev.document), encoding="utf-8")
    return ARCHITECTURE


def _folder(directory: str, name: str) -> Path:
    folder = Path(directory) / name
    folder.mkdir()
    return folder


def _plots() -> Path:
    """Draw the benchmarks' plots, of benchmarks/results.json."""
    from benchmarks import report

    report.main()
    return report.PLOTS


# Where a picture is made of a kept text, it has an entry here.
_PICTURES: Mapping[str, Callable[[], Path]] = {"architecture": _architecture, "plots": _plots}


if __name__ == "__main__":
    main()
