"""The local tools: how a kept run is found, and which of the shell's variables they ignore."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from local.demo.control import answering, ask
from local.demo.kept_state import KeptRunError, held_state, hold_state
from local.emulated_aws.function_service import PROJECT
from local.servers import Servers
from local.servers.isolation import stay_on_this_machine
from tests.support.real_servers import Services, environment_variables

SHELL = {
    "AWS_PROFILE": "nobody",
    "PGSSLMODE": "require",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "example.org",
}
# Connects as the tools do. Without stay_on_this_machine(), each of the three variables makes it fail.
CONNECTS = """
import asyncio, os, sys
import asyncpg
from local.servers.isolation import stay_on_this_machine
from local.emulated_aws.account import _session

async def main(endpoint_url, bucket, dsn):
    await (await asyncpg.connect(dsn)).close()
    async with _session().client("s3", endpoint_url=endpoint_url) as s3:
        print((await s3.list_objects_v2(Bucket=bucket))["KeyCount"])

stay_on_this_machine(os.environ)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_shells_proxies_and_profiles_are_ignored(services: Services, servers: Servers) -> None:
    with environment_variables(SHELL):
        shell = dict(os.environ)
    arguments = [servers.moto.endpoint_url, services.account.archive_bucket, services.postgres.dsn]
    ended = subprocess.run(  # noqa: ASYNC221, S603 nothing else runs meanwhile
        [sys.executable, "-c", CONNECTS, *arguments],
        cwd=PROJECT, env=shell, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.stdout == "0\n", ended.stderr


def test_the_shells_exceptions_from_its_proxy_stay() -> None:
    variables = dict(SHELL)
    stay_on_this_machine(variables)
    with environment_variables(variables):
        for host in ("127.0.0.1", "localhost", "example.org"):
            assert proxy_bypass(host)
        assert not proxy_bypass("registry.example")
    assert not {"AWS_PROFILE", "PGSSLMODE"} & set(variables)


HOLDS = """
import os, signal, sys
from pathlib import Path
from local.demo.kept_run import hold_state

with hold_state(Path(sys.argv[1]), {"pid": os.getpid()}):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_is_kept_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "kept-run.json"
    assert held_state(path) is None
    with hold_state(path, {"pid": 1}):
        assert held_state(path) == {"pid": 1}
        with pytest.raises(KeptRunError, match="already"), hold_state(path, {"pid": 2}):
            pass
        assert held_state(path) == {"pid": 1}
    assert held_state(path) is None


def test_a_run_that_was_killed_is_no_kept_run_whoever_has_its_process_id(tmp_path: Path) -> None:
    path = tmp_path / "kept-run.json"
    subprocess.run([sys.executable, "-c", HOLDS, path], cwd=PROJECT, check=False)  # noqa: S603
    assert path.exists()
    path.write_text(json.dumps({"pid": os.getpid()}))
    assert held_state(path) is None
    with hold_state(path, {"pid": 2}):
        assert held_state(path) == {"pid": 2}


@pytest.mark.parametrize(("argument", "kept"), [("KEEP=1", True), ("KEEP=", False)])
def test_only_keep_1_keeps(argument: str, kept: bool) -> None:  # noqa: FBT001
    command = ["make", "-n", "local", argument]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603
    assert ("--keep" in printed.stdout) is kept


@pytest.mark.parametrize(("argument", "once"), [("ONCE=1", True), ("ONCE=", False)])
def test_only_once_1_is_once(argument: str, once: bool) -> None:  # noqa: FBT001
    command = ["make", "-n", "deploy-local", argument]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603
    assert ("--once" in printed.stdout) is once


@pytest.mark.parametrize(("target", "argument"), [("local", "KEEP=yes"), ("deploy-local", "ONCE=0")])
def test_another_value_is_refused(target: str, argument: str) -> None:
    command = ["make", "-n", target, argument]
    printed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    name, value = argument.split("=")
    assert (printed.returncode, f"{name} is '{value}'; accepted: 1" in printed.stderr) == (2, True)


@pytest.mark.parametrize("line", [b"[1]", b'{"a": 1}', b"[" * 20_000, b"1", b"", b"null"])
async def test_what_is_no_word_has_one_answer(line: bytes) -> None:
    async def answer(word: str) -> dict[str, str]:
        return {"word": word}

    async with answering(answer) as path:
        assert await ask(path, "state") == {"word": "state"}
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(line + b"\n")
        assert json.loads(await reader.readline()) == {"error": "a line is one word, as a JSON string"}
        writer.close()
