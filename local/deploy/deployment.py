"""Deploy dev-stack for real, on loopback: one record through it, destroyed, deployed and destroyed again."""

import asyncio
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from botocore.exceptions import BotoCoreError, ClientError
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console

from local.deploy import emulator_limits, prerequisites, smoke_test
from local.deploy.deployed_function import check_bytes, fetch
from local.deploy.deployment_target import World, emulator_log, open_world
from local.deploy.errors import DeployError, PrerequisiteError
from local.deploy.leftovers import everything, left_over
from local.deploy.passwords import check_nowhere, check_state, login
from local.deploy.steps import Steps
from local.emulated_aws.event_source_mapping import FunctionError, MappingEndedError
from local.emulated_aws.function_service import PROJECT
from local.servers import ServerError

FOLDER = PROJECT / ".local" / "deploy-local"
SKIPPED = 3
# As the reference names them.
_OUTPUTS = ("KinesisStreamName", "DatabaseEndpoint", "RedisEndpoint", "ArchiveBucket")
_FAILURES = (
    *(DeployError, ServerError, FunctionError, MappingEndedError),
    # What a server answers otherwise than it should.
    *(OSError, BotoCoreError, ClientError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError),
)


async def run(*, once: bool) -> int:
    """Run everything; 0 if all is as it must be, 1 if not, 3 if this machine lacks what it takes."""
    console = Console(highlight=False)
    steps = Steps(console)
    try:
        with _only_one():
            await _run(steps, console, once=once)
    except PrerequisiteError as error:
        console.print(f"skipped: nothing was deployed, for {error}", markup=False, soft_wrap=True)
        return SKIPPED
    except _FAILURES as error:
        print(f"error in step '{steps.name}': {error}", file=sys.stderr)
        print(f"The logs are in {FOLDER.relative_to(PROJECT)}; nothing is left running.", file=sys.stderr)
        return 1
    return 0


async def _run(steps: Steps, console: Console, *, once: bool) -> None:
    with steps.step("terraform") as step:
        found = await asyncio.to_thread(prerequisites.find_machine, os.environ)
        step.say(found.told)
    with steps.step("emulator") as step:
        await prerequisites.install_emulator(found, FOLDER / "emulator-installation.log")
        step.say(f"ministack in {prerequisites.EMULATOR_PYTHON.parents[1].relative_to(PROJECT)}")
    with steps.step("cdktf-cli") as step:
        await prerequisites.install_cdktf(found, FOLDER / "npm.log")
        step.say("as package-lock.json pins it")
    with steps.step("packages") as step:
        await prerequisites.build_packages(found, FOLDER / "packages.log")
        step.say(f"{found.code.name}, {found.layer.name}")
    async with open_world(found, FOLDER, steps) as world:
        added = await _deploy(world, steps, 1)
        await _check_outputs(world, steps)
        await _send_one_record(world, steps)
        await _destroy(world, steps, 1, added)
        if not once:
            added = await _deploy(world, steps, 2)
            await _destroy(world, steps, 2, added)
    _tell_limits(console, found)
    repeated = emulator_log(FOLDER).read_text(encoding="utf-8", errors="replace").count(" came again, ")
    console.print(
        f"{repeated} requests were sent again because their answer was lost ({emulator_log(FOLDER).name})."
    )
    cycles = "deployed, destroyed" if once else "deployed, destroyed, deployed and destroyed"
    console.print(
        f"dev-stack was {cycles}: {added} resources, {steps.total_seconds:.0f} s in all.", soft_wrap=True
    )


async def _deploy(world: World, steps: Steps, cycle: int) -> int:
    name = f"deploy {cycle}"
    with steps.step(name) as step:
        await world.database.make_anew()
        async with Redis(host=world.valkey.address.host, port=world.valkey.port) as redis:
            await redis.flushall()
        log_path = _log_path(name)
        changes = await world.cdktf.deploy(log_path, step.progress)
        step.say(f"{changes.added} resources added (log: {log_path.relative_to(PROJECT)})")
    return changes.added


