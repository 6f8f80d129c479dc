import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from main import build_app, chosen_bootstrap, chosen_deployment, chosen_environments, main
from stacks.code_assets import DeploymentPackages
from stacks.config.environments import ENVIRONMENTS as OWN
from stacks.config.settings import SettingsError
from stacks.provider_binding import PROVIDER_LOCK
from tests.support.environments import ENVIRONMENTS, PERMANENT, THROWAWAY
from tests.support.synthesized import TODAY, Stack

ROOT = Path(__file__).parents[2]
DEPLOYMENT_PACKAGES = DeploymentPackages(code=Path("code.zip"), layers={})


def test_without_variables_there_are_the_permanent_environments() -> None:
    assert chosen_environments({}, ENVIRONMENTS) == [*ENVIRONMENTS]


def test_an_empty_variable_counts_as_unset() -> None:
    variables = (
        "ENVIRONMENT_SUFFIX",
        "CATALOG_ACCOUNT_ID",
        "CATALOG_STATE_BUCKET",
        "CATALOG_STATE_REGION",
        "CATALOG_ARCHITECTURE",
        "CATALOG_WIDE_PROVIDER",
        "CATALOG_PERMISSIONS_BOUNDARY",
        "CATALOG_ROLE_PATH",
        "CATALOG_BOOTSTRAP",
    )
    empty = dict.fromkeys(variables, "")
    assert chosen_environments(empty) == chosen_environments({})
    assert chosen_deployment(empty, DEPLOYMENT_PACKAGES) == chosen_deployment({}, DEPLOYMENT_PACKAGES)
    assert chosen_bootstrap(empty) is None


def test_the_architecture_is_chosen_for_the_throwaway_environment_too() -> None:
    variables = {"ENVIRONMENT_SUFFIX": THROWAWAY, "CATALOG_ARCHITECTURE": "x86_64"}
    chosen = chosen_environments(variables, ENVIRONMENTS)
    assert [environment.name for environment in chosen] == [*PERMANENT, THROWAWAY]
    assert {environment.function.architecture for environment in chosen} == {"x86_64"}


@pytest.mark.parametrize("name", [*PERMANENT, THROWAWAY])
def test_the_state_is_kept_outside_what_synth_rewrites(readable: dict[str, Stack], name: str) -> None:
    backend = readable[name].document["terraform"]["backend"]
    assert backend == {"local": {"path": f"../../../terraform.{name}-stack.tfstate"}}


def test_environment_variables_say_how_to_deploy(prod_from_ci: Stack) -> None:
    document = prod_from_ci.document
    assert document["terraform"]["required_providers"] == {
        "aws": {"source": "aws", "version": ">= 5.100.0, < 7.0.0"}
    }
    assert document["terraform"]["backend"] == {
        "s3": {
            "bucket": "states",
            "key": "product-catalog/prod-stack.tfstate",
            "region": "eu-west-1",
            "encrypt": True,
            "use_lockfile": True,
        }
    }
    assert document["provider"]["aws"][0]["allowed_account_ids"] == ["123456789012"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CATALOG_ACCOUNT_ID", "123456789012"),
        ("CATALOG_STATE_BUCKET", "abc"),
        ("CATALOG_STATE_BUCKET", "a" * 63),
        ("CATALOG_STATE_BUCKET", "my.states-1"),
        ("CATALOG_STATE_BUCKET", "1.2.3.4.5"),
        ("CATALOG_STATE_REGION", "us-gov-west-1"),
        ("CATALOG_STATE_REGION", "ap-southeast-5"),
        ("CATALOG_WIDE_PROVIDER", "0"),
        ("CATALOG_WIDE_PROVIDER", "1"),
        ("CATALOG_ARCHITECTURE", "arm64"),
        ("CATALOG_ARCHITECTURE", "x86_64"),
        ("CATALOG_PERMISSIONS_BOUNDARY", "arn:aws:iam::999999999999:policy/team/bound"),
        ("CATALOG_PERMISSIONS_BOUNDARY", "arn:aws:iam::aws:policy/PowerUserAccess"),
        ("CATALOG_ROLE_PATH", "/"),
        ("CATALOG_ROLE_PATH", "/team/"),
        ("CATALOG_ROLE_PATH", "/teams/catalog_1+=,.@-/"),
        ("CATALOG_ROLE_PATH", f"/{'a' * 510}/"),
    ],
)
def test_a_valid_environment_variable_is_accepted(variable: str, value: str) -> None:
    chosen_environments({variable: value})
    beside = {"CATALOG_STATE_BUCKET": "states"} if variable == "CATALOG_STATE_REGION" else {}
    chosen_deployment({variable: value, **beside}, DEPLOYMENT_PACKAGES)


def test_a_region_without_its_bucket_is_refused() -> None:
    refusal = "^CATALOG_STATE_REGION is 'eu-west-1'; accepted: only with CATALOG_STATE_BUCKET"
    with pytest.raises(SettingsError, match=refusal):
        chosen_deployment({"CATALOG_STATE_REGION": "eu-west-1"}, DEPLOYMENT_PACKAGES)


