"""Registers are named in one module only (ADR 13)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import processor
from processor.product import REGISTERS

MODULES = sorted(Path(processor.__path__[0]).rglob("*.py"))


def words(module: Path) -> Iterator[str]:
    """Yield every text in a module, and every attribute it reads: these can name a register.

    Variables and methods may have the name of a register.
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
