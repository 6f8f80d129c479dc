import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.provider_binding import PROVIDER_VERSION, WIDE_PROVIDER_VERSIONS
from terraform_cli import Mirror, TerraformError, find_mirror
from terraform_cli.mirror import LOWEST, MIRROR_VARIABLE, SOURCE, UPPER_LIMIT
from tests.support.provider_mirrors import PLATFORM, packed, unpacked


@pytest.mark.parametrize("lay_out", [packed, unpacked])
def test_a_mirror_is_found_in_either_layout(
    lay_out: Callable[[Path, str], Path], variables: dict[str, str], tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "a" / "b", "5.100.0")
    found = find_mirror(PLATFORM, variables, roots=[tmp_path])
    assert found == Mirror(folder=folder, version="5.100.0")


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (["5.100.0", "6.3.0", "6.20.0"], "6.20.0"),
        (["6.9.0", "6.10.0"], "6.10.0"),
        (["5.99.9", "7.0.0"], None),
        (["5.100.0", PROVIDER_VERSION, "6.99.0"], PROVIDER_VERSION),
        ([], None),
    ],
)
def test_the_bindings_own_version_is_best_then_the_highest_in_range(
    versions: list[str], chosen: str | None, variables: dict[str, str], tmp_path: Path
) -> None:
    for version in versions:
        unpacked(tmp_path, version)
    found = find_mirror(PLATFORM, variables, roots=[tmp_path])
    assert (found and found.version) == chosen


def test_the_range_is_the_stacks() -> None:
    low, high = (".".join(map(str, end)) for end in (LOWEST, UPPER_LIMIT))
    assert f">= {low}, < {high}" == WIDE_PROVIDER_VERSIONS


@pytest.mark.parametrize("lay_out", [packed, unpacked])
def test_another_platforms_provider_is_ignored(
    lay_out: Callable[[Path, str, str], Path], variables: dict[str, str], tmp_path: Path
) -> None:
    lay_out(tmp_path, "5.100.0", "windows_amd64")
    assert find_mirror(PLATFORM, variables, roots=[tmp_path]) is None


def test_an_empty_or_absent_folder_is_not_a_mirror(variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a" / SOURCE / "5.100.0" / PLATFORM).mkdir(parents=True)
    assert find_mirror(PLATFORM, variables, roots=[tmp_path / "a", tmp_path / "absent"]) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_folders_are_skipped(
    variables: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    unpacked(tmp_path / "open", "5.100.0")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    request.addfinalizer(lambda: closed.chmod(0o700))
    assert find_mirror(PLATFORM, variables, roots=[tmp_path]) is not None


def test_the_scan_goes_only_so_deep_and_follows_no_links(variables: dict[str, str], tmp_path: Path) -> None:
    unpacked(tmp_path / "1" / "2" / "3" / "4", "5.100.0")
    (tmp_path / "link").symlink_to(tmp_path / "1" / "2" / "3")
    assert find_mirror(PLATFORM, variables, roots=[tmp_path]) is None
    assert find_mirror(PLATFORM, variables, roots=[tmp_path / "1"]) is not None


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has other folders")
@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("HOME", ".terraform.d/plugins"),
        ("HOME", ".terraform.d/plugin-cache"),
        ("XDG_DATA_HOME", "terraform/plugins"),
        ("XDG_DATA_DIRS", "terraform/plugins"),
        ("TF_PLUGIN_CACHE_DIR", "."),
    ],
)
def test_terraforms_own_folders_are_searched(
    variable: str, below: str, variables: dict[str, str], tmp_path: Path
) -> None:
    folder = unpacked(tmp_path / "place" / below, "5.100.0")
    assert find_mirror(PLATFORM, variables, roots=[]) is None
    found = find_mirror(PLATFORM, {**variables, variable: str(tmp_path / "place")}, roots=[])
    assert found == Mirror(folder=folder, version="5.100.0")


def test_a_named_mirror_wins_over_better_ones(variables: dict[str, str], tmp_path: Path) -> None:
    unpacked(tmp_path / "better", PROVIDER_VERSION)
    named = packed(tmp_path / "named", "5.100.0")
    found = find_mirror(PLATFORM, {**variables, MIRROR_VARIABLE: str(named)}, roots=[tmp_path])
    assert found == Mirror(folder=named, version="5.100.0")


def test_a_named_folder_that_is_not_a_mirror_is_refused(variables: dict[str, str], tmp_path: Path) -> None:
    unpacked(tmp_path / "other", PROVIDER_VERSION)
    with pytest.raises(
        TerraformError, match=f"^{MIRROR_VARIABLE} is '.*/empty'; accepted: a folder that holds {SOURCE}"
    ):
        find_mirror(PLATFORM, {**variables, MIRROR_VARIABLE: str(tmp_path / "empty")}, roots=[tmp_path])
