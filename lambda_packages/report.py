"""The report that `make package` prints at the end."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lambda_packages.errors import PackagingError
from lambda_packages.stamp import StampedZip
from lambda_packages.target import PROJECT, RUNTIME, UNZIPPED_LIMIT_BYTES, ZIPPED_BUDGET_BYTES

BUNDLE = PROJECT / "processor" / "certificates" / "rds-roots.pem"


def check_sizes(
    code: StampedZip,
    layers: Mapping[str, StampedZip],
    *,
    budget_bytes: int = ZIPPED_BUDGET_BYTES,
    limit_bytes: int = UNZIPPED_LIMIT_BYTES,
) -> None:
    """Check the size of the code with each architecture's layer against the budget and Lambda's limit.

    Raises: PackagingError.
    """
    for architecture, layer in layers.items():
        zipped = code.stamp.zipped_bytes + layer.stamp.zipped_bytes
        unzipped = code.stamp.unzipped_bytes + layer.stamp.unzipped_bytes
        for size, limit, state in ((zipped, budget_bytes, "zipped"), (unzipped, limit_bytes, "unzipped")):
            if size > limit:
                raise PackagingError(
                    f"{architecture}: code and layer are {_megabytes(size)} {state}, over {_megabytes(limit)}"
                    "; ship less (lambda_packages/unpacking.py) or remove a dependency"
                )


def table(code: StampedZip, layers: Mapping[str, StampedZip]) -> str:
    """Return the report: files, sizes and limits, what built them, and the certificate bundle's origin."""
    rows = [("", "zipped", "unzipped", "sha256")]
    for built in (code, *layers.values()):
        stamp = built.stamp
        rows.append(
            (built.name, _megabytes(stamp.zipped_bytes), _megabytes(stamp.unzipped_bytes), stamp.sha256)
        )
    for architecture, layer in layers.items():
        zipped = code.stamp.zipped_bytes + layer.stamp.zipped_bytes
        unzipped = code.stamp.unzipped_bytes + layer.stamp.unzipped_bytes
        rows.append((f"{architecture} total", _megabytes(zipped), _megabytes(unzipped), ""))
    limits = (_megabytes(ZIPPED_BUDGET_BYTES), _megabytes(UNZIPPED_LIMIT_BYTES))
    rows.append(("at most", *limits, "budget; Lambda's limit"))
    return "\n".join([*_aligned(rows), "", *_origin(code)])


def bundle_origin(bundle: Path = BUNDLE) -> str:
    """Return the certificate bundle's source and date from its first lines.

    Raises: PackagingError if they are not there.
    """
    head = bundle.read_text(encoding="ascii").partition("\n\n")[0]
    source = re.search(r"^# Source: (.+?)\.?$", head, re.MULTILINE)
    made = re.search(r"^# Made: (\d{4}-\d\d-\d\d) ", head, re.MULTILINE)
    if source is None or made is None:
        raise PackagingError(
            f"{bundle.name} does not say its source and date; run scripts/rds_certificates.py"
        )
    return f"{bundle.name} of {made[1]}, from {source[1]}"


def _origin(code: StampedZip) -> list[str]:
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