@pytest.mark.parametrize("bootstrap", [False, True])
def test_a_boundary_of_another_account_is_refused(*, bootstrap: bool) -> None:
    arn = "arn:aws:iam::999999999999:policy/bound"
    variables = {
        "CATALOG_ACCOUNT_ID": "123456789012",
        "CATALOG_STATE_BUCKET": "states",
        "CATALOG_BOOTSTRAP": "1" if bootstrap else "0",
        "CATALOG_PERMISSIONS_BOUNDARY": arn,
    }
    accepted = "a policy of CATALOG_ACCOUNT_ID, 123456789012, or one of AWS's"
    refusal = f"^CATALOG_PERMISSIONS_BOUNDARY is '{arn}'; accepted: {accepted}$"
    with pytest.raises(SettingsError, match=refusal):
        chosen_bootstrap(variables) or chosen_deployment(variables, DEPLOYMENT_PACKAGES)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENVIRONMENT_SUFFIX", "PR-42"),
        ("CATALOG_ACCOUNT_ID", "12345678901"),
        ("CATALOG_ACCOUNT_ID", "1234567890123"),
        ("CATALOG_ACCOUNT_ID", "12345678901x"),
        ("CATALOG_ACCOUNT_ID", "123456789012\n"),
        ("CATALOG_STATE_BUCKET", "ab"),
        ("CATALOG_STATE_BUCKET", "a" * 64),
        ("CATALOG_STATE_BUCKET", "States"),
        ("CATALOG_STATE_BUCKET", "s3://states"),
        ("CATALOG_STATE_BUCKET", "states-"),
        ("CATALOG_STATE_BUCKET", ".states"),
        *(
            ("CATALOG_STATE_BUCKET", name)
            for name in ("a..b", "192.168.5.4", "xn--states", "sthree-states", "amzn-s3-demo-states")
        ),
        *(
            ("CATALOG_STATE_BUCKET", f"states{ending}")
            for ending in ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
        ),
        ("CATALOG_STATE_REGION", "Ireland"),
        ("CATALOG_STATE_REGION", "eu-west"),
        ("CATALOG_STATE_REGION", "eu-west-1a"),
        ("CATALOG_STATE_REGION", "eu-west-0"),
        ("CATALOG_WIDE_PROVIDER", "yes"),
        ("CATALOG_WIDE_PROVIDER", "true"),
        ("CATALOG_ARCHITECTURE", "aarch64"),
        ("CATALOG_ARCHITECTURE", "ARM64"),
        ("CATALOG_PERMISSIONS_BOUNDARY", "product-catalog-functions"),
        ("CATALOG_PERMISSIONS_BOUNDARY", "arn:aws:iam::1:policy/bound"),
        ("CATALOG_ROLE_PATH", "team"),
        ("CATALOG_ROLE_PATH", "/team"),
        ("CATALOG_ROLE_PATH", "team/"),
        ("CATALOG_ROLE_PATH", "//"),
        ("CATALOG_ROLE_PATH", "/a//b/"),
        ("CATALOG_ROLE_PATH", "/a b/"),
        ("CATALOG_ROLE_PATH", "/*/"),
        ("CATALOG_ROLE_PATH", "/team/\n"),
        ("CATALOG_ROLE_PATH", f"/{'a' * 511}/"),
        ("CATALOG_ROLE_PATH", "/aws-service-role/lambda.amazonaws.com/"),
    ],
)
def test_a_wrong_environment_variable_is_refused_in_one_line(variable: str, value: str) -> None:
    refusal = rf"^{variable} is {re.escape(repr(value))}; accepted: [^\n]+$"
    variables = {"CATALOG_STATE_BUCKET": "states", variable: value}
    with pytest.raises(SettingsError, match=refusal):
        build_app(variables, DEPLOYMENT_PACKAGES, today=TODAY)


def test_a_wrong_setting_exits_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    name = OWN[-1].name
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", name)
    refusal = rf"^ENVIRONMENT_SUFFIX is '{name}'; accepted: any name except [^\n]+$"
    with pytest.raises(SystemExit, match=refusal):
        main()


@pytest.mark.parametrize(
    "home", [{}, {"HOME": os.devnull}], ids=["no home", "a home that nobody may write to"]
)
def test_main_alone_writes_every_stack(home: dict[str, str], tmp_path: Path) -> None:
    """Run it in an empty folder, without home, path, credentials or settings.

    The machine's Node cannot print a banner there, and no request to AWS is possible.
    """
    # What Python may need to start, and the folder for temporary files.
    kept = ("LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
    run = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", str(ROOT / "main.py")],
        cwd=tmp_path,
        env={name: os.environ[name] for name in kept if name in os.environ} | home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    for stack_id in (each.stack_id for each in OWN if each.is_kept):
        assert f"{stack_id} cannot be deployed: CATALOG_ACCOUNT_ID is not set: " in run.stdout
    stack_ids = [each.stack_id for each in OWN]
    capacities = [line for line in run.stdout.splitlines() if " records/s by shards, " in line]
    assert [line.partition(":")[0] for line in capacities] == stack_ids
    manifest = json.loads((tmp_path / "cdktf.out" / "manifest.json").read_text())
    assert set(manifest["stacks"]) == set(stack_ids)
    assert [path.name for path in tmp_path.iterdir()] == ["cdktf.out"]
    for stack in (tmp_path / "cdktf.out" / "stacks").iterdir():
        assert (stack / PROVIDER_LOCK).read_bytes() == (ROOT / PROVIDER_LOCK).read_bytes()
