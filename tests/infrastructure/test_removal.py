"""What a destroy removes, and what it takes before it is allowed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stacks.config.settings import Removal
from tests.support.environments import PROD
from tests.support.synthesized import Stack, synthesize_environment
from tests.support.terraform_runs import terraform_run


@pytest.fixture(scope="module")
def removable_prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """prod-stack once a person has decided to remove it."""
    environment = replace(PROD, removal=Removal.WHEN_EMPTY)
    return synthesize_environment(environment, tmp_path_factory.mktemp("removable")).readable()


@pytest.mark.parametrize(
    ("name", "kept"), [("dev", False), ("staging", True), ("prod", True), ("pr-42", False)]
)
def test_only_a_throwaways_backups_go_with_it(readable: dict[str, Stack], name: str, *, kept: bool) -> None:
    instance = readable[name].only("aws_db_instance")
    assert instance["skip_final_snapshot"] is not kept
    assert instance["delete_automated_backups"] is not kept


def test_prods_removal_keeps_a_final_snapshot_and_backups(removable_prod: Stack) -> None:
    """The provider ignores the name of the snapshot where `skip_final_snapshot` is true."""
    instance = removable_prod.only("aws_db_instance")
    assert not instance["lifecycle"]["prevent_destroy"]
    assert not instance["deletion_protection"]
    assert not instance["skip_final_snapshot"]
    assert not instance["delete_automated_backups"]


def test_a_later_instance_has_another_final_snapshot(stack: Stack) -> None:
    """The name is made of the time of the first plan, and kept in the state from then on."""
    instance = stack.only("aws_db_instance")
    name = instance["final_snapshot_identifier"]
    assert name.startswith('product-catalog-final-${formatdate("YYYYMMDDhhmmss", plantimestamp())}-')
    assert instance["lifecycle"]["ignore_changes"] == ["final_snapshot_identifier"]


def test_the_guard_is_destroyed_before_everything_else(stack: Stack) -> None:
    others = {
        f"{kind}.{logical_id}"
        for kind, resources in stack.document["resource"].items()
        for logical_id in resources
        if kind != "terraform_data"
    }
    assert set(stack.only("terraform_data")["depends_on"]) == others


def test_prod_is_destroyed_only_after_the_deploy_of_another_removal(
    readable: dict[str, Stack], removable_prod: Stack, tmp_path: Path
) -> None:
    with terraform_run(tmp_path, provider=False) as run:
        run.configure(guard_alone(readable["prod"]))
        run.run("apply", "-auto-approve")
        run.configure(guard_alone(removable_prod))
        refused = run.run("destroy", "-auto-approve", expected=1)
        assert "prod-stack was deployed with removal=NEVER. Nothing was removed. Deploy it" in refused
        assert "terraform_data.Guard_Removal" in run.run("state", "list")
        run.run("apply", "-auto-approve")
        run.run("destroy", "-auto-approve")
        assert run.run("state", "list") == ""


def test_the_name_of_the_final_snapshot_stays_after_the_first_plan(
    readable: dict[str, Stack], tmp_path: Path
) -> None:
    instance = readable["prod"].only("aws_db_instance")
    # The same expression and rule on a resource that needs no account.
    document = {
        "resource": {
            "terraform_data": {
                "snapshot": {
                    "input": instance["final_snapshot_identifier"],
                    "lifecycle": {"ignore_changes": ["input"]},
                }
            }
        }
    }
    with terraform_run(tmp_path, provider=False) as run:
        run.configure(document)
        run.run("apply", "-auto-approve")
        run.run("plan", "-detailed-exitcode", expected=0)


def guard_alone(stack: Stack) -> Mapping[str, Any]:
    """Return the configuration of the guard, without what it depends on."""
    guard = {name: value for name, value in stack.only("terraform_data").items() if name != "depends_on"}
    return {"resource": {"terraform_data": {"Guard_Removal": guard}}}
