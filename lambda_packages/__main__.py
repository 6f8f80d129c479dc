"""`python -m lambda_packages`: build the code and the layers into `dist`, and report their sizes."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from lambda_packages.errors import PackagingError
from lambda_packages.function_code import make_code
from lambda_packages.layer import LOCK, Fetch, make_layer
from lambda_packages.report import check_sizes, table
from lambda_packages.stamp import write
from lambda_packages.target import ARCHITECTURES, DIST, ZIPPED_BUDGET_BYTES
from lambda_packages.wheels import download


def build(
    architectures: Iterable[str],
    dist: Path,
    *,
    rebuild: bool,
    lock: Path = LOCK,
    fetch: Fetch = download,
    budget_bytes: int = ZIPPED_BUDGET_BYTES,
) -> str:
    """Build what has changed into `dist`, either all of it or nothing, and return the report.

    Raises: PackagingError, OSError.
    """
    code = make_code(dist, rebuild=rebuild)
    layers = {
        architecture: make_layer(architecture, dist, progress=_print, rebuild=rebuild, lock=lock, fetch=fetch)
        for architecture in architectures
    }
    check_sizes(code, layers, budget_bytes=budget_bytes)
    write([code, *layers.values()], dist)
    return table(code, layers)


def main() -> None:
    """Build, or exit with one line that says what failed."""
    parser = argparse.ArgumentParser(prog="python -m lambda_packages", description=__doc__)
    parser.add_argument("--architecture", choices=[*ARCHITECTURES, "all"], default="all")
    parser.add_argument("--dist", type=Path, default=DIST, help="the folder to build into (default: dist)")
    parser.add_argument("--rebuild", action="store_true", help="also build what has not changed")
    arguments = parser.parse_args()
    chosen = ARCHITECTURES if arguments.architecture == "all" else (arguments.architecture,)
    try:
        report = build(chosen, arguments.dist, rebuild=arguments.rebuild)
    except (PackagingError, OSError) as error:
        sys.exit(str(error))
    _print(f"\n{report}")


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
