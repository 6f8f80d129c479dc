import json
import zipfile
from pathlib import Path

import pytest

from lambda_packages.bytecode import can_compile
from lambda_packages.errors import PackagingError
from lambda_packages.layer import find_layer, make_layer
from lambda_packages.stamp import StampedZip, write
from tests.support.wheelhouse import Wheelhouse


class Layers:
    """A `dist` folder for layers of a small lock; keeps the lines that `make_layer` reports."""

    def __init__(self, directory: Path) -> None:
        self.wheelhouse = Wheelhouse(directory / "wheels")
        self.wheelhouse.add("pure", {"pure/__init__.py": "x = {'a', 'b'}\n", "pure/stubs.pyi": ""})
        self.wheelhouse.add("old", {"old.py": ""}, markers="python_version < '3.13'")
        self.lock = self.wheelhouse.write_lock(directory / "Pipfile.lock")
        self.dist = directory / "dist"
        self.reported: list[str] = []

    def make(self, *, rebuild: bool = False) -> StampedZip:
        """Build the layer for arm64 as `make package` does."""
        layer = make_layer(
            "arm64",
            self.dist,
            progress=self.reported.append,
            rebuild=rebuild,
            lock=self.lock,
            fetch=self.wheelhouse.take,
        )
        write([layer], self.dist)
        return layer

    def find(self) -> Path | None:
        """Find it as synthesis does."""
        return find_layer("arm64", self.dist, lock=self.lock)


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


def test_a_layer_holds_the_locked_packages_that_the_runtime_needs(layers: Layers) -> None:
    layer = layers.make()
    assert layer.stamp.contents == ["pure-1.0-py3-none-any.whl"]
    assert layers.reported == ["downloading 1 wheels for arm64", "making layer-arm64.zip: 1 modules"]
    found = layers.find()
    assert found == layers.dist / "layer-arm64.zip"
    names = ["python/pure-1.0.dist-info/METADATA", "python/pure/__init__.py"]
    if can_compile():
        names.append("python/pure/__pycache__/__init__.cpython-313.pyc")
    assert zipfile.ZipFile(found).namelist() == names
    assert sorted(file.name for file in layers.dist.iterdir()) == ["layer-arm64.json", "layer-arm64.zip"]


def test_two_builds_give_the_same_bytes(layers: Layers, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    first = layers.make()
    assert layers.make(rebuild=True).zipped == first.zipped
    assert Layers(tmp_path / "elsewhere").make() == first


def test_a_layer_is_built_once(layers: Layers) -> None:
    layers.make()
    assert layers.make().zipped is None
    assert layers.reported[2:] == ["layer-arm64.zip is up to date"]
    assert layers.make(rebuild=True).zipped is not None


def test_no_layer_is_found_before_one_is_built(layers: Layers) -> None:
    assert layers.find() is None


def test_no_layer_of_another_lock_is_found(layers: Layers) -> None:
    layers.make()
    layers.wheelhouse.add("another", {"another.py": ""})
    layers.wheelhouse.write_lock(layers.lock)
    assert layers.find() is None
    assert layers.make().zipped is not None
    assert layers.find() is not None


def test_what_does_not_ship_may_change_in_the_lock(layers: Layers) -> None:
    layers.make()
    layers.wheelhouse.write_lock(layers.lock, develop={"mypy": {"version": "==9", "hashes": []}})
    assert layers.find() is not None


def test_another_builders_layer_is_found_but_built_again(layers: Layers) -> None:
    layers.make()
    stamp = layers.dist / "layer-arm64.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "builder": "CPython 3.11.7, zlib 1.3"}))
    assert layers.find() is not None
    assert layers.make().zipped is not None


def test_a_damaged_layer_is_not_found(layers: Layers) -> None:
    layers.make()
    file = layers.dist / "layer-arm64.zip"
    file.write_bytes(file.read_bytes()[:-1])
    assert layers.find() is None
    file.unlink()
    assert layers.find() is None


def test_a_layer_without_its_stamp_is_not_found(layers: Layers) -> None:
    layers.make()
    (layers.dist / "layer-arm64.json").write_text("[]")
    assert layers.find() is None


def test_a_failure_leaves_dist_as_it_was(layers: Layers) -> None:
    layers.make()
    before = {file.name: file.read_bytes() for file in layers.dist.iterdir()}
    layers.wheelhouse.lock("missing", sha256="0" * 64)
    layers.wheelhouse.write_lock(layers.lock)
    with pytest.raises(PackagingError, match=r"^no wheel for missing==1\.0"):
        layers.make()
    assert {file.name: file.read_bytes() for file in layers.dist.iterdir()} == before


def test_an_unknown_architecture_is_refused(layers: Layers) -> None:
    with pytest.raises(ValueError, match="architecture is 'mips'; accepted: arm64, x86_64"):
        find_layer("mips", layers.dist, lock=layers.lock)
