"""Every command in a document is one that exists, with these options; none is run that changes anything."""

import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import typer.main
from botocore import xform_name
from packaging.requirements import Requirement

from catalog.app import app
from processor.settings import RDS_ROOTS
from stacks.database import ADMINISTRATOR, DATABASE_NAME
from tests.support.documents import PROJECT, Block, blocks, document, documents
from tests.support.synthesized import Stack

# https://docs.aws.amazon.com/cli/latest/reference/ and its global options
AWS_GLOBAL = {"cli-binary-format", "cli-read-timeout", "region", "output", "query"}
# Commands of the CLI alone, which no service model has.
AWS_CLI_ALONE = {("logs", "tail"): {"since", "follow"}, ("s3", "ls"): {"recursive"}, ("s3", "cp"): set[str]()}
ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")

each_command = pytest.mark.parametrize(
    ("block", "line"),
    [
        pytest.param(block, line, id=f"{block.place} {line[:40]}")
        for block in blocks("sh")
        for line in block.text.replace("\\\n", " ").splitlines()
        if line.strip()
    ],
)


@each_command
def test_each_command_exists(block: Block, line: str) -> None:
    words = shlex.split(line, comments=True)
    if ">" in words:
        words = words[: words.index(">")]
    # After a pipe is what matters.
    words = words[words.index("|") + 1 if "|" in words else 0 :]
    variables = {}
    while words and (assigned := ASSIGNMENT.fullmatch(words[0])):
        variables[assigned[1]] = assigned[2]
        words.pop(0)
    program, *arguments = words
    settings = document("docs/settings.md").text
    match program:
        case "export":
            variables |= dict(argument.split("=", 1) for argument in arguments)
        case "make" | "aws" | "psql" | "catalog" | ".venv/bin/catalog":
            CHECKS[program](arguments)
        case "jq":
            assert arguments  # not of ours, and not on every machine
        case "pip":
            check_requirement(arguments[-1])
        case "bash":
            assert (PROJECT / arguments[0]).is_file()
        case ".venv/bin/python" | "python3":
            check_python(arguments)
        case _ if program.startswith(".venv/bin/"):
            assert Path(sys.executable).with_name(Path(program).name).is_file(), program
        case _:
            pytest.fail(f"no check for {program}: add one here")
    assert all(f"`{name}`" in settings for name in variables)


def check_make(arguments: list[str]) -> None:
    """Let make plan the targets, and run nothing."""
    planned = subprocess.run(  # noqa: S603
        ["make", "--dry-run", *arguments],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert planned.returncode == 0, planned.stderr
    assigned = [argument.partition("=")[0] for argument in arguments if "=" in argument]
    makefile = (PROJECT / "Makefile").read_text()
    assert all(re.search(rf"^{name} \?=", makefile, re.MULTILINE) for name in assigned)


def check_python(arguments: list[str]) -> None:
    """Check a module's arguments, compile the code, or find the file; paths that are named must exist."""
    match arguments:
        case ["-c", code]:
            compile(code, "<document>", "exec")
        case ["-m", "pytest", *rest]:
            assert all((PROJECT / path).exists() for path in rest if not path.startswith("-"))
        case ["-m", module, *rest]:
            command = [sys.executable, "-m", module, *rest[:1], "--help"]
            subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)  # noqa: S603
        case [path, *_]:
            assert (PROJECT / path).is_file()


def check_catalog(arguments: list[str]) -> None:
    """Let the program read the arguments, and run nothing."""
    command, rest = catalog_command(arguments)
    command.make_context("catalog", rest)


def catalog_command(arguments: list[str]) -> tuple[Any, list[str]]:
    """Return the program's command, and the arguments after its name."""
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        command = command.commands[rest.pop(0)]
    return command, rest


def check_psql(arguments: list[str]) -> None:
    """Check that database, administrator and certificates are the ones that are deployed."""
    (connection,) = arguments
    assert dict(part.split("=", 1) for part in connection.split()) == {
        "host": "$HOST",
        "dbname": DATABASE_NAME,
        "user": ADMINISTRATOR,
        "sslmode": "verify-full",
        "sslrootcert": RDS_ROOTS.name,
    }


def check_requirement(text: str) -> None:
    """Check that this project is what is installed, with extras it has."""
    requirement = Requirement(text)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert requirement.name == project["name"]
    assert requirement.extras <= set(project.get("optional-dependencies", {}))


def check_aws(arguments: list[str]) -> None:
    """Check service, operation and options with botocore's models of the services."""
    service, operation, *rest = arguments
    given = {word.removeprefix("--") for word in rest if word.startswith("--")} - AWS_GLOBAL
    if (service, operation) in AWS_CLI_ALONE:
        assert given <= AWS_CLI_ALONE[service, operation]
        return
    model = botocore.session.Session().get_service_model(service)
    names: Mapping[str, str] = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    assert shape is not None
    assert given <= {xform_name(member, "-") for member in shape.members}
    assert {xform_name(member, "-") for member in shape.required_members} <= given


CHECKS = {
    "make": check_make,
    "aws": check_aws,
    "psql": check_psql,
    "catalog": check_catalog,
    ".venv/bin/catalog": check_catalog,
}


CATALOG = {"catalog", ".venv/bin/catalog"}


def test_each_command_of_catalog_is_one_in_all_blocks_and_places_of_a_line() -> None:
    """Also in examples of the help, which are plain text, and before and after pipes."""
    found = 0
    for block in [*blocks("sh"), *blocks("text")]:
        for line in block.text.replace("\\\n", " ").splitlines():
            if not any(f"{name} " in line for name in CATALOG):
                continue
            words = shlex.split(line, comments=True)
            for is_pipe, part in itertools.groupby(words, lambda word: word == "|"):
                program, *arguments = part
                if not is_pipe and program in CATALOG:
                    check_catalog(arguments[: arguments.index(">")] if ">" in arguments else arguments)
                    found += 1
    assert found > 50


def test_commands_within_sentences_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for found in documents():
        for span in found.code_spans():
            words = span.split()
            if words[:1] == ["make"] and len(words) > 1:
                assert words[1] in targets, (found.name, span)
            elif words[:1] == ["aws"]:
                check_aws(words[1:])
            elif CATALOG & set(words[:1]):
                for spelled_out in itertools.product(*(word.split("|") for word in words[1:])):
                    command, rest = catalog_command([*spelled_out])
                    known = {option for parameter in command.params for option in parameter.opts}
                    options = {word for word in rest if word.startswith("--")} - {"--help"}
                    assert options <= known, (found.name, span)


def test_names_of_resources_are_the_stacks(stacks: dict[str, Stack]) -> None:
    """Names of dev's, which documents use in all examples."""
    strings = [re.sub(r"\$\{[^}]*\}", "$CATALOG_ACCOUNT_ID", text) for text in stacks["dev-stack"].strings()]
    named = {
        name
        for found in documents()
        for name in re.findall(r"(?<![\w-])[a-z][a-z-]*-(?:\$CATALOG_ACCOUNT_ID-)?dev(?![\w-])", found.text)
    }
    assert named
    assert not {name for name in named if not any(name in text for text in strings)}


def test_outputs_are_the_stacks(stacks: dict[str, Stack]) -> None:
    outputs = set(stacks["dev-stack"].document["output"])
    pattern = re.compile(r"[A-Z][A-Za-z]+(Arn|Id|Name|Endpoint|Bucket|Url|CacheUser)")
    for name in ("docs/shop.md", "docs/deploying.md", "docs/operating.md"):
        named = {span for span in document(name).code_spans() if pattern.fullmatch(span)}
        assert named
        assert named <= outputs, name
