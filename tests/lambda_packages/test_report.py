from pathlib import Path

import pytest

from lambda_packages.errors import PackagingError
from lambda_packages.report import bundle_origin, check_sizes, table
from lambda_packages.stamp import Stamp, StampedZip


def stamped_zip(name: str, *, zipped: int, unzipped: int, bytecode: bool = True) -> StampedZip:
    stamp = Stamp(
        made_from="",
        builder="CPython 3.13.0, zlib 1.2.13",
        bytecode=bytecode,
        sha256="ab" * 32,
        zipped_bytes=zipped,
        unzipped_bytes=unzipped,
        contents=[],
    )
    return StampedZip(name=name, stamp=stamp)


CODE = stamped_zip("code.zip", zipped=1_000_000, unzipped=50_000_000)


def test_the_budget_holds_code_and_layer_of_each_architecture() -> None:
    layers = {
        "arm64": stamped_zip("layer-arm64.zip", zipped=24_000_000, unzipped=200_000_000),
        "x86_64": stamped_zip("layer-x86_64.zip", zipped=24_000_000, unzipped=200_000_000),
    }
    check_sizes(CODE, layers)


@pytest.mark.parametrize(
    ("zipped", "unzipped", "message"),
    [
        (24_100_000, 0, "x86_64: code and layer are 25.1 MB zipped, over 25.0 MB; ship less"),
        (0, 200_100_000, "x86_64: code and layer are 250.1 MB unzipped, over 250.0 MB; ship less"),
    ],
)
def test_what_is_over_is_refused(zipped: int, unzipped: int, message: str) -> None:
    layers = {
        "arm64": stamped_zip("layer-arm64.zip", zipped=0, unzipped=0),
        "x86_64": stamped_zip("layer-x86_64.zip", zipped=zipped, unzipped=unzipped),
    }
    with pytest.raises(PackagingError, match=message):
        check_sizes(CODE, layers)


def test_the_table_says_what_was_built_and_by_what() -> None:
    layers = {"arm64": stamped_zip("layer-arm64.zip", zipped=15_400_000, unzipped=53_400_000)}
    lines = table(CODE, layers).splitlines()
    assert lines[:5] == [
        "                    zipped   unzipped  sha256",
        f"code.zip            1.0 MB    50.0 MB  {'ab' * 32}",
        f"layer-arm64.zip    15.4 MB    53.4 MB  {'ab' * 32}",
        "arm64 total        16.4 MB   103.4 MB",
        "at most            25.0 MB   250.0 MB  budget; Lambda's limit",
    ]
    assert lines[6:8] == [
        "runtime       python3.13, with bytecode",
        "built by      CPython 3.13.0, zlib 1.2.13",
    ]
    assert lines[8].startswith("certificates  rds-roots.pem of 20")


def test_the_table_says_why_there_is_no_bytecode() -> None:
    code = stamped_zip("code.zip", zipped=1, unzipped=1, bytecode=False)
    assert "without bytecode: only python3.13 can compile for python3.13" in table(code, {})


def test_a_bundle_that_does_not_say_where_it_is_from_is_refused(tmp_path: Path) -> None:
    bundle = tmp_path / "rds-roots.pem"
    bundle.write_text("# Source: a friend.\n\n# Made: 2026-01-01 by\n")
    with pytest.raises(PackagingError, match=r"rds-roots\.pem does not say its source and date"):
        bundle_origin(bundle)
    bundle.write_text("# Source: npm package x 1.0, y.js.\n# Made: 2026-01-01 by a script.\n\n")
    assert bundle_origin(bundle) == "rds-roots.pem of 2026-01-01, from npm package x 1.0, y.js"
