"""Wrong usage of the program is one line: what is wrong, where, and what is accepted."""

import pytest

from catalog.usage import version
from tests.catalog.conftest import Catalog
from tests.support.real_servers import environment_variables


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("produce - --rate 0", "--rate is '0'; accepted: a whole number, 1 or more"),
        ("produce - --rate many", "--rate is 'many'; accepted: a whole number, 1 or more"),
        ("produce - --bad 2", "--bad is '2'; accepted: a number from 0 to 1"),
        ("produce - --format xml", "--format is 'xml'; accepted: ndjson, csv"),
        ("diff --workers 65", "--workers is '65'; accepted: a whole number from 1 to 64"),
        (
            "quarantine list --limit \x1b[31m",
            r"--limit is '\x1b[31m'; accepted: a whole number from 0 to 10,000",
        ),
        ("produce - --formt csv", "no option --formt; similar: --format, --hot, --out"),
        ("capacity", "--rate is missing (`catalog capacity --help`)"),
        ("capacity --rate 5 --plot /", "--plot: file '/' is a directory (`catalog capacity --help`)"),
        ("show", "PRODUCT is missing (`catalog show --help`)"),
        ("show a b", "unexpected arguments (b) (`catalog show --help`)"),
        ("nosuch", "no such command 'nosuch' (`catalog --help`)"),
    ],
)
async def test_wrong_usage_is_one_line(catalog: Catalog, arguments: str, told: str) -> None:
    result = await catalog(*arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [f"error: {told}"]


async def test_a_group_alone_shows_its_help(catalog: Catalog) -> None:
    result = await catalog("quarantine")
    assert (result.exit_code, result.stderr) == (2, "")
    assert "Rejected records: look at them" in result.stdout


async def test_the_version_is_the_projects(catalog: Catalog) -> None:
    result = await catalog("--version")
    assert (result.exit_code, result.stdout) == (0, f"catalog {version()}\n")


async def test_an_endpoint_that_is_no_url(catalog: Catalog) -> None:
    with environment_variables({"AWS_ENDPOINT_URL": "garbage", "AWS_REGION": "us-east-1"}):
        result = await catalog("history", "--env", "dev")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: AWS_ENDPOINT_URL: Invalid endpoint: garbage; a URL such as https://… is accepted\n",
    )
