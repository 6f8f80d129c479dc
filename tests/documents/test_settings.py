"""docs/settings.md lists every variable that the code reads, and no other."""

import ast
import re
from pathlib import Path

import pytest

import main
from processor.errors import PipelineError
from processor.settings import read_settings
from tests.support.documents import PROJECT, document, names_in

SETTINGS = document("docs/settings.md")
# The smallest set of variables that the processor starts with.
SMALLEST = {
    "ENVIRONMENT_SUFFIX": "dev",
    "ARCHIVE_BUCKET": "archive",
    "QUARANTINE_BUCKET": "quarantine",
    "DB_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:database",
    "REDIS_ENDPOINT": "cache.example",
}
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def listed(heading: str, *, first_table: bool = True) -> set[str]:
    """Return the variables in a section's first table, or in its others."""
    section = SETTINGS.section(heading)
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = "".join(tables[:1] if first_table else tables[1:]).splitlines()
    return {name for row in rows for name in names_in(row.split("|")[1])}


def texts(path: Path) -> set[str]:
    """Return the names of variables among the strings of a module, docstrings excepted."""
    tree = ast.parse(path.read_text())
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {text for text in strings if isinstance(text, str) and VARIABLE.fullmatch(text)}


def test_the_processors_variables_are_listed() -> None:
    read = texts(PROJECT / "processor" / "settings.py") | texts(PROJECT / "processor" / "migrate.py")
    heading = "The processor's environment variables"
    assert listed(heading) | listed(heading, first_table=False) == read


def test_main_s_variables_are_listed() -> None:
    assert listed("Deploying") == texts(PROJECT / "main.py")
    docstring = main.__doc__ or ""
    assert listed("Deploying") <= names_in(docstring)


def test_the_tools_variables_are_read_somewhere() -> None:
    sources = [PROJECT / "Makefile", *PROJECT.glob("scripts/*.sh")]
    sources += [
        path for folder in ("terraform_cli", "stacks", "catalog") for path in (PROJECT / folder).rglob("*.py")
    ]
    text = "".join(path.read_text() for path in sources)
    missing = {name for name in listed("Deploying", first_table=False) if not re.search(rf"\b{name}\b", text)}
    assert not missing


@pytest.mark.parametrize("name", sorted(listed("The processor's environment variables")))
def test_what_is_required_is_marked(name: str) -> None:
    try:
        read_settings({key: value for key, value in SMALLEST.items() if key != name})
        needed = False
    except PipelineError:
        needed = True
    (row,) = [row for row in SETTINGS.table("variable", "meaning") if row[0] == f"`{name}`"][:1]
    assert row[1].startswith("required: ") == needed
