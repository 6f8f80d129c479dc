import json
from pathlib import Path

import pytest

from lambda_packages.errors import PackagingError
from lambda_packages.layer import LOCK
from lambda_packages.target import ARCHITECTURES, machine, marker_environment, platforms
from lambda_packages.wheels import download, requirements
from tests.support.wheelhouse import Wheelhouse


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse(tmp_path / "wheels")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    directory = tmp_path / "downloaded"
    directory.mkdir()
    return directory


@pytest.mark.parametrize(
    ("marker", "ships"),
    [
        ("python_version >= '3.9'", True),
        ("python_full_version < '3.11.3'", False),
        ("python_version < '3.13'", False),
        ("python_version == '3.13' and python_full_version < '4.0.0'", True),
        ("sys_platform == 'linux'", True),
        ("sys_platform == 'darwin' or platform_system == 'Windows' or os_name == 'nt'", False),
        ("implementation_name == 'cpython' and platform_python_implementation == 'CPython'", True),
        ("platform_machine == 'aarch64'", True),
        ("platform_machine == 'arm64'", False),
    ],
)
def test_markers_are_evaluated_for_the_runtime(marker: str, ships: bool) -> None:  # noqa: FBT001
    locked = {"six": {"version": "==1.0", "hashes": ["sha256:aa", "sha256:bb"], "markers": marker}}
    wanted = ["six==1.0 --hash=sha256:aa --hash=sha256:bb"] if ships else []
    assert requirements(locked, "arm64") == wanted


def test_requirements_of_older_pythons_only_are_left_out() -> None:
    locked = json.loads(LOCK.read_text())["default"]
    names = {line.partition("==")[0] for line in requirements(locked, "x86_64")}
    assert set(locked) - names == {"async-timeout"}
    assert {"asyncpg", "aioboto3", "redis", "hiredis", "aws-lambda-powertools"} <= names


def test_every_marker_variable_is_given() -> None:
    from packaging.markers import default_environment

    assert set(marker_environment("arm64")) == set(default_environment())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_wheels_of_any_glibc_that_the_runtime_has(architecture: str) -> None:
    tags = platforms(architecture)
    assert tags[0] == f"manylinux_2_34_{machine(architecture)}"
    assert f"manylinux_2_28_{machine(architecture)}" in tags
    assert f"manylinux2014_{machine(architecture)}" in tags
    assert not [tag for tag in tags if "_2_35_" in tag or "musllinux" in tag]


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="architecture is 'riscv'; accepted: arm64, x86_64"):
        platforms("riscv")


def test_the_best_wheel_for_the_runtime_is_taken(wheelhouse: Wheelhouse, into: Path) -> None:
    wheelhouse.add("pure", {"pure.py": ""})
    # For another Python, another machine and another C library.
    for tag in (
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp313-cp313-manylinux_2_17_x86_64",
        "cp313-cp313-musllinux_1_2_aarch64",
    ):
        wheelhouse.add("fast", {"fast.so": tag}, tag=tag)
    wheelhouse.add("fast", {"fast.so": "ours"}, tag="cp313-cp313-manylinux_2_28_aarch64")
    wheelhouse.add("stable", {"stable.so": ""}, tag="cp310-abi3-manylinux2014_aarch64")
    wheels = wheelhouse.fetch(requirements(wheelhouse.locked, "arm64"), "arm64", into)
    assert [wheel.name for wheel in wheels] == [
        "fast-1.0-cp313-cp313-manylinux_2_28_aarch64.whl",
        "pure-1.0-py3-none-any.whl",
        "stable-1.0-cp310-abi3-manylinux2014_aarch64.whl",
    ]


def test_a_package_without_a_wheel_is_named(wheelhouse: Wheelhouse, into: Path) -> None:
    wheelhouse.add("fast", {"fast.so": ""}, tag="cp313-cp313-macosx_14_0_arm64")
    with pytest.raises(
        PackagingError, match=r"^fast==1\.0 has no wheel for python3\.13 on arm64; choose .*`make lock`"
    ):
        wheelhouse.fetch(requirements(wheelhouse.locked, "arm64"), "arm64", into)


def test_a_file_that_the_lock_does_not_pin_is_refused(wheelhouse: Wheelhouse, into: Path) -> None:
    wheelhouse.add("pure", {"pure.py": ""})
    wheelhouse.lock("pure", sha256="0" * 64)
    with pytest.raises(PackagingError, match=r"^pure==1\.0: .* has a file that Pipfile\.lock does not pin"):
        wheelhouse.fetch(requirements(wheelhouse.locked, "arm64"), "arm64", into)


def test_an_unreachable_index_is_reported(into: Path) -> None:
    nobody_listens = ["--index-url", "http://127.0.0.1:9/simple", "--retries", "1"]
    with pytest.raises(
        PackagingError, match=r"^pip cannot reach the package index for no-such-package==1\.0; check"
    ):
        download(
            [f"no-such-package==1.0 --hash=sha256:{'0' * 64}"], "arm64", into, pip_options=nobody_listens
        )
