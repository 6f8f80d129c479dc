"""A terminal session as SVG: a window in which the rows come as they came on the screen, but in seconds."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import Console
from rich.text import Text

from pictures.terminal import COLUMNS, Printed, screen

# WCAG 2.2, 2.2.2: what moves for longer needs a way to stop it.
_SECONDS = 5
_FRAMES = 20

# As Rich's own format, but with no fonts from elsewhere. Without animations, the last screen is shown.
_WINDOW = """\
<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
@keyframes shown {{ from, to {{ opacity: 1 }} }}
@keyframes hidden {{ from, to {{ opacity: 0 }} }}
@media (prefers-reduced-motion: reduce) {{ g {{ animation: none !important }} }}
<styles></style>
<defs><clips></defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
<g class="{unique_id}-matrix">
<rows>
</g>
</g>
</svg>
"""
# Rich's parts of the rows, one line for each.
_PARTS = "{styles}\0{lines}\0{line_height}\0{matrix}"
_TEXT = re.compile(r'<text [^>]*clip-path="url\(#[\w-]+-line-(\d+)\)"[^>]*>[^<]*</text>')


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a row of the screen holds for a while; `end` is None if it stays."""

    row: int
    line: str
    start: float
    end: float | None


def picture(printed: Printed, *, title: str, name: str) -> str:
    """Return what was printed as SVG; what was printed at once is shown at once."""
    frames = list(_frames(printed))
    (_, last) = frames[-1]
    shown = [version for row in range(len(last)) for version in _versions(row, frames)]
    styles, clips, line_height, matrix = _exported([version.line for version in shown], _PARTS, name).split(
        "\0"
    )
    texts: dict[int, list[str]] = {}
    for text in _TEXT.finditer(matrix):
        texts.setdefault(int(text[1]), []).append(text[0])
    rows = "\n".join(
        f'<g transform="translate(0 {(version.row - index) * float(line_height):.1f})"{_timing(version)}>'
        f"{''.join(texts.get(index, ()))}</g>"
        for index, version in enumerate(shown)
    )
    window = _exported(last, _WINDOW, name, title=title)
    return window.replace("<styles>", styles).replace("<clips>", clips).replace("<rows>", rows)


def _frames(printed: Printed) -> Iterator[tuple[float, list[str]]]:
    """Yield (second, screen) of some changes, the last included."""
    (total, _) = printed[-1]
    scale = _SECONDS / total if total else 0.0
    text, due = "", 0.0
    for at, part in printed:
        text += part
        if at >= due:
            yield at * scale, screen(text)
            due = at + total / _FRAMES
    yield total * scale, screen(text.rstrip())


def _versions(row: int, frames: Sequence[tuple[float, list[str]]]) -> Iterator[Version]:
    """Yield what a row holds, the oldest first, without when it is empty."""
    changes: list[tuple[float, str]] = []
    for start, lines in frames:
        line = lines[row] if row < len(lines) else ""
        if not changes or changes[-1][1] != line:
            changes = [*(change for change in changes if change[0] < start), (start, line)]
    ends: list[float | None] = [start for start, _ in changes[1:]]
    for (start, line), end in zip(changes, [*ends, None], strict=True):
        if line:
            yield Version(row=row, line=line, start=start, end=end)


def _timing(version: Version) -> str:
    if version.end is None:
        return f' style="animation: hidden {version.start:.2f}s"' if version.start else ""
    seconds = version.end - version.start
    return f' style="opacity: 0; animation: shown {seconds:.2f}s {version.start:.2f}s"'


def _exported(lines: Sequence[str], code_format: str, name: str, *, title: str = "") -> str:
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
    return console.export_svg(title=title, code_format=code_format, unique_id=name)
