"""`python -m lambda_packages`: build code and layers into `dist`, and say how large they are."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from lambda_packages.errors import PackageError
from lambda_packages.function_code import make_code
from lambda_packages.layer import LOCK, Fetch, make_layer
from lambda_packages.report import check_sizes, table
from lambda_packages.stamp import put
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
    """Build what has changed into `dist`, all of it or nothing; returns the report.

    Raises: PackageError, OSError.
    """
    code = make_code(dist, rebuild=rebuild)
    layers = {
        architecture: make_layer(architecture, dist, tell=_tell, rebuild=rebuild, lock=lock, fetch=fetch)
        for architecture in architectures
    }
    check_sizes(code, layers, budget_bytes=budget_bytes)
    put([code, *layers.values()], dist)
    return table(code, layers)


def main() -> None:
    """Build, or end with one line that says what is in the way."""
    parser = argparse.ArgumentParser(prog="python -m lambda_packages", description=__doc__)
    parser.add_argument("--architecture", choices=[*ARCHITECTURES, "all"], default="all")
    parser.add_argument("--dist", type=Path, default=DIST, help="where to (default: dist)")
    parser.add_argument("--rebuild", action="store_true", help="build also what has not changed")
    arguments = parser.parse_args()
    chosen = ARCHITECTURES if arguments.architecture == "all" else (arguments.architecture,)
    try:
        report = build(chosen, arguments.dist, rebuild=arguments.rebuild)
    except (PackageError, OSError) as error:
        sys.exit(str(error))
    _tell(f"\n{report}")


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
