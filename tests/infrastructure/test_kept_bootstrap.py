"""The bootstrap stack as a whole: each right, condition and argument, added or removed, is a decision."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.test_bootstrap import ACCOUNT, VARIABLES, rights
from tests.support.environments import ENVIRONMENTS
from tests.support.iam_policies import policy
from tests.support.synthesized import KEY, Stack, synthesize_bootstrap

BOOTSTRAP = Path(__file__).with_name("bootstrap.json")
EACH = "<environment>"


def keyed_bootstrap(directory: Path) -> Stack:
    """Return the bootstrap stack with every part, also of environments that have a key."""
    environments = [replace(each, encryption_key_arn=KEY) for each in ENVIRONMENTS]
    return synthesize_bootstrap(VARIABLES, directory, environments).readable()


def kept_bootstrap(stack: Stack) -> dict[str, Any]:
    """Return kind and id → body; what is the same in every environment is there once."""
    found: dict[str, Any] = {}
    bodies: dict[str, dict[str, Any]] = defaultdict(dict)
    for id_, body in _blocks(stack.document):
        owner = next((each.name for each in ENVIRONMENTS if f" {each.name}_" in id_), None)
        if owner is None:
            found[id_] = body
        else:
            bodies[_for_each(owner, id_)][owner] = json.loads(_for_each(owner, json.dumps(body)))
    for id_, by_owner in bodies.items():
        first, *others = by_owner.values()
        if len(by_owner) == len(ENVIRONMENTS) and all(other == first for other in others):
            found[id_] = first
        else:
            found |= {id_.replace(EACH, owner): body for owner, body in by_owner.items()}
    return dict(sorted(found.items()))


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Bootstrap stack with every part."""
    return keyed_bootstrap(tmp_path_factory.mktemp("bootstrap"))


def test_the_bootstrap_stack_stays(bootstrap: Stack) -> None:
    found, kept = kept_bootstrap(bootstrap), json.loads(BOOTSTRAP.read_text())
    changed = sorted(id_ for id_ in {*found, *kept} if found.get(id_) != kept.get(id_))
    assert found == kept, f"if meant: .venv/bin/python scripts/logical_ids.py; changed: {changed}"


def test_the_state_s_bucket_denies_what_comes_without_tls_and_nothing_else(bootstrap: Stack) -> None:
    (statement,) = bootstrap.named("aws_iam_policy_document", "State_TlsOnly")["statement"]
    assert statement["condition"] == [
        {"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}
    ]


@pytest.mark.parametrize("name", [each.name for each in ENVIRONMENTS])
@pytest.mark.parametrize("kind", ["Plan", "Deploy"])
def test_each_role_has_its_own_rights_and_no_other(bootstrap: Stack, name: str, kind: str) -> None:
    role = f"${{aws_iam_role.{name}_{kind}Role.name}}"
    policies = [
        body["policy"] for body in bootstrap.all("aws_iam_role_policy").values() if body["role"] == role
    ]
    assert policies == [f"${{data.aws_iam_policy_document.{name}_{kind}May.json}}"]
    attached = [
        body["policy_arn"]
        for body in bootstrap.all("aws_iam_role_policy_attachment").values()
        if body["role"] == role
    ]
    network = f"{name}_DeployNetwork"
    assert attached == ([f"${{aws_iam_policy.{network}Policy.arn}}"] if kind == "Deploy" else [])
    managed = bootstrap.named("aws_iam_policy", f"{network}Policy")
    assert managed["policy"] == f"${{data.aws_iam_policy_document.{network}May.json}}"
    changes = {grant.action for grant in rights(bootstrap, f"{name}_{kind}").grants()}
    assert ("iam:PassRole" in changes) == (kind == "Deploy")


def test_the_boundary_has_no_right_in_iam(bootstrap: Stack) -> None:
    boundary = bootstrap.named("aws_iam_policy", "FunctionBoundary_Policy")
    assert boundary["policy"] == "${data.aws_iam_policy_document.FunctionBoundary_May.json}"
    arn = bootstrap.document["output"]["PermissionsBoundaryArn"]["value"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/{boundary['name']}"
    document = bootstrap.named("aws_iam_policy_document", "FunctionBoundary_May")
    actions = {grant.action for grant in policy(document["statement"], {}).grants()}
    assert not {action for action in actions if action.startswith(("iam:", "sts:")) or action == "*"}


def _blocks(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (kind and id, body) of every resource, data source and output."""
    kinds = {**document["resource"], **document["data"], "output": document["output"]}
    for kind, blocks in kinds.items():
        for id_, body in blocks.items():
            yield f"{kind} {id_}", {name: value for name, value in body.items() if name != "//"}


def _for_each(name: str, text: str) -> str:
    return re.sub(rf"(?<![a-z]){name}(?![a-z])", EACH, text)
