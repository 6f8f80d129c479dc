"""The target of a deployment: PostgreSQL, Valkey and the emulator, and cdktf configured for them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local.deploy.aws_clients import AwsClients
from local.deploy.cdktf import Cdktf
from local.deploy.database import RdsLikeDatabase
from local.deploy.differences_from_aws import CORRECTIONS
from local.deploy.environment_variables import terraform_variables
from local.deploy.leftovers import ResourceNames, list_resources
from local.deploy.prerequisites import EMULATOR_PROGRAM, EMULATOR_PYTHON, Machine
from local.deploy.steps import StepReporter
from local.servers import EmulatorServer, PostgresServer, ValkeyServer


@dataclass(frozen=True, kw_only=True)
class DeploymentTarget:
    """The servers, the account and cdktf; `resources_before`: the account's before any deployment."""

    machine: Machine
    cdktf: Cdktf
    aws: AwsClients
    database: RdsLikeDatabase
    postgres: PostgresServer
    valkey: ValkeyServer
    resources_before: ResourceNames


@asynccontextmanager
async def open_target(
    machine: Machine, folder: Path, reporter: StepReporter
) -> AsyncIterator[DeploymentTarget]:
    """Start everything that a deployment needs, and stop it at the end of the block.

    The emulator's log stays in `folder`.

    Raises: ServerError.
    """
    with PostgresServer() as postgres, ValkeyServer() as valkey:
        with reporter.step("servers") as step:
            database = RdsLikeDatabase(postgres.address)
            await database.rename_superuser()
            emulator = EmulatorServer(
                EMULATOR_PYTHON,
                EMULATOR_PROGRAM,
                corrections=list(CORRECTIONS),
                database=database.administered,
                valkey=valkey.address,
            )
            await asyncio.to_thread(emulator.start)
            step.report(f"PostgreSQL, Valkey, and the emulator on {emulator.endpoint_url}")
        try:
            aws = AwsClients(emulator.endpoint_url)
            with machine.provider.variables(machine.variables) as variables:
                cdktf_variables = terraform_variables(
                    variables,
                    endpoint_url=emulator.endpoint_url,
                    architecture=machine.architecture,
                    database_port=postgres.port,
                    cache_port=valkey.port,
                )
                yield DeploymentTarget(
                    machine=machine,
                    cdktf=Cdktf(folder, cdktf_variables),
                    aws=aws,
                    database=database,
                    postgres=postgres,
                    valkey=valkey,
                    resources_before=await list_resources(aws),
                )
        finally:
            shutil.copy(emulator.log_path, emulator_log(folder))
            emulator.close()


def emulator_log(folder: Path) -> Path:
    """Return where the emulator's log is once everything has stopped."""
    return folder / "emulator.log"