async def _destroy(world: World, steps: Steps, cycle: int, added: int) -> None:
    name = f"destroy {cycle}"
    with steps.step(name) as step:
        log_path = _log_path(name)
        changes = await world.cdktf.destroy(log_path, step.progress)
        step.say(f"{changes.destroyed} resources destroyed (log: {log_path.relative_to(PROJECT)})")
    with steps.step(f"left over {cycle}") as step:
        held = await everything(world.cloud)
        lines = left_over(world.empty, held)
        lines += [f"the state still has {resource['type']}" for resource in world.cdktf.state()["resources"]]
        if changes.destroyed != added:
            lines.append(f"{added} resources were added, {changes.destroyed} destroyed")
        if lines:
            raise DeployError("\n".join(["after the destroy:", *lines]))
        step.say(f"nothing, of {len(held)} kinds of resources; the state is empty")


async def _check_outputs(world: World, steps: Steps) -> None:
    with steps.step("outputs and secrets") as step:
        outputs = world.cdktf.outputs()
        if missing := [name for name in _OUTPUTS if not outputs.get(name)]:
            raise DeployError(f"the outputs lack {', '.join(missing)}: {outputs}")
        passwords = {}
        for output in ("AdministratorSecretArn", "ProcessorSecretArn", "ReaderSecretArn"):
            held = await login(world.cloud, outputs[output])
            passwords[held["username"]] = held["password"]
        check_state(world.cdktf.state())
        files = check_nowhere(passwords, FOLDER)
        step.say(
            f"{', '.join(_OUTPUTS)}; no password of {len(passwords)} in {files} files, the state among them"
        )


async def _send_one_record(world: World, steps: Steps) -> None:
    outputs, cloud = world.cdktf.outputs(), world.cloud
    with steps.step("deployed packages") as step:
        function = await fetch(cloud, outputs["ProcessorFunctionName"])
        check_bytes("code", function.code, world.machine.code)
        check_bytes("layer", function.layer, world.machine.layer)
        launch = function.unpack(prerequisites.EMULATOR_PYTHON, FOLDER / "function")
        step.say("code and layer are the built ones, byte for byte")
    with steps.step("one record") as step, (FOLDER / "function.log").open("w") as log:
        shard, number = await smoke_test.put_record(cloud, outputs["KinesisStreamName"])
        step.say(
            await smoke_test.map_to_function(
                cloud,
                outputs["EventSourceMappingId"],
                function,
                launch,
                lambda line: print(line, file=log, flush=True),
            )
        )
    with steps.step("row, cached product") as step:
        step.say(
            await smoke_test.read_as_shop(
                cloud, outputs["ReaderSecretArn"], world.postgres.address, world.valkey.address
            )
        )
    with steps.step("archive") as step:
        step.say(await smoke_test.check_archive(cloud, outputs["ArchiveBucket"], shard, number))
    with steps.step("quarantine, queue") as step:
        step.say(
            await smoke_test.check_no_failures(
                cloud, outputs["QuarantineBucket"], outputs["FailedBatchQueueUrl"]
            )
        )


def _tell_limits(console: Console, found: prerequisites.Machine) -> None:
    console.print("\nOtherwise than on AWS:")
    for limit in emulator_limits.told(None if found.provider.is_exact else found.provider.told):
        console.print(f"  {limit.part}: {limit.reason}", markup=False, soft_wrap=True)
    console.print()


def _log_path(step: str) -> Path:
    return FOLDER / f"{step.replace(' ', '-')}.log"


@contextmanager
def _only_one() -> Iterator[None]:
    """Keep the folder to ourselves, and empty: the emulator that an earlier state spoke of is gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "deploy-local.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeployError("another `make deploy-local` is at work here; let it end first") from None
        shutil.rmtree(FOLDER)
        FOLDER.mkdir()
        yield
