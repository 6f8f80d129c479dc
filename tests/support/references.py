"""The references between blocks of a stack, direct and indirect, by which Terraform orders them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.synthesized import Stack

_ADDRESS = re.compile(r"(?:\b(?:data|ephemeral)\.)?\baws_[a-z0-9_]+\.[A-Za-z]\w*")

Graph = Mapping[str, frozenset[str]]


def graph(stack: Stack) -> Graph:
    """Return address → addresses it refers to, such as `aws_vpc.Network_Vpc`, `data.…`, `ephemeral.…`."""
    found: dict[str, frozenset[str]] = {}
    for section, prefix in (("resource", ""), ("data", "data."), ("ephemeral", "ephemeral.")):
        for kind, blocks in stack.document.get(section, {}).items():
            for logical_id, body in blocks.items():
                found[f"{prefix}{kind}.{logical_id}"] = frozenset(_references(body))
    return found


def reached(graph: Graph, address: str) -> set[str]:
    """Return every address that must be created before this one."""
    known: set[str] = set()
    waiting = [address]
    while waiting:
        for reference in graph[waiting.pop()] - known:
            known.add(reference)
            waiting.append(reference)
    return known


def _references(node: Any) -> Iterator[str]:
    match node:
        case str() if "${" in node:
            yield from _ADDRESS.findall(node)
        case dict():
            yield from node.get("depends_on", [])
            for value in node.values():
                yield from _references(value)
        case list():
            for value in node:
                yield from _references(value)
