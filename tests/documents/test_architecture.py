"""ARCHITECTURE.md: every module is in its code map, and its rules that no other test checks."""

import re
import subprocess
import sys

import pytest

from tests.support.documents import PROJECT, blocks, document, names_in

ARCHITECTURE = document("ARCHITECTURE.md")
CODE_MAP = ARCHITECTURE.section("Code map")
# urllib3 binds a socket to see whether there is IPv6, which opens nothing.
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

OPENING = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.posix_spawn")

def refuse(event, arguments):
    if event in OPENING:
        sys.exit(f"{event} {arguments}")

import processor
names = [found.name for found in pkgutil.walk_packages(processor.__path__, "processor.")]
sys.addaudithook(refuse)
for name in names:
    importlib.import_module(name)
"""


@pytest.mark.parametrize("package", ["processor", "stacks"])
def test_each_module_is_in_the_code_map(package: str) -> None:
    modules = {path.name for path in (PROJECT / package).glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in (PROJECT / package).glob("*/__init__.py")}
    named = {name.rpartition(f"{package}/")[2] for name in names_in(CODE_MAP)}
    assert modules | folders <= named


def test_each_package_of_the_local_tools_is_in_the_code_map() -> None:
    folders = {f"local/{path.parent.name}/" for path in (PROJECT / "local").glob("*/__init__.py")}
    assert folders <= names_in(CODE_MAP)


def test_each_check_that_is_named_is_there() -> None:
    rows = ARCHITECTURE.table("rule", "checked by")
    named = {name for row in rows for name in names_in(row[1]) if "/" in name}
    assert named
    assert all((PROJECT / name).exists() for name in named)


def test_names_in_the_instructions_exist() -> None:
    """Of classes, functions and variables that CONTRIBUTING tells somebody to look for."""
    contributing = document("CONTRIBUTING.md")
    spans = {span for span in contributing.code_spans() if re.fullmatch(r"_?[A-Za-z]\w+", span)}
    folders = ("processor", "stacks", "local", "reliability", "tests", "scripts")
    code = " ".join(path.read_text() for folder in folders for path in (PROJECT / folder).rglob("*.py"))
    tools = (PROJECT / "Pipfile").read_text()
    assert spans
    assert not {span for span in spans if not re.search(rf"\b{span}\b", code + tools)}


def test_each_line_of_a_diagram_is_an_edge() -> None:
    node = r"\w+(?:\[\([^()\[\]]+\)\]|\(\[[^()\[\]]+\]\)|\[[^()\[\]]+\])?"
    for block in blocks("mermaid"):
        first, *edges = block.text.strip().splitlines()
        assert first == "flowchart LR"
        for edge in edges:
            assert re.fullmatch(rf"    {node} -->(?:\|[^|]+\|)? {node}", edge), edge


def test_it_is_short() -> None:
    assert len(ARCHITECTURE.text.splitlines()) <= 170
    assert len(document("README.md").text.splitlines()) <= 80


def test_importing_the_processor_opens_nothing() -> None:
    command = [sys.executable, "-c", IMPORT_EVERYTHING]
    imported = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
    assert imported.returncode == 0, imported.stderr


def test_only_migrations_span_statements_with_a_transaction() -> None:
    spanning = {
        path.name
        for path in (PROJECT / "processor").rglob("*.py")
        if re.search(r"\.transaction\(|\bBEGIN\b", path.read_text())
    }
    assert spanning == {"migrate.py"}
