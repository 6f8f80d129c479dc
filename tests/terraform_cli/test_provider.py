from pathlib import Path

import pytest

from stacks.provider_binding import PROVIDER_VERSION
from terraform_cli import Mirror, Terraform, TerraformError, choose_provider
from terraform_cli.configuration import configuration_text
from terraform_cli.mirror import MIRROR_VARIABLE, SOURCE
from terraform_cli.provider import fetch
from tests.support.provider_mirrors import unpacked


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """Folder for a provider from a registry."""
    return tmp_path / "fetched" / "providers"


def configure(home: Path, mirror: Path) -> dict[str, str]:
    """Write a person's own configuration into their home."""
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


def test_another_version_is_used_when_no_registry_answers(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    mirror = unpacked(tmp_path / "mirror", "5.100.0", terraform.platform)
    chosen = choose_provider(terraform, variables, fetched=fetched, roots=[mirror])
    assert (chosen.is_exact, chosen.mirror) == (False, Mirror(folder=mirror, version="5.100.0"))
    assert chosen.description.startswith(f"AWS provider 5.100.0 instead of {PROVIDER_VERSION}")
    with chosen.variables(variables) as environment:
        assert environment["CATALOG_WIDE_PROVIDER"] == "1"


def test_a_named_mirror_is_used_without_trying_the_registry(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    mirror = unpacked(tmp_path / "mirror", "5.100.0", terraform.platform)
    theirs = configure(tmp_path / "home", unpacked(tmp_path / "other", PROVIDER_VERSION, terraform.platform))
    named = {**variables, **theirs, MIRROR_VARIABLE: str(mirror)}
    chosen = choose_provider(terraform, named, fetched=fetched, roots=[])
    assert chosen.mirror == Mirror(folder=mirror, version="5.100.0")


def test_a_provider_from_the_registry_is_kept_and_found_again(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path, fetched: Path
) -> None:
    registry = unpacked(tmp_path / "registry", PROVIDER_VERSION, terraform.platform)
    reachable = {**variables, **configure(tmp_path / "home", registry)}
    assert fetch(terraform, reachable, fetched) is None
    assert fetch(terraform, reachable, fetched) is None, "the second of two concurrent calls fails"
    (binary,) = (fetched / SOURCE / PROVIDER_VERSION / terraform.platform).iterdir()
    assert not binary.resolve().is_relative_to(registry)
    chosen = choose_provider(terraform, variables, fetched=fetched, roots=[])
    assert chosen.mirror == Mirror(folder=fetched, version=PROVIDER_VERSION)
    assert [path.name for path in fetched.parent.iterdir()] == [fetched.name]


@pytest.mark.parametrize(("version", "is_exact"), [(PROVIDER_VERSION, True), ("6.30.0", False)])
def test_a_persons_own_configuration_is_kept(
    version: str, *, is_exact: bool, terraform: Terraform, variables: dict[str, str], tmp_path: Path
) -> None:
    theirs = configure(tmp_path / "home", unpacked(tmp_path / "theirs", version, terraform.platform))
    ours = unpacked(tmp_path / "ours", PROVIDER_VERSION, terraform.platform)
    chosen = choose_provider(terraform, {**variables, **theirs}, fetched=tmp_path / "f", roots=[ours])
    assert (chosen.is_exact, chosen.mirror) == (is_exact, None)


def test_without_a_provider_the_error_has_terraforms_output_and_what_to_do(
    terraform: Terraform, variables: dict[str, str], fetched: Path
) -> None:
    with pytest.raises(TerraformError) as refusal:
        choose_provider(terraform, variables, fetched=fetched, roots=[])
    message = str(refusal.value)
    assert "registry.terraform.io" in message
    for way in ("reach its registry", MIRROR_VARIABLE, "terraform providers mirror", "provider_installation"):
        assert way in message
