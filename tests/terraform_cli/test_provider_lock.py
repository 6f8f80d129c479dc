"""The provider's hashes: written by Terraform, copied to every stack, and compared with what is installed."""

import json
import os
import re
from pathlib import Path

import pytest

from main import pin_provider
from stacks.provider_binding import PROVIDER_LOCK, PROVIDER_VERSION
from terraform_cli import Mirror, Terraform, TerraformError
from terraform_cli.configuration import configured
from terraform_cli.mirror import SOURCE
from terraform_cli.provider import require_provider
from terraform_cli.provider_lock import PLATFORMS, lock_provider
from terraform_cli.synthesis import ROOT, synthesize
from tests.support.terraform_runs import available_provider

HASH = re.compile(r'"h1:[A-Za-z0-9+/=]+"')


@pytest.fixture
def mirror(terraform: Terraform) -> Mirror:
    """Mirror with a real provider for this machine alone."""
    return available_provider(terraform)


def locked(file: Path, terraform: Terraform, mirror: Mirror) -> str:
    """Write the hashes of the mirror's provider, and return them."""
    lock_provider(
        file,
        terraform,
        os.environ,
        version=mirror.version,
        platforms=[terraform.platform],
        mirror=mirror.folder,
    )
    return file.read_text()


def test_terraform_refuses_a_provider_with_another_hash(
    terraform: Terraform, mirror: Mirror, tmp_path: Path
) -> None:
    text = locked(tmp_path / PROVIDER_LOCK, terraform, mirror)
    assert f'version     = "{mirror.version}"' in text
    with configured(mirror.folder, os.environ) as variables:
        for hashes, accepted in ((text, True), (HASH.sub(f'"h1:{"A" * 43}="', text), False)):
            folder = tmp_path / str(accepted)
            folder.mkdir()
            require_provider(folder, mirror.version)
            (folder / PROVIDER_LOCK).write_text(hashes)
            run = terraform.run(folder, "init", "-no-color", variables=variables)
            assert (run.returncode == 0) is accepted, run.stdout
            assert ("doesn't match any of the checksums" in run.stdout.replace("\n", " ")) is not accepted


def test_a_platform_that_is_missing_changes_nothing(
    terraform: Terraform, mirror: Mirror, tmp_path: Path
) -> None:
    file = tmp_path / PROVIDER_LOCK
    file.write_text("as it was")
    with pytest.raises(TerraformError, match="plan9_arm"):
        lock_provider(
            file,
            terraform,
            os.environ,
            version=mirror.version,
            platforms=[terraform.platform, "plan9_arm"],
            mirror=mirror.folder,
        )
    assert file.read_text() == "as it was"


@pytest.mark.parametrize(
    ("variables", "pinned"),
    [({}, True), ({"CATALOG_WIDE_PROVIDER": "0"}, True), ({"CATALOG_WIDE_PROVIDER": "1"}, False)],
)
def test_every_stack_gets_the_hashes_of_the_exact_version(
    variables: dict[str, str], tmp_path: Path, *, pinned: bool
) -> None:
    stacks = [tmp_path / "stacks" / name for name in ("dev-stack", "prod-stack")]
    for stack in stacks:
        stack.mkdir(parents=True)
        (stack / PROVIDER_LOCK).write_text("those of an earlier synthesis")
    (tmp_path / "lock").write_text("hashes")
    pin_provider(tmp_path, variables, tmp_path / "lock")
    for stack in stacks:
        found = [path.read_text() for path in stack.iterdir()]
        assert found == (["hashes"] if pinned else [])


def test_the_bootstrap_stack_gets_them_too(tmp_path: Path) -> None:
    settings = {
        "CATALOG_BOOTSTRAP": "1",
        "CATALOG_ACCOUNT_ID": "123456789012",
        "CATALOG_STATE_BUCKET": "no-such-bucket",
        "CATALOG_WIDE_PROVIDER": "",
    }
    (stack,) = synthesize(tmp_path, {**os.environ, **settings})
    assert (stack / PROVIDER_LOCK).read_bytes() == (ROOT / PROVIDER_LOCK).read_bytes()


def test_without_hashes_stacks_are_synthesized_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "stacks" / "dev-stack").mkdir(parents=True)
    pin_provider(tmp_path, {}, tmp_path / "none")
    assert not list((tmp_path / "stacks" / "dev-stack").iterdir())


def test_the_kept_hashes_are_of_the_bindings_version() -> None:
    text = (ROOT / PROVIDER_LOCK).read_text()
    assert f'provider "{SOURCE}" {{' in text
    assert f"version     = {json.dumps(PROVIDER_VERSION)}" in text
    hashes = re.findall(r'^    "(.*)",$', text, re.MULTILINE)
    assert all(re.fullmatch("h1:[A-Za-z0-9+/]{43}=|zh:[0-9a-f]{64}", each) for each in hashes)
    assert hashes == sorted(set(hashes)), "Terraform would write the file anew"
    # `zh:` are of the archives, signed by the registry; `h1:` of what is in them, for unpacked mirrors.
    assert len(HASH.findall(text)) >= len(PLATFORMS)
    assert len(hashes) - len(HASH.findall(text)) >= len(PLATFORMS)
