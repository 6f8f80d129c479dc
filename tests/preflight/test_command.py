"""`python -m preflight` as a program: its table, and its one line where nothing can be checked."""

import os
import subprocess
import sys

import pytest

from local.servers import Servers
from preflight.__main__ import main
from stacks.config.environments import ENVIRONMENTS as OWN
from terraform_cli.synthesis import ROOT

NOTHING = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
DEV_STACK = OWN[0].stack_id
STACK_IDS = ", ".join(each.stack_id for each in OWN)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Environment variables without a setting of ours or of AWS's."""
    for name in os.environ:
        if name.startswith(("AWS_", "CATALOG_")):
            monkeypatch.delenv(name)
    for name, value in NOTHING.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("alone")
def test_the_command_prints_the_table(servers: Servers) -> None:
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "preflight", DEV_STACK],
        cwd=ROOT,
        env={**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": servers.moto.endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["check", "found", "needed", "what", "to", "do"]
    assert any(line.startswith("ok    availability zones ") for line in lines)
    # Operations that moto's server lacks.
    assert any(line.startswith("FAIL  concurrency ") and "GetAccountSettings: 404" in line for line in lines)
    assert any(line.startswith("FAIL  cache node type ") and "not AWS's" in line for line in lines)
    assert lines[-1].startswith(f"{DEV_STACK}: ")


@pytest.mark.parametrize(
    ("stack", "variables", "line"),
    [
        (DEV_STACK, {}, "Nothing was checked. Unable to locate credentials"),
        (
            DEV_STACK,
            {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            'Nothing was checked. Could not connect to the endpoint URL: "http://127.0.0.1:9/"',
        ),
        (
            DEV_STACK,
            {**CREDENTIALS, "AWS_ENDPOINT_URL": "garbage"},
            "Nothing was checked. AWS_ENDPOINT_URL: Invalid endpoint: garbage; "
            "a URL such as https://… is accepted",
        ),
        (
            "pr-42-stack",
            CREDENTIALS,
            f"Nothing was checked. STACK is 'pr-42-stack'; accepted: {STACK_IDS}, "
            "and with ENVIRONMENT_SUFFIX the stack of a throwaway environment",
        ),
    ],
)
def test_where_nothing_can_be_checked_one_line_says_why(
    stack: str,
    variables: dict[str, str],
    line: str,
    alone: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        alone.setenv(name, value)
    alone.setattr(sys, "argv", ["preflight", stack])
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, *capfd.readouterr()) == (3, f"{line}\n", "")
