"""A deployment to the emulator replaces little, and every replacement has a listed reason."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.deploy.differences_from_aws import REPLACED_ARGUMENTS, REPLACED_VARIABLES
from local.deploy.overrides import STACK, override_document, replaced_variables
from tests.support.synthesized import Stack

PORTS = {"database_port": 20_001, "cache_port": 20_002}


def test_a_function_keeps_every_other_variable() -> None:
    stack = {
        "resource": {
            "aws_lambda_function": {
                "One": {"environment": {"variables": {"DB_PORT": "5432", "DB_HOST": "${x.address}"}}},
            },
            "aws_lambda_event_source_mapping": {"Mapping": {"batch_size": 100}},
        }
    }
    assert override_document(stack, replaced_variables(**PORTS)) == {
        "resource": {
            "aws_lambda_function": {
                "One": {"environment": {"variables": {"DB_PORT": "20001", "DB_HOST": "${x.address}"}}},
            },
            "aws_lambda_event_source_mapping": {"Mapping": {"enabled": False}},
        }
    }


def test_every_replacement_has_its_reason(stacks: dict[str, Stack]) -> None:
    stack = stacks[STACK].document
    replaced = set(differences(stack, override_document(stack, replaced_variables(**PORTS))))
    assert replaced == {f"variable {name}" for name in REPLACED_VARIABLES} | set(REPLACED_ARGUMENTS)


def differences(stack: Mapping[str, Any], override: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Terraform's merge of the override would change, by the names in `differences_from_aws`."""
    assert set(override) == {"resource"}
    for kind, resources in override["resource"].items():
        for name, arguments in resources.items():
            own = stack["resource"][kind][name]
            for argument, value in arguments.items():
                if argument == "environment":
                    before, after = own[argument]["variables"], value["variables"]
                    assert list(before) == list(after)
                    yield from (f"variable {each}" for each in after if before[each] != after[each])
                elif own.get(argument) != value:
                    yield f"{kind}.{argument}"
