"""The processor's core, whose imports pyproject.toml restricts: no module is forgotten there."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
CONTRACT = "The processor's core imports no driver, clock, chance or environment"
NOT_CORE = {
    "adapters",
    "background_tasks",
    "cache_commands",
    "event_loop",
    "handler",
    "migrate",
    "time_limits",
    "reader",
    "readers",
    "replay",
    "runtime",
    "scram",
    "settings",
}


def core() -> list[str]:
    """Return the modules that the contract names, without their package."""
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (modules,) = [contract["source_modules"] for contract in contracts if contract["name"] == CONTRACT]
    return [module.removeprefix("processor.") for module in modules]


def test_every_module_is_core_or_not() -> None:
    found = {path.stem for path in (PROJECT / "processor").glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in (PROJECT / "processor").glob("*/__init__.py")}
    assert sorted([*core(), *NOT_CORE]) == sorted(found | packages)


def test_no_core_module_reads_a_clock_of_what_it_may_import() -> None:
    """`datetime` and `asyncio` are used in the core for what they compute; their clocks are not."""
    for module in core():
        code = (PROJECT / "processor" / f"{module}.py").read_text()
        assert not re.search(r"\.(now|today|utcnow|time)\(", code), module
