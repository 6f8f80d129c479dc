"""The Terraform override file for dev-stack: the few values that differ for servers on loopback.

Terraform merges `*_override.tf.json` into the stack in the same folder, argument by argument. It replaces a
nested block as a whole, so the file repeats all of a function's environment variables.
https://developer.hashicorp.com/terraform/language/files/override
"""

from collections.abc import Mapping
from typing import Any

from local.deploy.differences_from_aws import REPLACED_VARIABLES

STACK = "dev-stack"
DATABASE_PORT = "DEPLOY_LOCAL_DATABASE_PORT"
CACHE_PORT = "DEPLOY_LOCAL_CACHE_PORT"
FILE = "deploy_local_override.tf.json"


def replaced_variables(*, database_port: int, cache_port: int) -> dict[str, str]:
    """Return the new values of the functions' environment variables, for those functions that have them."""
    values = {
        "DB_TLS": "disable",
        "DB_PORT": str(database_port),
        "REDIS_TLS": "false",
        "REDIS_AUTH": "none",
        "REDIS_PORT": str(cache_port),
    }
    return {name: values[name] for name in REPLACED_VARIABLES}


def override_document(stack: Mapping[str, Any], replaced: Mapping[str, str]) -> dict[str, Any]:
    """Return the override file for a stack's `cdk.tf.json`; `replaced`: from `replaced_variables`."""
    resources = stack["resource"]
    functions = {
        name: {"environment": {"variables": _merged(function["environment"]["variables"], replaced)}}
        for name, function in resources["aws_lambda_function"].items()
    }
    mappings = {name: {"enabled": False} for name in resources["aws_lambda_event_source_mapping"]}
    return {"resource": {"aws_lambda_function": functions, "aws_lambda_event_source_mapping": mappings}}


def _merged(own: Mapping[str, str], replaced: Mapping[str, str]) -> dict[str, str]:
    return {name: replaced.get(name, value) for name, value in own.items()}
