from pathlib import Path

import pytest

from terraform_cli import Terraform
from terraform_cli.configuration import chooses_providers, configuration_text, configured
from tests.support.provider_mirrors import unpacked

REQUIRED = '{"terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "6.1.0"}}}}'


def test_terraform_takes_the_provider_from_the_folder(
    terraform: Terraform, variables: dict[str, str], tmp_path: Path
) -> None:
    mirror = unpacked(tmp_path / 'a "mirror"', "6.1.0", terraform.platform)
    work = tmp_path / "work"
    work.mkdir()
    (work / "main.tf.json").write_text(REQUIRED)
    disturbed = {**variables, "TF_PLUGIN_CACHE_DIR": str(tmp_path / "absent"), "TF_DATA_DIR": "elsewhere"}
    with configured(mirror, disturbed) as chosen:
        run = terraform.run(work, "init", "-backend=false", "-no-color", variables=chosen)
    assert run.returncode == 0, run.stdout
    assert "Installed hashicorp/aws v6.1.0" in run.stdout
    assert (work / ".terraform" / "providers").is_dir()


def test_the_configuration_is_deleted_afterwards(tmp_path: Path) -> None:
    with configured(tmp_path, {}) as chosen:
        file = Path(chosen["TF_CLI_CONFIG_FILE"])
        assert file.read_text() == configuration_text(tmp_path)
    assert not file.exists()


def test_without_a_mirror_the_variables_stay_unchanged() -> None:
    before = {"TF_CLI_CONFIG_FILE": "somebody's", "TF_PLUGIN_CACHE_DIR": "theirs"}
    with configured(None, before) as chosen:
        assert chosen == before


@pytest.mark.parametrize(
    ("text", "chooses"),
    [
        ("provider_installation {\n}\n", True),
        ('plugin_cache_dir = "x"\n\n  provider_installation {\n}\n', True),
        ('{\n  "provider_installation": {}\n}\n', True),
        ("# provider_installation {\n# }\n", False),
        ('plugin_cache_dir = "x"\n', False),
        ("", False),
    ],
)
def test_a_persons_own_choice_is_recognized(text: str, *, chooses: bool, tmp_path: Path) -> None:
    (tmp_path / ".terraformrc").write_text(text)
    assert chooses_providers({"HOME": str(tmp_path)}) is chooses
    assert chooses_providers({"TF_CLI_CONFIG_FILE": str(tmp_path / ".terraformrc")}) is chooses


def test_an_absent_configuration_chooses_nothing(tmp_path: Path) -> None:
    assert not chooses_providers({"TF_CLI_CONFIG_FILE": str(tmp_path / "absent"), "HOME": str(tmp_path)})
    assert not chooses_providers({})
