"""Where an environment's parts are: from a kept run of this machine, or from what its stack wrote to SSM."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError

from catalog.aws_config import client_config
from catalog.errors import UnreachableError, UsageError
from local.demo.kept_state import STATE, held_state

if TYPE_CHECKING:
    from collections.abc import Callable

    import aioboto3

LOCAL = "local"
PARAMETER = "/product-catalog/{name}"
"""The SSM parameter that a stack writes: the JSON members of `Environment`, by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """An environment's names and addresses.

    `endpoint_url`: an emulator's; None: AWS. `variables`: the function's environment variables, if this
    process may run the function's code itself (a kept local run); None: the function `function_name` is
    invoked. `database_secret_arn`, `reader_secret_arn`: the logins of the processor's and the shop's database
    roles. `database_tls_name`, `cache_tls_name`: the name in the server's certificate where the host is a
    tunnel's end, else None. `cache_user`, `cache_writer_user`: the shop's and the processor's users, who log
    in with IAM; None: no login. `athena_workgroup`, `glue_database`: what queries of the archive run in;
    None: only DuckDB.
    """

    name: str
    region: str
    stream_name: str
    archive_bucket: str
    quarantine_bucket: str
    queue_url: str
    function_name: str
    database_host: str
    database_port: int
    database_name: str
    database_secret_arn: str
    reader_secret_arn: str
    database_tls: bool
    cache_host: str
    cache_port: int
    cache_tls: bool
    database_tls_name: str | None = None
    cache_tls_name: str | None = None
    cache_user: str | None = None
    cache_writer_user: str | None = None
    cache_cluster_id: str | None = None
    athena_workgroup: str | None = None
    glue_database: str | None = None
    endpoint_url: str | None = None
    variables: dict[str, str] | None = field(default=None, repr=False)


def kept_run() -> dict[str, Any] | None:
    """Return what the kept run of this machine says of itself; None if there is none."""
    return held_state(Path(os.environ.get("CATALOG_KEPT_RUN") or STATE))


def local_environment() -> Environment | None:
    """Return the environment of that run; None if there is none."""
    state = kept_run()
    return Environment(**state["environment"]) if state is not None else None


async def find_environment(name: str | None, open_session: "Callable[[], aioboto3.Session]") -> Environment:
    """Return the environment of a name; without a name the kept local run.

    The session is opened only where it is needed: a local run works whatever AWS profile the shell names.

    Raises: UsageError, UnreachableError.
    """
    if name is None or name == LOCAL:
        found = local_environment()
        if found is None:
            what = "no kept run on this machine" if name else "no --env was given, and there is no kept run"
            raise UnreachableError(f"{what}: start one with `make local KEEP=1`, or give --env dev")
        return found
    return await _from_parameter(name, open_session())


async def _from_parameter(name: str, session: "aioboto3.Session") -> Environment:
    parameter = PARAMETER.format(name=name)
    # botocore knows AWS_DEFAULT_REGION only; the AWS CLI and other SDKs know this one, too.
    region = os.environ.get("AWS_REGION") or session.region_name
    if region is None:
        raise UsageError("no AWS region: set AWS_REGION, or `region` in the AWS profile")
    try:
        config = client_config("ssm", is_emulated=False)
        async with session.client("ssm", region_name=region, config=config) as ssm:
            answer = await ssm.get_parameter(Name=parameter)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            raise UsageError(
                f"no environment {name!r} in {region}: there is no SSM parameter {parameter}. "
                "Is the name right, and is its stack deployed in this account and region?"
            ) from error
        raise
    except HTTPClientError as error:
        raise UnreachableError(f"AWS cannot be reached: {error}") from error
    return _read_parameter(parameter, answer["Parameter"]["Value"])


def _read_parameter(parameter: str, text: str) -> Environment:
    """Return what the stack wrote, without what a later release may add. Raises: UnreachableError."""
    known = Environment.__dataclass_fields__
    try:
        members: dict[str, Any] = json.loads(text)
        parts = {member: value for member, value in members.items() if member in known}
        return Environment(**_through_tunnels(parts))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UnreachableError(
            f"the SSM parameter {parameter} is not what the stack of this release writes: deploy it ({error})"
        ) from error


def _through_tunnels(parts: dict[str, Any]) -> dict[str, Any]:
    # Through a tunnel the stores have other addresses than in their network, and the same certificates.
    for variable, store in (("CATALOG_DATABASE_HOST", "database"), ("CATALOG_CACHE_HOST", "cache")):
        if end := os.environ.get(variable):
            parts |= {f"{store}_host": end, f"{store}_tls_name": parts[f"{store}_host"]}
    return parts
