from pathlib import Path

import pytest

from stacks.provider_binding import PROVIDER_VERSION
from terraform_cli import Mirror, Terraform, TerraformError, choose_provider
from terraform_cli.configuration import configuration_text
from terraform_cli.mirror import SOURCE, VARIABLE
from terraform_cli.provider import fetch
from tests.support.provider_mirrors import unpacked


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """Where a provider from a registry would be kept."""
    return tmp_path / "fetched" / "providers"


def configure(home: Path, mirror: Path) -> dict[str, str]:
    """Write a configuration as somebody has it in their home."""
    home.mkdir()
    (home / ".terraformrc").write_text(configuration_text(mirror))
    return {"HOME": str(home)}


def test_a_mirror_with_the_bindings_own_version_needs_no_registry(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    mirror = unpacked(tmp_path / "mirror", PROVIDER_VERSION, terraform.platform)
    chosen = choose_provider(terraform, variables, fetched=fetched, roots=[mirror])
    assert (chosen.is_exact, chosen.mirror) == (True, Mirror(folder=mirror, version=PROVIDER_VERSION))
    assert not fetched.exists()
    with chosen.variables(variables) as environment:
        assert "CATALOG_WIDE_PROVIDER" not in environment


def test_another_version_is_for_when_no_registry_answers(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    mirror = unpacked(tmp_path / "mirror", "5.100.0", terraform.platform)
    chosen = choose_provider(terraform, variables, fetched=fetched, roots=[mirror])
    assert (chosen.is_exact, chosen.mirror) == (False, Mirror(folder=mirror, version="5.100.0"))
    assert chosen.told.startswith(f"AWS provider 5.100.0 instead of {PROVIDER_VERSION}")
    with chosen.variables(variables) as environment:
        assert environment["CATALOG_WIDE_PROVIDER"] == "1"


def test_a_named_mirror_is_not_weighed_against_the_registry(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    mirror = unpacked(tmp_path / "mirror", "5.100.0", terraform.platform)
    theirs = configure(tmp_path / "home", unpacked(tmp_path / "other", PROVIDER_VERSION, terraform.platform))
    named = {**variables, **theirs, VARIABLE: str(mirror)}
    chosen = choose_provider(terraform, named, fetched=fetched, roots=[])
    assert chosen.mirror == Mirror(folder=mirror, version="5.100.0")


def test_what_the_registry_has_is_kept_and_found_again(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    registry = unpacked(tmp_path / "registry", PROVIDER_VERSION, terraform.platform)
    reachable = {**variables, **configure(tmp_path / "home", registry)}
    assert fetch(terraform, reachable, fetched) is None
    assert fetch(terraform, reachable, fetched) is None, "the second of two at once fails"
    (binary,) = (fetched / SOURCE / PROVIDER_VERSION / terraform.platform).iterdir()
    assert not binary.resolve().is_relative_to(registry)
    chosen = choose_provider(terraform, variables, fetched=fetched, roots=[])
    assert chosen.mirror == Mirror(folder=fetched, version=PROVIDER_VERSION)
    assert [path.name for path in fetched.parent.iterdir()] == [fetched.name]


@pytest.mark.parametrize(("version", "is_exact"), [(PROVIDER_VERSION, True), ("6.30.0", False)])
def test_somebodys_own_configuration_is_left_in_force(
    version: str, *, is_exact: bool, terraform: Terraform, variables: dict[str, str], tmp_path: Path
) -> None:
    theirs = configure(tmp_path / "home", unpacked(tmp_path / "theirs", version, terraform.platform))
    ours = unpacked(tmp_path / "ours", PROVIDER_VERSION, terraform.platform)
    chosen = choose_provider(terraform, {**variables, **theirs}, fetched=tmp_path / "f", roots=[ours])
    assert (chosen.is_exact, chosen.mirror) == (is_exact, None)


def test_without_a_provider_it_says_what_terraform_said_and_what_to_do(
    terraform: Terraform, variables: dict[str, str], fetched: Path
) -> None:
    with pytest.raises(TerraformError) as refusal:
        choose_provider(terraform, variables, fetched=fetched, roots=[])
    said = str(refusal.value)
    assert "registry.terraform.io" in said
    for way in ("reach its registry", VARIABLE, "terraform providers mirror", "provider_installation"):
        assert way in said
