"""Compiles modules to bytecode that is the same in every process; `bytecode.py` runs it in a separate one.

What `marshal` writes for a code object depends on more than the source. An object gets a reference flag if
something else in the process also holds it, and whether equal constants are one object depends on which
strings were interned before (https://github.com/python/cpython/issues/129724). So the stream is rewritten by
values alone: in version 2 of the format, which has neither references nor interning, `marshal` writes a plain
tree with sorted sets, and `_Rewriter` turns it into version 4, writing each text once.

The settings of the calling process do not affect a separate one: `PYTHONNODEBUGRANGES` leaves out positions,
and a hash seed has leaked through a set into code objects (https://github.com/python/cpython/issues/124442).
"""

import importlib.util
import marshal
import re
import struct
import sys
from types import CodeType

# PEP 552: bit 0 is set, so the pyc holds the source's hash; bit 1 is not, so the hash is not checked.
_UNCHECKED_HASH = struct.pack("<I", 1)
_REFERENCE_FLAG = 0x80
_CODE_NUMBERS_BYTES = 5 * 4
_FIXED_SIZES = {b"N": 0, b"F": 0, b"T": 0, b".": 0, b"i": 4, b"g": 8, b"y": 16}
# What CPython interns of a code object's constants.
_NAME = re.compile(rb"[A-Za-z0-9_]*")


def pyc(source: bytes, filename: str) -> bytes:
    """Return the pyc file of a module that will be at `filename`; the runtime does not check it.

    Raises: SyntaxError or ValueError if the source does not compile.
    """
    code = compile(source, filename, "exec", dont_inherit=True, optimize=0)
    return b"".join(
        [importlib.util.MAGIC_NUMBER, _UNCHECKED_HASH, importlib.util.source_hash(source), dump(code)]
    )


def dump(code: CodeType) -> bytes:
    """Return a code object as bytes for `marshal.loads`; equal code objects give equal bytes.

    Raises: ValueError if the format of this Python's `marshal` is not CPython 3.13's.
    """
    rewriter = _Rewriter(marshal.dumps(code, 2))
    rewriter.rewrite()
    written = bytes(rewriter.out)
    if marshal.loads(written) != code:  # noqa: S302
        raise ValueError(f"{code.co_filename} does not survive being written")
    return written


class _Rewriter:
    """A reader of values in a version 2 stream, from `at` on, that appends them to `out` as version 4."""

    def __init__(self, stream: bytes) -> None:
        self.stream = stream
        self.at = 0
        self.out = bytearray()
        self._references: dict[tuple[bytes, bool], int] = {}

    def rewrite(self, *, names: bool = False) -> None:
        """Rewrite one value; `names`: whether all its texts are interned, as names are."""
        start = self.at
        tag = self._take(1)
        if tag == b"u":
            self._text(self._take(self._count()), names=names)
        elif tag == b"(":
            self._tuple(names=names)
        elif tag == b">":
            self._set()
        elif tag == b"c":
            self._code()
        else:
            self._take(self._size(tag))
            self.out += self.stream[start : self.at]

    def _size(self, tag: bytes) -> int:
        """Return the number of bytes that follow the tag of an atom."""
        if tag == b"s":
            return self._count()
        if tag == b"l":
            return 2 * abs(self._count())
        if tag in _FIXED_SIZES:
            return _FIXED_SIZES[tag]
        raise ValueError(f"unknown type {tag!r} in a code object")

    def _take(self, size: int) -> bytes:
        self.at += size
        return self.stream[self.at - size : self.at]

    def _count(self) -> int:
        (count,) = struct.unpack("<i", self._take(4))
        return int(count)

    def _text(self, text: bytes, *, names: bool) -> None:
        interned = names or _NAME.fullmatch(text) is not None
        known = self._references.get((text, interned))
        if known is not None:
            self.out += b"r" + struct.pack("<i", known)
            return
        self._references[text, interned] = len(self._references)
        if not text.isascii():
            tag, size = b"t" if interned else b"u", struct.pack("<i", len(text))
        elif len(text) < 256:
            tag, size = b"Z" if interned else b"z", bytes([len(text)])
        else:
            tag, size = b"A" if interned else b"a", struct.pack("<i", len(text))
        self.out += bytes([tag[0] | _REFERENCE_FLAG]) + size + text

    def _tuple(self, *, names: bool) -> None:
        count = self._count()
        self.out += b")" + bytes([count]) if count < 256 else b"(" + struct.pack("<i", count)
        for _ in range(count):
            self.rewrite(names=names)

    def _set(self) -> None:
        count = self._count()
        self.out += b">" + struct.pack("<i", count)
        for _ in range(count):
            self.rewrite()

    def _code(self) -> None:
        self.out += b"c" + self._take(_CODE_NUMBERS_BYTES)
        self.rewrite()  # bytecode
        self.rewrite()  # constants
        self.rewrite(names=True)  # names
        self.rewrite(names=True)  # names of variables
        self.rewrite()  # kinds of variables
        self.rewrite(names=True)  # file
        self.rewrite(names=True)  # name
        self.rewrite(names=True)  # qualified name
        self.out += self._take(4)  # first line
        self.rewrite()  # lines
        self.rewrite()  # exception table


def main() -> None:
    """Read marshalled (filename, source) pairs from standard input and write the marshalled pycs."""
    modules: list[tuple[str, bytes]] = marshal.load(sys.stdin.buffer)  # noqa: S302
    pycs = []
    for filename, source in modules:
        try:
            pycs.append(pyc(source, filename))
        except (SyntaxError, ValueError) as error:
            sys.exit(f"{filename} does not compile: {error}")
    marshal.dump(pycs, sys.stdout.buffer)


if __name__ == "__main__":
    main()
