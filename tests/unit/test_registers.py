"""What a product has is said once (ADR 13)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import processor
from processor.product import REGISTERS

MODULES = sorted(Path(processor.__path__[0]).rglob("*.py"))


def words(module: Path) -> Iterator[str]:
    """Every identifier and every text of a module, its docstrings included."""
    for node in ast.walk(ast.parse(module.read_text())):
        for _, value in ast.iter_fields(node):
            if isinstance(value, str):
                yield value


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_only_the_product_names_a_register(module: Path) -> None:
    named = {
        register
        for register in REGISTERS
        for word in words(module)
        if word == register or f"{register}_version" in word
    }
    assert named == (set(REGISTERS) if module.name == "product.py" else set())
