from pathlib import Path

import pytest

from lambda_packages.__main__ import build
from lambda_packages.errors import PackagingError
from tests.support.wheelhouse import Wheelhouse


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    wheelhouse = Wheelhouse(tmp_path / "wheels")
    wheelhouse.add("pure", {"pure.py": "x = 1\n"})
    return wheelhouse


def test_code_and_the_requested_layers_are_built(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    lock, dist = wheelhouse.write_lock(tmp_path / "Pipfile.lock"), tmp_path / "dist"
    report = build(["arm64"], dist, rebuild=False, lock=lock, fetch=wheelhouse.take)
    assert {file.name for file in dist.glob("*.zip")} == {"code.zip", "layer-arm64.zip"}
    assert "layer-arm64.zip " in report
    assert "x86_64" not in report
    report = build(["arm64", "x86_64"], dist, rebuild=False, lock=lock, fetch=wheelhouse.take)
    assert {file.name for file in dist.glob("*.zip")} == {"code.zip", "layer-arm64.zip", "layer-x86_64.zip"}
    assert "x86_64 total" in report


def test_a_failed_build_leaves_nothing(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    lock, dist = wheelhouse.write_lock(tmp_path / "Pipfile.lock"), tmp_path / "dist"
    with pytest.raises(PackagingError, match=r"^arm64: code and layer are .* zipped, over "):
        build(["arm64"], dist, rebuild=False, lock=lock, fetch=wheelhouse.take, budget_bytes=1000)
    wheelhouse.lock("missing", sha256="0" * 64)
    wheelhouse.write_lock(lock)
    with pytest.raises(PackagingError, match=r"^no wheel for missing==1\.0 on arm64"):
        build(["arm64", "x86_64"], dist, rebuild=False, lock=lock, fetch=wheelhouse.take)
    assert not dist.exists()
