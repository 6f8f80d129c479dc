"""What is the team's: which keys and tags are accepted, where the tags are, and the path of roles."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stacks.config.environments import throwaway
from stacks.config.settings import SettingsError
from stacks.config.tags import OUR_TAGS
from tests.infrastructure.test_bootstrap import ACCOUNT, REFERENCES, VARIABLES
from tests.support.environments import DEV, ENVIRONMENTS
from tests.support.iam_policies import Policy, policy
from tests.support.recording_proxy import Use
from tests.support.synthesized import KEY, Stack, synthesize_bootstrap, synthesize_environment

TEAM = {"Owner": "catalog team", "CostCenter": "4711"}


@pytest.mark.parametrize(
    "key", [KEY, None, "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"]
)
def test_a_key_of_the_region_is_accepted(key: str | None) -> None:
    assert replace(DEV, encryption_key_arn=key).encryption_key_arn == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/catalog",
        "arn:aws:kms:us-east-1:123456789012:alias/catalog",
        "arn:aws:kms:us-east-1:12345678901:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef",
        "arn:aws:kms:us-east-1:123456789012:key/1234ABCD-12ab-34cd-56ef-1234567890ab",
        "arn:aws:s3:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        f"{KEY}\n",
        f" {KEY}",
        f"{KEY}/*",
    ],
)
def test_what_is_no_arn_of_a_key_is_refused_in_one_line(key: str) -> None:
    refusal = rf"^encryption_key_arn is {re.escape(repr(key))}; accepted: a key's ARN \(no alias\), [^\n]+$"
    with pytest.raises(SettingsError, match=refusal):
        replace(DEV, encryption_key_arn=key)


def test_a_key_of_another_region_is_refused() -> None:
    refusal = "^encryption_key_arn is of a key in eu-west-1; accepted: a key in us-east-1 "
    with pytest.raises(SettingsError, match=refusal):
        replace(DEV, encryption_key_arn=KEY.replace("us-east-1", "eu-west-1"))


@pytest.mark.parametrize(
    "tags",
    [
        {},
        TEAM,
        {"team:cost-center": "a/b=c+d@e.f_g-h i", "Größe": "ü"},
        {"k" * 128: "v" * 256, "empty": ""},
        {f"tag {number}": "" for number in range(46)},
    ],
)
def test_tags_that_every_service_accepts(tags: Mapping[str, str]) -> None:
    assert replace(DEV, tags=tags).tags == tags


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"": "a"}, "tags has the key ''; accepted: 1 to 128 letters, digits, "),
        ({"k" * 129: "a"}, f"tags has the key '{'k' * 129}'; accepted: 1 to 128 "),
        ({"aws:team": "a"}, "tags has the key 'aws:team'; accepted: "),
        ({"AWS:team": "a"}, "tags has the key 'AWS:team'; accepted: "),
        ({"a,b": "c"}, "tags has the key 'a,b'; accepted: "),
        ({"a\n": "b"}, r"tags has the key 'a\n'; accepted: "),
        ({" a": "b"}, "tags has the key ' a'; accepted: "),
        ({"Owner": "v" * 257}, f"tags has 'Owner': '{'v' * 257}'; accepted: 0 to 256 "),
        ({"Owner": "a & b"}, "tags has 'Owner': 'a & b'; accepted: 0 to 256 "),
        ({"Owner": "a "}, "tags has 'Owner': 'a '; accepted: "),
        ({"Owner": "aws:a"}, "tags has 'Owner': 'aws:a'; accepted: "),
        ({"Owner": "${x}"}, "tags has 'Owner': '${x}'; accepted: "),
        ({"Owner": "a", "owner": "b"}, "tags has the keys Owner, owner; accepted: keys that differ by more "),
        ({"CostCentre": 4711}, "tags has 4711; accepted: strings, such as '4711'"),
        ({4711: "a"}, "tags has 4711; accepted: strings, such as '4711'"),
        ({"Owner": None}, "tags has None; accepted: strings, "),
        (["Owner"], "tags is ['Owner']; accepted: such as {'CostCentre': '4711'}"),
        ({f"tag {number}": "" for number in range(47)}, "tags has 47 keys; accepted: at most 46"),
        *(({name: "a"}, f"tags has the key '{name}'; accepted: any but Environment, ") for name in OUR_TAGS),
        ({"name": "a"}, "tags has the key 'name'; accepted: any but Environment, "),
    ],
)
def test_a_tag_that_aws_refuses_or_that_is_ours_is_refused(tags: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        replace(DEV, tags=tags)


def default_tags(stack: Stack) -> Mapping[str, str]:
    found: Mapping[str, str] = stack.document["provider"]["aws"][0]["default_tags"][0]["tags"]
    return found


def test_the_team_s_tags_are_beside_ours(tmp_path: Path) -> None:
    stack = synthesize_environment(replace(DEV, tags=TEAM), tmp_path)
    ours = {"Project": "product-catalog", "Environment": "dev", "ManagedBy": "cdktf"}
    assert default_tags(stack) == ours | TEAM


def test_the_keys_that_the_stacks_set_are_all_refused(readable: dict[str, Stack]) -> None:
    for stack in readable.values():
        own = [*default_tags(stack), *(key for _, _, body in stack.blocks() for key in body.get("tags", ()))]
        assert set(own) == set(OUR_TAGS)


def test_a_throwaway_environment_has_dev_s_key_and_tags() -> None:
    environment = throwaway("pr-42", [replace(DEV, tags=TEAM, encryption_key_arn=KEY)])
    assert (environment.tags, environment.encryption_key_arn) == (TEAM, KEY)


def test_the_bootstrap_stack_has_the_tags_that_do_not_differ(tmp_path: Path) -> None:
    environments = [replace(each, tags={"Owner": "catalog", "Stage": each.name}) for each in ENVIRONMENTS]
    stack = synthesize_bootstrap(VARIABLES, tmp_path, environments)
    assert default_tags(stack) == {"Project": "product-catalog", "ManagedBy": "cdktf", "Owner": "catalog"}


def test_every_role_and_policy_is_in_the_path(prod_from_ci: Stack) -> None:
    made = [*prod_from_ci.all("aws_iam_role").values(), *prod_from_ci.all("aws_iam_policy").values()]
    assert len(made) == 9
    assert {each["path"] for each in made} == {"/team/"}


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Bootstrap stack with a path."""
    variables = {**VARIABLES, "CATALOG_ROLE_PATH": "/team/"}
    return synthesize_bootstrap(variables, tmp_path_factory.mktemp("bootstrap")).readable()


