"""Record terminal sessions into docs/pictures: `make recordings`, about two minutes.

    python -m pictures.recordings

The commands really run. What they print has times and addresses of one run, so that nobody compares the
pictures with another run: tests/documents compares the words that are the same in each.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pictures.animation import picture
from pictures.terminal import Printed, Session

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


def main() -> None:
    """Record a kept run and what `catalog explain` says of a product in it."""
    LOCAL.parent.mkdir(exist_ok=True)
    # Setup was done before: `make recordings` depends on it.
    words = ["make", "--old-file=setup", "--no-print-directory", *RUN.split()[1:]]
    with _session(words) as run:
        run.read_until(KEPT, timeout_seconds=600)
        _write(LOCAL, RUN, list(_until_kept(run.printed)))
        for update in UPDATES:
            _put(update)
        with _session(EXPLAINED.split()) as explanation:
            explanation.read_until(None, timeout_seconds=120)
        _write(EXPLAIN, EXPLAINED, [(0.0, explanation.text)])


def _session(words: Sequence[str]) -> Session:
    return Session(words=words, folder=PROJECT, variables=os.environ)


def _put(update: str) -> None:
    with _session(["bash", "-c", f"echo '{update}' | .venv/bin/catalog produce - --wait"]) as producer:
        producer.read_until(None, timeout_seconds=120)


def _until_kept(printed: Printed) -> Iterator[tuple[float, str]]:
    """Yield what was printed until the run is kept; addresses and commands to try follow."""
    left = "".join(text for _, text in printed).index(KEPT) + len(KEPT)
    for at, text in printed:
        if left > 0:
            yield at, text[:left]
        left -= len(text)


def _write(path: Path, command: str, printed: Printed) -> None:
    printed = [(0.0, f"$ {command}\r\n"), *printed]
    path.write_text(picture(printed, title=command, name=path.stem), encoding="utf-8")
    sys.stdout.write(f"{path.relative_to(PROJECT)}\n")


if __name__ == "__main__":
    main()
