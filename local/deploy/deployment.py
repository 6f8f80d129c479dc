"""Deploy dev-stack on loopback, send one record through it, destroy it; then deploy and destroy it again."""

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

from local.deploy import differences_from_aws, prerequisites, smoke_test
from local.deploy.deployed_function import check_bytes, fetch_function
from local.deploy.deployment_target import DeploymentTarget, emulator_log, open_target
from local.deploy.errors import DeployError, PrerequisiteError
from local.deploy.leftovers import find_leftovers, list_resources
from local.deploy.passwords import check_files, check_state, read_login
from local.deploy.steps import StepReporter
from local.emulated_aws.event_source_mapping import FunctionError, MappingEndedError
from local.emulated_aws.function_service import PROJECT
from local.servers import ServerError

FOLDER = PROJECT / ".local" / "deploy-local"
SKIPPED = 3
# The outputs of the sketch that the project began as (docs/from-the-sketch.md).
_OUTPUTS = ("KinesisStreamName", "DatabaseEndpoint", "RedisEndpoint", "ArchiveBucket")
_FAILURES = (
    *(DeployError, ServerError, FunctionError, MappingEndedError),
    # A server fails, or its response is not the expected one.
    *(OSError, BotoCoreError, ClientError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError),
)


async def run(*, once: bool) -> int:
    """Run everything; return 0 if every check passed, 1 if not, 3 if this machine lacks a prerequisite."""
    console = Console(highlight=False)
    reporter = StepReporter(console)
    try:
        with _exclusive_folder():
            await _run(reporter, console, once=once)
    except PrerequisiteError as error:
        console.print(f"skipped, nothing was deployed: {error}", markup=False, soft_wrap=True)
        return SKIPPED
    except _FAILURES as error:
        print(f"error in step '{reporter.name}': {error}", file=sys.stderr)
        print(f"The logs are in {FOLDER.relative_to(PROJECT)}; nothing is left running.", file=sys.stderr)
        return 1
    return 0


async def _run(reporter: StepReporter, console: Console, *, once: bool) -> None:
    with reporter.step("terraform") as step:
        machine = await asyncio.to_thread(prerequisites.find_machine, os.environ)
        step.report(machine.description)
    with reporter.step("emulator") as step:
        await prerequisites.install_emulator(machine, FOLDER / "emulator-installation.log")
        step.report(f"ministack in {prerequisites.EMULATOR_PYTHON.parents[1].relative_to(PROJECT)}")
    with reporter.step("cdktf-cli") as step:
        await prerequisites.install_cdktf(machine, FOLDER / "npm.log")
        step.report("as package-lock.json pins it")
    with reporter.step("deployment packages") as step:
        await prerequisites.build_deployment_packages(machine, FOLDER / "packages.log")
        step.report(f"{machine.code.name}, {machine.layer.name}")
    async with open_target(machine, FOLDER, reporter) as target:
        added = await _deploy(target, reporter, 1)
        await _check_outputs(target, reporter)
        await _send_one_record(target, reporter)
        await _destroy(target, reporter, 1, added)
        if not once:
            added = await _deploy(target, reporter, 2)
            await _destroy(target, reporter, 2, added)
    _print_differences(console, machine)
    repeated = emulator_log(FOLDER).read_text(encoding="utf-8", errors="replace").count(" came again, ")
    console.print(
        f"{repeated} requests were sent again because the response was lost ({emulator_log(FOLDER).name})."
    )
    cycles = "deployed and destroyed" if once else "deployed and destroyed twice"
    console.print(
        f"dev-stack was {cycles}: {added} resources, {reporter.total_seconds:.0f} s in all.", soft_wrap=True
    )


async def _deploy(target: DeploymentTarget, reporter: StepReporter, cycle: int) -> int:
    name = f"deploy {cycle}"
    with reporter.step(name) as step:
        await target.database.recreate()
        async with Redis(host=target.valkey.address.host, port=target.valkey.port) as redis:
            await redis.flushall()
        log_path = _log_path(name)
        changes = await target.cdktf.deploy(log_path, step.progress)
        step.report(f"{changes.added} resources added (log: {log_path.relative_to(PROJECT)})")
    return changes.added


