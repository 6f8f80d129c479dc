"""What a deployment goes to: PostgreSQL, Valkey and the emulator, and cdktf that is pointed at them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from local.deploy.aws_clients import Cloud
from local.deploy.cdktf import Cdktf
from local.deploy.database import RdsLikeDatabase
from local.deploy.emulator_limits import CORRECTIONS
from local.deploy.environment_variables import for_terraform
from local.deploy.leftovers import Held, everything
from local.deploy.prerequisites import EMULATOR_PROGRAM, EMULATOR_PYTHON, Machine
from local.deploy.steps import Steps
from local.servers import EmulatorServer, PostgresServer, ValkeyServer


@dataclass(frozen=True, kw_only=True)
class World:
    """The servers, the account and cdktf; `empty`: what the account held before any deployment."""

    machine: Machine
    cdktf: Cdktf
    cloud: Cloud
    database: RdsLikeDatabase
    postgres: PostgresServer
    valkey: ValkeyServer
    empty: Held


@asynccontextmanager
async def open_world(found: Machine, folder: Path, steps: Steps) -> AsyncIterator[World]:
    """Start everything that a deployment needs, and stop it at the end; the emulator's log stays in `folder`.

    Raises: ServerError.
    """
    with PostgresServer() as postgres, ValkeyServer() as valkey:
        with steps.step("servers") as step:
            database = RdsLikeDatabase(postgres.address)
            await database.take_over()
            emulator = EmulatorServer(
                EMULATOR_PYTHON,
                EMULATOR_PROGRAM,
                corrections=list(CORRECTIONS),
                database=database.administered,
                valkey=valkey.address,
            )
            await asyncio.to_thread(emulator.start)
            step.say(f"PostgreSQL, Valkey, and the emulator on {emulator.endpoint_url}")
        try:
            cloud = Cloud(emulator.endpoint_url)
            with found.provider.variables(found.variables) as variables:
                environment = for_terraform(
                    variables,
                    endpoint_url=emulator.endpoint_url,
                    architecture=found.architecture,
                    database_port=postgres.port,
                    cache_port=valkey.port,
                )
                yield World(
                    machine=found,
                    cdktf=Cdktf(folder, environment),
                    cloud=cloud,
                    database=database,
                    postgres=postgres,
                    valkey=valkey,
                    empty=await everything(cloud),
                )
        finally:
            shutil.copy(emulator.log_path, emulator_log(folder))
            emulator.close()


def emulator_log(folder: Path) -> Path:
    """Where the emulator's log is once everything was stopped."""
    return folder / "emulator.log"
