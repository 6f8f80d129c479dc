"""The arguments of every kind of block, and the attributes that they refer to: each is a decision."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.environments import PERMANENT
from tests.support.synthesized import Stack

ARGUMENTS = Path(__file__).with_name("arguments.json")

# Neither a new setting of these is applied, nor is a change by hand reverted.
IGNORED_CHANGES = {
    # It has the time of the plan.
    "aws_db_instance": ["final_snapshot_identifier"],
    # AWS upgrades it; a lower version in the settings would replace the cache.
    "aws_elasticache_replication_group": ["engine_version"],
}

_REFERENCE = re.compile(r"\$\{((?:data\.|ephemeral\.)?aws_\w+)\.\w+\.([^}]+)\}")

Owners = dict[str, set[str]]
"""Logical id → the stacks in which it is."""


def arguments(stacks: Mapping[str, Stack]) -> dict[str, dict[str, str | list[str]]]:
    """Return kind → path of an argument → which blocks of this kind have it.

    "all", "as" another argument, or logical ids, each with the stacks if not in all that have the block.
    """
    owners: dict[str, Owners] = defaultdict(lambda: defaultdict(set))
    having: dict[str, dict[str, Owners]] = defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    for name, stack in stacks.items():
        for kind, id_, body in _blocks(stack.document):
            owners[kind][id_].add(name)
            for path in set(_paths(body)):
                having[kind][path][id_].add(name)
    return {
        kind: {path: _shown(path, having[kind], owners[kind]) for path in sorted(having[kind])}
        for kind in sorted(owners)
    }


def _shown(path: str, having: Mapping[str, Owners], owners: Owners) -> str | list[str]:
    found = having[path]
    if found == owners:
        return "all"
    first = next(other for other in sorted(having) if having[other] == found)
    if first != path:
        return f"as {first}"
    return [
        id_ if names == owners[id_] else f"{id_}: {', '.join(sorted(names))}"
        for id_, names in sorted(found.items())
    ]


def test_arguments_stay(readable: dict[str, Stack], open_dev: Stack) -> None:
    found = arguments(observed_stacks(readable, open_dev))
    kept = json.loads(ARGUMENTS.read_text())
    changed = sorted(
        f"{kind} {path}: {kept.get(kind, {}).get(path, 'none')} → {found.get(kind, {}).get(path, 'none')}"
        for kind in {*found, *kept}
        for path in {*found.get(kind, ()), *kept.get(kind, ())}
        if found.get(kind, {}).get(path) != kept.get(kind, {}).get(path)
    )
    assert not changed, f"if meant: .venv/bin/python scripts/logical_ids.py; changed: {changed}"
    assert found == kept


def test_terraform_ignores_no_change_but_these(readable: dict[str, Stack]) -> None:
    for stack in readable.values():
        ignored = {
            kind: body["lifecycle"]["ignore_changes"]
            for kind, _, body in stack.blocks()
            if "ignore_changes" in body.get("lifecycle", {})
        }
        assert ignored == IGNORED_CHANGES


def observed_stacks(readable: Mapping[str, Stack], open_dev: Stack) -> dict[str, Stack]:
    """Return the stacks whose arguments are kept: together they have every kind of resource."""
    return {**{name: readable[name] for name in PERMANENT}, "dev with a NAT gateway": open_dev}


def _blocks(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (kind, id, body) of every resource, data source, provider, check, output and the rest."""
    for section, content in document.items():
        match section:
            case "//":
                continue
            case "resource" | "data" | "ephemeral":
                prefix = "" if section == "resource" else f"{section}."
                for kind, bodies in content.items():
                    for id_, body in bodies.items():
                        yield f"{prefix}{kind}", id_, body
            case "output" | "check":
                for id_, body in content.items():
                    yield section, id_, body
            case _:
                yield section, section, content


def _paths(node: Any) -> Iterator[str]:
    """Yield the paths of arguments (`tags.Name`) and of references (`vpc_id.${aws_vpc.id}`)."""
    match node:
        case str():
            yield from (f"${{{kind}.{attribute}}}" for kind, attribute in _REFERENCE.findall(node))
        case dict():
            for name, value in node.items():
                if name != "//":
                    yield name
                    yield from (f"{name}.{path}" for path in _paths(value))
        case list():
            for value in node:
                yield from _paths(value)
