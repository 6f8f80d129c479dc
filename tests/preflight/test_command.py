"""`python -m preflight` as a program: its table, and its one line where nothing can be checked."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from local.servers import Servers
from terraform_cli.synthesis import ROOT


def run(stack: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CATALOG_"))}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "preflight", stack],
        cwd=ROOT,
        env={**kept, **nowhere, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


def test_the_command_prints_the_table(servers: Servers) -> None:
    ended = run("dev-stack", {**CREDENTIALS, "AWS_ENDPOINT_URL": servers.moto.endpoint_url})
    assert ended.returncode == 1, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["check", "found", "needed", "what", "to", "do"]
    assert any(line.startswith("ok    availability zones ") for line in lines)
    # Operations that moto's server lacks.
    assert any(line.startswith("FAIL  concurrency ") and "GetAccountSettings: 404" in line for line in lines)
    assert any(line.startswith("FAIL  cache node type ") and "not AWS's" in line for line in lines)
    assert lines[-1].startswith("dev-stack: ")


@pytest.mark.parametrize(
    ("stack", "variables", "line"),
    [
        ("dev-stack", {}, "Nothing was checked. Unable to locate credentials"),
        (
            "dev-stack",
            {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            'Nothing was checked. Could not connect to the endpoint URL: "http://127.0.0.1:9/"',
        ),
        (
            "test-stack",
            CREDENTIALS,
            "Nothing was checked. There is no test-stack; accepted: dev-stack, staging-stack, prod-stack",
        ),
    ],
)
def test_where_nothing_can_be_checked_one_line_says_why(
    stack: str, variables: dict[str, str], line: str
) -> None:
    ended = run(stack, variables)
    assert (ended.returncode, ended.stdout.splitlines(), ended.stderr) == (3, [line], "")
