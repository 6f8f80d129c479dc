"""The project's Markdown documents: code blocks, tables, headings and links."""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

PROJECT = Path(__file__).parents[2]
# What tools make.
_NOT_OURS = {"node_modules", "cdktf.out", "dist", "__pycache__"}


@dataclass(frozen=True, slots=True)
class Block:
    """A code block; `note`: what its info string says after the language, `place`: file and line."""

    place: str
    language: str
    note: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A Markdown file; `name`: its path in the project."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        """The file."""
        return PROJECT / self.name

    def blocks(self) -> Iterator[Block]:
        """Yield every code block."""
        for token in _tokens(self.text):
            if token.type in ("fence", "code_block"):
                language, _, note = token.info.strip().partition(" ")
                line = token.map[0] + 1 if token.map else 0
                yield Block(f"{self.name}:{line}", language, note, token.content)

    def tables(self) -> Iterator[list[list[str]]]:
        """Yield every table: a list of rows, the header first, of cells in Markdown."""
        rows: list[list[str]] = []
        for token in _tokens(self.text):
            if token.type == "table_open":
                rows = []
            elif token.type == "tr_open":
                rows.append([])
            elif token.type == "inline" and token.level >= 4 and rows:
                rows[-1].append(token.content)
            elif token.type == "table_close":
                yield rows
                rows = []

    def table(self, *header: str) -> list[list[str]]:
        """Return the rows of all tables whose header begins with these cells, without the headers."""
        found = [table[1:] for table in self.tables() if tuple(table[0][: len(header)]) == header]
        assert found, f"{self.name} has no table {header}"
        return [row for rows in found for row in rows]

    def headings(self) -> list[tuple[int, str]]:
        """Return (level, text) of each heading."""
        tokens = _tokens(self.text)
        pairs = itertools.pairwise(tokens)
        return [
            (int(token.tag[1]), inline.content) for token, inline in pairs if token.type == "heading_open"
        ]

    def section(self, heading: str) -> str:
        """Return the text from a heading up to the next one of its level or above."""
        level = next(level for level, text in self.headings() if text == heading)
        _, _, rest = f"\n{self.text}".partition(f"\n{'#' * level} {heading}\n")
        return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]

    def anchors(self) -> set[str]:
        """Return the fragments that links to headings of this document may have, as GitHub makes them."""
        return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for _, text in self.headings()}

    def links(self) -> list[str]:
        """Return the targets of all links."""
        return [
            str(child.attrs["href"])
            for token in _tokens(self.text)
            for child in token.children or ()
            if child.type == "link_open"
        ]

    def code_spans(self) -> list[str]:
        """Return every text in backticks."""
        return [
            child.content
            for token in _tokens(self.text)
            for child in token.children or ()
            if child.type == "code_inline"
        ]


@cache
def files() -> tuple[str, ...]:
    """Return every file and folder (with a slash at its end) of the project."""
    found = []
    for folder, folders, names in os.walk(PROJECT):
        here = Path(folder).relative_to(PROJECT)
        folders[:] = sorted(name for name in folders if name not in _NOT_OURS and _is_ours(name))
        found += [(here / name).as_posix() for name in sorted(names)]
        found += [f"{(here / name).as_posix()}/" for name in folders]
    return tuple(found)


def _is_ours(folder: str) -> bool:
    return not folder.startswith(".") or folder in (".ci", ".github")


@cache
def documents() -> tuple[Document, ...]:
    """Return every Markdown file of the project."""
    return tuple(Document(name, (PROJECT / name).read_text()) for name in files() if name.endswith(".md"))


def document(name: str) -> Document:
    """Return one document by its path in the project."""
    return next(found for found in documents() if found.name == name)


def blocks(language: str) -> list[Block]:
    """Return the code blocks in a language, of all documents."""
    return [block for found in documents() for block in found.blocks() if block.language == language]


def names_in(cell: str) -> set[str]:
    """Return the texts in backticks of a table's cell."""
    return set(re.findall(r"`([^`]+)`", cell))


@cache
def _tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)
