import importlib.util
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator
from types import CodeType

import pytest

from lambda_packages.bytecode import can_compile, with_bytecode
from lambda_packages.compiler import dump, pyc
from lambda_packages.errors import PackagingError
from lambda_packages.target import PROJECT

pytestmark = pytest.mark.skipif(not can_compile(), reason="this Python is not the runtime's")

# Known causes of different bytecode: constants that functions share, sets of strings, attributes set on self.
FRAGILE = b'''
import a.b
KINDS = {"randint", "rare_word_4711", 2}
DOTTED = "a.b", ("a.b",)


def one(kind):
    return kind in {"randint", "rare_word_4711", 2}, 1.5, 10**30, -70000, 3j, b"bytes", ...


def two(kind, *, k\xc3\xa4se="\xc3\xa9t\xc3\xa9", **others):
    """Docstring."""
    return [f"{kind!r:>{x}}" for x in others] + [lambda: kind]


class Three[T]:
    def set(self, zebra, apple):
        self.zebra, self.apple, self.mango, self.kiwi = zebra, apple, None, True
        nonlocal_free = zebra
        return lambda: (nonlocal_free, "\\ud800", "x" * 3, -0.0, frozenset())
'''


def test_what_is_written_is_read_as_it_was() -> None:
    code = compile(FRAGILE, "/var/task/fragile.py", "exec", dont_inherit=True)
    again = marshal.loads(dump(code))  # noqa: S302
    assert again == code
    assert again.co_filename == "/var/task/fragile.py"
    assert [part.co_qualname for part in _all_codes(again)] == [part.co_qualname for part in _all_codes(code)]


def test_a_pyc_says_that_it_need_not_be_compared() -> None:
    written = pyc(b"x = 1\n", "/var/task/x.py")
    assert written[:4] == importlib.util.MAGIC_NUMBER
    assert written[4:8] == b"\x01\0\0\0"
    assert written[8:16] == importlib.util.source_hash(b"x = 1\n")


@pytest.mark.parametrize(
    "source",
    [
        f"x = {'é' * 300!r}",
        f"x = {'a b ' * 100!r}",
        f"x = {'name' * 100!r}",
        f"x = {b'x' * 300!r}",
        f"x = {tuple(range(300))!r}",
        f"x = {1 << 99}, {-(1 << 99)}, {1 << 31}, -1, 2.5e-300, -0.0, 1j, ..., None, True",
        "x in {1, 'a', (2, 'b c'), None, 1.0, b'x'}",
        "naïve = 'naïve', '', '\\ud800'",
    ],
)
def test_every_kind_of_constant(source: str) -> None:
    code = compile(source, "constant.py", "exec", dont_inherit=True)
    assert marshal.loads(dump(code)) == code  # noqa: S302


def test_a_set_is_written_in_one_order() -> None:
    """Marshal orders a set by which of its strings are interned."""
    code = compile("x in {'a b', 'zz zz'}", "s.py", "eval", dont_inherit=True)
    elements = frozenset({"a b", sys.intern("-".join(["zz", "zz"]).replace("-", " "))})
    other = code.replace(co_consts=(elements,))
    assert marshal.dumps(other.co_consts, 4) != marshal.dumps(code.co_consts, 4), (
        "the test no longer proves anything"
    )
    assert other == code
    assert dump(other) == dump(code)


def test_references_held_elsewhere_do_not_matter() -> None:
    """https://github.com/python/cpython/issues/129724: marshal's own output differs."""
    codes = [compile(FRAGILE, "t.py", "exec", dont_inherit=True) for _ in range(2)]
    held = [constant for code in _all_codes(codes[1]) for constant in code.co_consts]
    held += [sys.intern(constant) for constant in held if type(constant) is str]
    assert marshal.dumps(codes[0]) != marshal.dumps(codes[1]), "the test no longer proves anything"
    assert dump(codes[0]) == dump(codes[1])


def test_what_was_interned_before_does_not_matter() -> None:
    fresh = _in_a_process("")
    interned = "import sys; held = [sys.intern(x) for x in ('rare_word_4711', 'a.b', 'randint', 'zebra')]"
    assert _in_a_process(interned) == fresh


@pytest.mark.parametrize(
    "settings", [{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "77", "PYTHONNODEBUGRANGES": "1"}]
)
def test_the_callers_settings_do_not_matter(settings: dict[str, str]) -> None:
    program = (
        "import sys; from lambda_packages.bytecode import with_bytecode as w; b = sys.stdin.buffer.read();"
    )
    program += "sys.stdout.buffer.write(w({'t.py': b}, '/var/task')['__pycache__/t.cpython-313.pyc'])"
    built = _run(program, settings)
    assert built == with_bytecode({"t.py": FRAGILE}, "/var/task")["__pycache__/t.cpython-313.pyc"]


def test_a_module_alone_compiles_as_among_others() -> None:
    alone = with_bytecode({"z.py": FRAGILE}, "/opt/python")
    among = with_bytecode({"a.py": b"import rare_word_4711, randint\n", "z.py": FRAGILE}, "/opt/python")
    assert alone.items() <= among.items()


def test_a_module_that_does_not_compile_is_named() -> None:
    with pytest.raises(PackagingError, match=r"^/var/task/bad\.py does not compile: .*line 1"):
        with_bytecode({"bad.py": b"def"}, "/var/task")


def _all_codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_codes(constant)


def _in_a_process(before: str) -> bytes:
    """Return the pyc of the fragile module, compiled in a process that has run `before`."""
    program = f"{before}\nimport sys; from lambda_packages.compiler import pyc\n"
    program += "sys.stdout.buffer.write(pyc(sys.stdin.buffer.read(), 't.py'))"
    return _run(program, {"PYTHONHASHSEED": "0"})


def _run(program: str, environment: dict[str, str]) -> bytes:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        input=FRAGILE,
        stdout=subprocess.PIPE,
        cwd=PROJECT,
        env={**os.environ, **environment},
        check=True,
    ).stdout