def test_the_workflows_roles_and_the_boundary_are_in_the_path(bootstrap: Stack) -> None:
    made = [*bootstrap.all("aws_iam_role").values(), *bootstrap.all("aws_iam_policy").values()]
    assert {each["path"] for each in made} == {"/team/"}
    output = bootstrap.document["output"]["PermissionsBoundaryArn"]["value"]
    assert output == f"arn:aws:iam::{ACCOUNT}:policy/team/product-catalog-functions"


@pytest.mark.parametrize("path", ["/", "/other/"])
def test_a_deploy_changes_roles_and_policies_in_the_path_only(bootstrap: Stack, path: str) -> None:
    rights = deploy_rights(bootstrap)
    account = f"arn:aws:iam::{ACCOUNT}"
    bound = {"iam:PermissionsBoundary": f"{account}:policy/team/product-catalog-functions"}
    for action, kind, name, context in (
        ("iam:CreateRole", "role", "inventory-processor-role-prod", bound),
        ("iam:DeleteRole", "role", "inventory-processor-role-prod", {}),
        (
            "iam:PassRole",
            "role",
            "inventory-processor-role-prod",
            {"iam:PassedToService": "lambda.amazonaws.com"},
        ),
        ("iam:CreatePolicy", "policy", "product-shop-prod", {}),
    ):
        assert rights.allows(Use(action, f"{account}:{kind}/team/{name}"), context), action
        assert not rights.allows(Use(action, f"{account}:{kind}{path}{name}"), context), action
    elsewhere = {"iam:PermissionsBoundary": f"{account}:policy{path}product-catalog-functions"}
    role = f"{account}:role/team/inventory-processor-role-prod"
    assert not rights.allows(Use("iam:CreateRole", role), elsewhere)


def deploy_rights(bootstrap: Stack) -> Policy:
    return policy(bootstrap.named("aws_iam_policy_document", "prod_DeployMay")["statement"], REFERENCES)
