"""Record terminal sessions into docs/pictures: `make recordings`, about two minutes.

    python -m pictures.recordings

The commands really run. What they print has times and addresses of one run, so that nobody compares the
pictures with another run: tests/documents compares the words that are the same in each.
"""

import os
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pictures.terminal import COLUMNS, Session, screen

PROJECT = Path(__file__).parents[1]
LOCAL = PROJECT / "docs" / "pictures" / "local.svg"
EXPLAIN = PROJECT / "docs" / "pictures" / "explain.svg"

RUN = "make local KEEP=1"
KEPT = "Still running; Ctrl-C stops everything."
_UPDATE = '{"product_id": "product123", "supplier": "acme", '
UPDATES = (
    _UPDATE + '"inventory": 100, "price": 29.99, "event_time": "2026-01-31T08:30:00Z"}',
    _UPDATE + '"inventory": 97, "event_time": "2026-01-31T08:45:00Z"}',
    _UPDATE + '"inventory": 98, "event_time": "2026-01-31T08:40:00Z"}',
    _UPDATE + '"price": 19.995}',
)
EXPLAINED = ".venv/bin/catalog explain product123"

# As Rich's own format, without its fonts from elsewhere.
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> None:
    """Record a kept run and what `catalog explain` says of a product in it."""
    LOCAL.parent.mkdir(exist_ok=True)
    # Setup was done before: `make recordings` depends on it.
    words = ["make", "--old-file=setup", "--no-print-directory", *RUN.split()[1:]]
    with _session(words) as run:
        run.read_until(KEPT, timeout_seconds=600)
        before, _, _ = run.text.partition(KEPT)
        _write(LOCAL, RUN, [f"$ {RUN}", *screen(before.rstrip()), "", KEPT])
        for update in UPDATES:
            _output(["bash", "-c", f"echo '{update}' | .venv/bin/catalog produce - --wait"])
        _write(EXPLAIN, EXPLAINED, [f"$ {EXPLAINED}", *screen(_output(EXPLAINED.split()))])


def _session(words: Sequence[str]) -> Session:
    return Session(words=words, folder=PROJECT, variables=os.environ)


def _output(words: Sequence[str]) -> str:
    with _session(words) as session:
        session.read_until(None, timeout_seconds=120)
    return session.text


def _write(path: Path, title: str, lines: Sequence[str]) -> None:
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi("\n".join(lines).strip("\n")), soft_wrap=True)
    path.write_text(
        console.export_svg(title=title, code_format=_FORMAT, unique_id=path.stem), encoding="utf-8"
    )
    sys.stdout.write(f"{path.relative_to(PROJECT)}\n")


if __name__ == "__main__":
    main()