async def _destroy(target: DeploymentTarget, reporter: StepReporter, cycle: int, added: int) -> None:
    name = f"destroy {cycle}"
    with reporter.step(name) as step:
        log_path = _log_path(name)
        changes = await target.cdktf.destroy(log_path, step.progress)
        step.report(f"{changes.destroyed} resources destroyed (log: {log_path.relative_to(PROJECT)})")
    with reporter.step(f"leftovers {cycle}") as step:
        resources = await list_resources(target.aws)
        lines = find_leftovers(target.resources_before, resources)
        lines += [f"the state still has {resource['type']}" for resource in target.cdktf.state()["resources"]]
        if changes.destroyed != added:
            lines.append(f"{added} resources were added, {changes.destroyed} destroyed")
        if lines:
            raise DeployError("\n".join(["after the destroy:", *lines]))
        step.report(f"none, of {len(resources)} kinds of resources; the state is empty")


async def _check_outputs(target: DeploymentTarget, reporter: StepReporter) -> None:
    with reporter.step("outputs and secrets") as step:
        outputs = target.cdktf.outputs()
        if missing := [name for name in _OUTPUTS if not outputs.get(name)]:
            raise DeployError(f"these outputs are missing: {', '.join(missing)}; found {outputs}")
        passwords = {}
        for output in ("AdministratorSecretArn", "ProcessorSecretArn", "ReaderSecretArn"):
            login = await read_login(target.aws, outputs[output])
            passwords[login["username"]] = login["password"]
        check_state(target.cdktf.state())
        files = check_files(passwords, FOLDER)
        step.report(
            f"{', '.join(_OUTPUTS)}; none of {len(passwords)} passwords in {files} files, the state included"
        )


async def _send_one_record(target: DeploymentTarget, reporter: StepReporter) -> None:
    outputs, aws = target.cdktf.outputs(), target.aws
    with reporter.step("deployed code, layer") as step:
        function = await fetch_function(aws, outputs["ProcessorFunctionName"])
        check_bytes("code", function.code, target.machine.code)
        check_bytes("layer", function.layer, target.machine.layer)
        launch = function.unpack(prerequisites.EMULATOR_PYTHON, FOLDER / "function")
        step.report("equal to the built ones, byte for byte")
    with reporter.step("one record") as step, (FOLDER / "function.log").open("w") as log:
        shard, number = await smoke_test.put_record(aws, outputs["KinesisStreamName"])
        step.report(
            await smoke_test.run_mapping(
                aws,
                outputs["EventSourceMappingId"],
                function,
                launch,
                lambda line: print(line, file=log, flush=True),
            )
        )
    with reporter.step("row, cached product") as step:
        step.report(
            await smoke_test.read_as_shop(
                aws, outputs["ReaderSecretArn"], target.postgres.address, target.valkey.address
            )
        )
    with reporter.step("archive") as step:
        step.report(await smoke_test.check_archive(aws, outputs["ArchiveBucket"], shard, number))
    with reporter.step("quarantine, queue") as step:
        step.report(
            await smoke_test.check_no_failures(
                aws, outputs["QuarantineBucket"], outputs["FailedBatchQueueUrl"]
            )
        )


def _print_differences(console: Console, machine: prerequisites.Machine) -> None:
    console.print("\nDifferences from AWS:")
    for difference in differences_from_aws.all_differences(
        None if machine.provider.is_exact else machine.provider.description
    ):
        console.print(f"  {difference.part}: {difference.reason}", markup=False, soft_wrap=True)
    console.print()


def _log_path(step: str) -> Path:
    return FOLDER / f"{step.replace(' ', '-')}.log"


@contextmanager
def _exclusive_folder() -> Iterator[None]:
    """Lock out other runs, and empty the folder: its state describes an emulator that no longer runs."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER.parent / "deploy-local.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeployError("another `make deploy-local` is running here; wait until it ends") from None
        shutil.rmtree(FOLDER)
        FOLDER.mkdir()
        yield
