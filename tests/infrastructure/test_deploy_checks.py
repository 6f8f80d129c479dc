"""What refuses a deploy, but neither a synthesis nor a destroy."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from main import build_app
from stacks.catalog_stack import Deployment
from stacks.code_assets import DeploymentPackages
from stacks.deploy_checks import notes, refusals
from tests.support.environments import DEV, ENVIRONMENTS, PROD, STAGING
from tests.support.synthesized import KEY, TODAY, Stack, small_deployment_packages
from tests.support.terraform_runs import terraform_run

READY = Deployment(
    account_id="123456789012",
    state_bucket="states",
    state_region=None,
    wide_provider_versions=False,
    permissions_boundary=None,
    role_path=None,
    deployment_packages=DeploymentPackages(code=Path("code.zip"), layers={"arm64": Path("layer.zip")}),
)
NOTIFYING = replace(PROD, alarms=replace(PROD.alarms, emails=("on-call@shop.example",)))
AFTER_PYTHON_3_13 = date(2029, 7, 1)


def test_prod_that_lacks_nothing_is_deployed() -> None:
    assert refusals(NOTIFYING, READY, today=TODAY) == []


@pytest.mark.parametrize(
    ("environment", "deployment", "refusal"),
    [
        (PROD, READY, "alarms.emails of prod is empty: "),
        (NOTIFYING, replace(READY, state_bucket=None), "CATALOG_STATE_BUCKET is not set: "),
        (NOTIFYING, replace(READY, account_id=None), "CATALOG_ACCOUNT_ID is not set: "),
    ],
)
def test_prod_is_not_deployed_without(environment: object, deployment: Deployment, refusal: str) -> None:
    (found,) = refusals(environment, deployment, today=TODAY)  # type: ignore[arg-type]
    assert found.startswith(refusal)
    assert "; set it to " in found or "; add an address " in found


def test_a_key_of_another_account_refuses_the_deploy() -> None:
    of_another = replace(DEV, encryption_key_arn=KEY.replace("123456789012", "999999999999"))
    (found,) = refusals(of_another, READY, today=TODAY)
    assert found.startswith(
        "encryption_key_arn of dev is of a key in account 999999999999, and CATALOG_ACCOUNT_ID "
    )
    assert refusals(replace(DEV, encryption_key_arn=KEY), READY, today=TODAY) == []
    # Nobody has said which account it is; preflight asks.
    assert refusals(of_another, replace(READY, account_id=None), today=TODAY) == []


def test_dev_and_staging_need_none_of_it() -> None:
    bare = replace(READY, account_id=None, state_bucket=None)
    assert not [refusal for each in (DEV, STAGING) for refusal in refusals(each, bare, today=TODAY)]


def test_nothing_is_deployed_after_its_end_of_life() -> None:
    for each in ENVIRONMENTS:
        assert any("end of life" in refusal for refusal in refusals(each, READY, today=AFTER_PYTHON_3_13))


def test_an_environment_past_its_end_of_life_can_be_synthesized_and_so_destroyed(tmp_path: Path) -> None:
    app = build_app(
        {},
        small_deployment_packages(tmp_path),
        today=AFTER_PYTHON_3_13,
        permanent=[DEV],
        outdir=str(tmp_path / "out"),
    )
    app.synth()
    dev = json.loads((tmp_path / "out" / "stacks" / "dev-stack" / "cdk.tf.json").read_text())
    (precondition, *_) = dev["data"]["aws_caller_identity"]["Account"]["lifecycle"]["precondition"]
    assert precondition["error_message"].startswith(
        "function.runtime is 'python3.13', which reached its end of life"
    )


def test_a_synthesis_tells_what_an_account_must_have() -> None:
    lines = list(notes([DEV, STAGING, NOTIFYING], READY, today=TODAY))
    assert lines == [
        "Lambda's concurrency: staging-stack 4 and prod-stack 10 are reserved. One account for all needs a "
        "quota of 114 or more; a new account has 10 (Service Quotas: L-B99A9384)"
    ]


def test_a_synthesis_warns_of_a_coming_end_of_life() -> None:
    cache = replace(DEV.cache, engine_version="7.2")
    (line,) = notes([replace(DEV, cache=cache)], READY, today=date(2027, 2, 1))
    assert line.startswith(
        "dev-stack: cache.engine_version is '7.2', which reaches its end of life on 2027-04-16; "
    )


@pytest.mark.parametrize(("name", "count"), [("dev", 0), ("staging", 0), ("prod", 3)])
def test_refusals_are_preconditions_of_what_every_plan_reads_first(
    readable: dict[str, Stack], name: str, count: int
) -> None:
    lifecycle = readable[name].only("aws_caller_identity").get("lifecycle", {})
    assert len(lifecycle.get("precondition", ())) == count


def test_terraform_refuses_a_plan_but_not_a_destroy(readable: dict[str, Stack], tmp_path: Path) -> None:
    lifecycle = readable["prod"].only("aws_caller_identity")["lifecycle"]
    with terraform_run(tmp_path, provider=False) as run:
        run.configure({"resource": {"terraform_data": {"account": {}}}})
        run.run("apply", "-auto-approve")
        run.configure({"resource": {"terraform_data": {"account": {"lifecycle": lifecycle}}}})
        refused = run.run("plan", expected=1)
        for refusal in (
            "alarms.emails of prod",
            "CATALOG_STATE_BUCKET is not set",
            "CATALOG_ACCOUNT_ID is not set",
        ):
            assert refusal in refused
        run.run("destroy", "-auto-approve")
