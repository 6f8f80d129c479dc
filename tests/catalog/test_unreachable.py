"""AWS and the database away, silent, or not as expected: one line, the next step, and in time."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from catalog.aws_config import client_config
from catalog.environment import Environment, find_environment
from catalog.errors import UnreachableError
from catalog.running import explained
from processor.errors import DependencyError
from tests.catalog.conftest import Catalog
from tests.catalog.test_replay import put_object
from tests.catalog.test_tunnels import _Account as Account
from tests.support.events import record
from tests.support.real_servers import Services

NOBODY_LISTENS = 9


@pytest.fixture
def environment_extras() -> dict[str, Any]:
    return {"database_port": NOBODY_LISTENS}


@pytest.mark.usefixtures("catalog")
async def test_no_worker_prints_its_traceback(services: Services, tmp_path: Path) -> None:
    # Some for every partition, so that all workers fail at the same time.
    many = [record({"product_id": f"p{number}", "price": 1}, number) for number in range(600)]
    await put_object(services, *((one, "accepted") for one in many))
    # In a process of its own: asyncio tells of what nobody asked for as late as at the end.
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "catalog", "replay", "--workers", "3"),
        env=os.environ | {"CATALOG_KEPT_RUN": str(tmp_path / "kept-run.json")},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await program.communicate()
    assert (program.returncode, len(told.splitlines())) == (3, 1), told.decode()


async def test_the_database_of_a_kept_run_can_be_started(catalog: Catalog) -> None:
    result = await catalog("show", "a")
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert result.stderr.endswith(" If it was stopped: .venv/bin/python -m local trouble start-database\n")


def test_a_silent_service_is_given_up_within_a_minute() -> None:
    config: Any = client_config("s3", is_emulated=False)
    assert (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"] <= 60
    assert client_config("lambda", is_emulated=False).read_timeout > 900  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DependencyError(""), "DependencyError"),
        (TimeoutError(), "the database does not answer"),
        (asyncpg.InterfaceError("closed"), "the connection to the database was lost: run it again (closed)"),
        (asyncpg.ConnectionDoesNotExistError("closed"), "the connection to the database was lost: run it"),
    ],
)
def test_an_error_says_something(error: Exception, line: str) -> None:
    told = explained(error)
    assert isinstance(told, UnreachableError)
    assert str(told).startswith(line)


@pytest.mark.parametrize("members", [{}, [], "text", {"name": "dev"}])
async def test_a_parameter_that_is_not_what_the_stack_writes(members: Any) -> None:
    account = Account(members)
    with pytest.raises(UnreachableError, match="the SSM parameter /product-catalog/dev is not what"):
        await find_environment("dev", lambda: cast("Any", account))


async def test_a_parameter_of_a_later_release_has_more() -> None:
    members = dict.fromkeys(Environment.__dataclass_fields__, "")
    account = Account(members | {"added_later": 1})
    assert (await find_environment("dev", lambda: cast("Any", account))).name == ""


def test_a_termination_is_an_interruption() -> None:
    program = (
        "import asyncio, os, signal\n"
        "from catalog.console import Output\n"
        "from catalog.running import run_alone\n"
        "import typer\n"
        "async def command():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        await asyncio.sleep(60)\n"
        "    finally:\n"
        "        print('tidied up')\n"
        "try:\n"
        "    run_alone(Output(), command)\n"
        "except typer.Exit as ended:\n"
        "    raise SystemExit(ended.exit_code)\n"
    )
    done = subprocess.run(  # noqa: S603 our own text
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "tidied up\n")
    assert done.stderr.startswith("interrupted.")
