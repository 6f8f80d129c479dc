"""The program `catalog` as on AWS, on servers of the test: found by the parameter that a stack writes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
from aiohttp import web
from typer.testing import CliRunner, Result

from catalog.app import app
from catalog.environment import PARAMETER
from local.demo.kept_run import environment_members
from local.emulated_aws.account import REGION
from local.servers import Servers
from local.servers.loopback import HOST
from stacks.cache import PROCESSOR_MAY, SHOP_MAY
from tests.support.deployed_functions import sibling
from tests.support.real_servers import ALL_DONE, Services
from tests.support.recording_proxy import Use, recorded
from tests.support.synthesized import Stack

Run = Callable[..., Awaitable[Result]]

# What the emulated account lacks.
NAMES = {
    "athena_workgroup": "workgroup-of-test",
    "cache_cluster_id": "cache-of-test",
    "cache_user": "shop-of-test",
    "cache_writer_user": "processor-of-test",
}
MAY = {"cache_user": SHOP_MAY, "cache_writer_user": PROCESSOR_MAY}
"""The member that names a user of the cache → its access string."""
# These requests name a resource by what an earlier one returned: an iterator, a query's id.
IMPLIED = {"athena": "athena_workgroup", "kinesis": "stream_name"}


def members_in_test(services: Services, servers: Servers, stack: Stack) -> dict[str, Any]:
    """Return the members of the stack's parameter, with the names that its parts have in the test."""
    members: dict[str, Any] = json.loads(stack.only("aws_ssm_parameter")["value"])
    local = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    return members | {name: local[name] for name in members.keys() & local.keys() - {"name"}} | NAMES


def names_in_test(stack: Stack, members: dict[str, Any]) -> dict[str, str]:
    """Return what the stack's references are called in the program's requests.

    They are joined through the parameter. The program may use only what it finds there; nothing else has a
    name.
    """
    ((logical_id, parameter),) = stack.all("aws_ssm_parameter").items()
    names = {f"${{aws_ssm_parameter.{logical_id}.arn}}": PARAMETER.format(name=members["name"])}
    for member, reference in json.loads(parameter["value"]).items():
        if isinstance(reference, str) and reference.startswith("${") and member != "cache_host":
            name = str(members[member])
            names[reference] = name
            is_bucket = reference.startswith("${aws_s3_bucket.")
            names[sibling(reference, "arn")] = f"arn:aws:s3:::{name}" if is_bucket else name
    return names


@asynccontextmanager
async def catalog_on_aws(
    members: dict[str, Any], services: Services, servers: Servers, folder: Path, *, cache_user: str | None
) -> AsyncIterator[tuple[Run, set[Use]]]:
    """Yield what runs the program, and a set that has what it used when the block ends.

    Lambda is a server that has done every event. `cache_user`: the member that names the cache's only user,
    who has the rights that the stacks give it; None: nobody can log in.
    """
    session: Any = aioboto3.Session("local", "local", region_name=REGION)
    moto = servers.moto.endpoint_url
    uses: set[Use] = set()
    async with (
        session.client("ssm", endpoint_url=moto) as ssm,
        session.client("athena", endpoint_url=moto) as athena,
        user_of_cache(services, cache_user),
        done_by_lambda() as function,
        recorded(moto) as recording,
        recorded(function) as invocations,
    ):
        parameter = PARAMETER.format(name=members["name"])
        await ssm.put_parameter(Name=parameter, Value=json.dumps(members), Type="String")
        await athena.create_work_group(Name=NAMES["athena_workgroup"], Configuration={})
        variables = {
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": recording.url,
            "AWS_ENDPOINT_URL_LAMBDA": invocations.url,
            "CATALOG_ENV": members["name"],
            "XDG_CACHE_HOME": str(folder),
        }

        async def run(*arguments: str, stdin: str | None = None) -> Result:
            return await asyncio.to_thread(CliRunner().invoke, app, arguments, stdin, variables)

        yield run, uses
        await athena.delete_work_group(WorkGroup=NAMES["athena_workgroup"])
        await ssm.delete_parameter(Name=parameter)
        for use in recording.uses | invocations.uses:
            implied = members[IMPLIED[use.action.partition(":")[0]]] if use.resource == "" else use.resource
            uses.add(Use(use.action, implied))
        if cache_user is not None:
            uses.update(Use("elasticache:Connect", NAMES[name]) for name in ("cache_cluster_id", cache_user))


@asynccontextmanager
async def user_of_cache(services: Services, member: str | None) -> AsyncIterator[None]:
    """Let a user log in to the cache, with any password; nobody else but the administrator can."""
    if member is None:
        yield
        return
    redis: Any = services.redis
    await redis.execute_command("ACL", "SETUSER", NAMES[member], "reset", "nopass", *MAY[member].split())
    yield
    await redis.acl_deluser(NAMES[member])


@asynccontextmanager
async def done_by_lambda() -> AsyncIterator[str]:
    """Run a server on loopback that answers every invocation as the processor does when all is done."""

    async def invoke(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(ALL_DONE)

    server = web.Application(client_max_size=0)
    server.router.add_post("/{path:.*}", invoke)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
