"""A mistake in a synthesized stack, as a change of its JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.support.synthesized import Stack


class Removal(Enum):
    """The value of an argument, or an element of a list, that is removed."""

    REMOVED = "removed"


REMOVED = Removal.REMOVED


@dataclass(frozen=True)
class Misconfiguration:
    """One mistake in one block of a stack.

    `name`: what is wrong. `block`: the address, such as `aws_vpc.Network_Vpc`, or a section of the document.
    `argument`: its path in the block, with the indexes of lists. `value`: the wrong value, or `REMOVED`.
    `folder`: where the stack is that has the mistake (`WRONG` of `__main__.py`); "": prod-stack.
    `caught_by`: the test that fails, such as `test_network.py::test_nothing_leads_to_the_internet`.
    """

    name: str
    block: str
    argument: str
    value: Any
    caught_by: str
    folder: str = ""

    def made_in(self, stack: Stack) -> Stack:
        """Return the stack with the mistake; raise KeyError if there is no such block or no change."""
        document = json.loads(json.dumps(stack.document))
        *path, last = self.argument.split(".")
        node = self._block_in(document)
        for name in path:
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})
        key = int(last) if isinstance(node, list) else last
        if self.value is REMOVED:
            del node[key]
        elif isinstance(node, list) and key == len(node):
            node.append(self.value)
        else:
            node[key] = self.value
        if document == stack.document:
            raise KeyError(f"{self.name}: {self.argument} of {self.block} is {self.value!r} already")
        return Stack(document=document)

    def _block_in(self, document: Mapping[str, Any]) -> Any:
        prefix, _, rest = self.block.partition(".")
        section = prefix if prefix in document else "resource"
        names = (rest if prefix in document else self.block).split(".")
        node = document[section]
        for name in filter(None, names):
            node = node[name]
        return node


def mistakes_in(block: str, caught_by: str, *mistakes: tuple[str, str, Any]) -> list[Misconfiguration]:
    """Return the mistakes (name, argument, value) in a block that one test catches."""
    return [Misconfiguration(name, block, argument, value, caught_by) for name, argument, value in mistakes]
