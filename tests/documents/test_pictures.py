"""The committed pictures show what the stacks and the programs are, and need nothing from elsewhere."""

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pictures.__main__ import ARCHITECTURE
from pictures.drawing import draw
from pictures.recordings import EXPLAIN, EXPLAINED, KEPT, LOCAL, RUN, UPDATES
from tests.support.decoding import reject
from tests.support.documents import PROJECT
from tests.support.synthesized import Stack, synthesize_pictured

PICTURES = PROJECT / "docs" / "pictures"
MOST_BYTES = 40_000


def test_the_architecture_is_that_of_the_stacks(stacks: dict[str, Stack], tmp_path: Path) -> None:
    drawn = draw(synthesize_pictured(tmp_path).document, stacks["dev-stack"].readable().document)
    assert ARCHITECTURE.read_text() == drawn, "if the change is meant: make pictures"


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_is_small_and_needs_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert len(text.encode()) < MOST_BYTES
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 ours
    assert re.findall(r"https?://[^\s\"<]*", shapes(text)) == []
    assert not re.search(r"<script|<image|@import|@font-face|url\((?!#)", text)


def shapes(svg: str) -> str:
    """Return an SVG without its namespace, and without the texts that it shows."""
    return re.sub(r">[^<]*</text>", "></text>", svg.replace("http://www.w3.org/2000/svg", ""))


def recorded(path: Path) -> list[str]:
    """Return the lines of a recorded session."""
    lines: dict[float, str] = {}
    for y, text in re.findall(
        r'<text class="\w+-r\d+" [^>]*?\by="([\d.]+)"[^>]*>([^<]*)</text>', path.read_text()
    ):
        lines[float(y)] = lines.get(float(y), "") + unescape(text).replace("\xa0", " ")
    return [lines[y].rstrip() for y in sorted(lines)]


def test_the_recorded_run_has_the_claims_of_the_verdict() -> None:
    lines = recorded(LOCAL)
    claims = [line.split("│")[2].strip() for line in lines if line.startswith("│ yes")]
    source = "".join(path.read_text() for path in (PROJECT / "local" / "demo").glob("*.py"))
    assert len(claims) == 5
    assert all(claim in source for claim in [*claims, "Every claim holds.", lines[-1]])
    assert (lines[0], lines[-1]) == (f"$ {RUN}", KEPT)


def test_the_recorded_explanation_has_the_words_of_today() -> None:
    """Numbers, times and what else differs from run to run are not compared."""
    lines = recorded(EXPLAIN)
    rejection = reject(UPDATES[-1], "invalid_price")
    assert lines[0] == f"$ {EXPLAINED}"
    assert lines[-1] == "The row is the same."
    shown = " ".join(" ".join(lines).split())
    assert f"rejected: {rejection.reason}" in shown
    assert all(word in shown for word in rejection.message.split())
