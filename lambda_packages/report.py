"""What `make package` prints at its end."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lambda_packages.errors import PackageError
from lambda_packages.stamp import Package
from lambda_packages.target import PROJECT, RUNTIME, UNZIPPED_LIMIT_BYTES, ZIPPED_BUDGET_BYTES

BUNDLE = PROJECT / "processor" / "certificates" / "rds-roots.pem"


def check_sizes(
    code: Package,
    layers: Mapping[str, Package],
    *,
    budget_bytes: int = ZIPPED_BUDGET_BYTES,
    limit_bytes: int = UNZIPPED_LIMIT_BYTES,
) -> None:
    """Hold the code with each architecture's layer against the budget and Lambda's limit.

    Raises: PackageError.
    """
    for architecture, layer in layers.items():
        zipped = code.stamp.zipped_bytes + layer.stamp.zipped_bytes
        unzipped = code.stamp.unzipped_bytes + layer.stamp.unzipped_bytes
        for size, limit, state in ((zipped, budget_bytes, "zipped"), (unzipped, limit_bytes, "unzipped")):
            if size > limit:
                raise PackageError(
                    f"{architecture}: code and layer are {_megabytes(size)} {state}, over {_megabytes(limit)}"
                    "; ship less (lambda_packages/unpacking.py) or do without a package"
                )


def table(code: Package, layers: Mapping[str, Package]) -> str:
    """Files, sizes against the limits, what built them, and the certificate bundle's origin."""
    rows = [("", "zipped", "unzipped", "sha256")]
    for package in (code, *layers.values()):
        stamp = package.stamp
        rows.append(
            (package.name, _megabytes(stamp.zipped_bytes), _megabytes(stamp.unzipped_bytes), stamp.sha256)
        )
    for architecture, layer in layers.items():
        zipped = code.stamp.zipped_bytes + layer.stamp.zipped_bytes
        unzipped = code.stamp.unzipped_bytes + layer.stamp.unzipped_bytes
        rows.append((f"{architecture} in all", _megabytes(zipped), _megabytes(unzipped), ""))
    limits = (_megabytes(ZIPPED_BUDGET_BYTES), _megabytes(UNZIPPED_LIMIT_BYTES))
    rows.append(("at most", *limits, "budget; Lambda's limit"))
    return "\n".join([*_aligned(rows), "", *_origin(code)])


def bundle_origin(bundle: Path = BUNDLE) -> str:
    """The certificate bundle's source and date, as its head says.

    Raises: PackageError if it does not.
    """
    head = bundle.read_text(encoding="ascii").partition("\n\n")[0]
    source = re.search(r"^# Source: (.+?)\.?$", head, re.MULTILINE)
    made = re.search(r"^# Made: (\d{4}-\d\d-\d\d) ", head, re.MULTILINE)
    if source is None or made is None:
        raise PackageError(f"{bundle.name} does not say its source and date; make it anew")
    return f"{bundle.name} of {made[1]}, from {source[1]}"


def _origin(code: Package) -> list[str]:
    bytecode = (
        "with bytecode"
        if code.stamp.bytecode
        else f"without bytecode: only {RUNTIME} can compile for {RUNTIME}"
    )
    return [
        f"runtime       {RUNTIME}, {bytecode}",
        f"built by      {code.stamp.builder}",
        f"certificates  {bundle_origin()}",
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def _aligned(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    name_width = max(len(row[0]) for row in rows)
    return [
        f"{name:<{name_width}}  {zipped:>9}  {unzipped:>9}  {rest}".rstrip()
        for name, zipped, unzipped, rest in rows
    ]
