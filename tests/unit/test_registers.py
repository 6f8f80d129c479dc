"""What a product has is said once (ADR 13)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import processor
from processor.product import REGISTERS

MODULES = sorted(Path(processor.__path__[0]).rglob("*.py"))


def words(module: Path) -> Iterator[str]:
    """Every text of a module, and every attribute that it takes from a product: so a register is named.

    Variables and methods may be called as a register is.
    """
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Attribute(value=ast.Name(id="product"), attr=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) if module.name == "product.py":
                yield name


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_only_the_product_names_a_register(module: Path) -> None:
    named = {
        register
        for register in REGISTERS
        for word in words(module)
        if word == register or f"{register}_version" in word
    }
    assert named == (set(REGISTERS) if module.name == "product.py" else set())
