"""Records in the operator's editor: one after the other in a text file, each under a line with its id."""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from catalog.errors import CatalogError, UsageError
from catalog.repair.quarantined import Quarantined
from catalog.terminal_text import escaped

MAX_RECORDS = 100
_HEAD = """#: Change the records below, save and leave the editor. Lines that begin with #: are not sent.
#: To leave a record as it is, do not change it, or remove it with its line.
"""
_MARK = re.compile(r"^#: ([0-9a-f]{10}) .*\n", re.MULTILINE)


def edit(records: Sequence[Quarantined]) -> dict[str, bytes]:
    """Return what the records are after somebody edited them: id → bytes.

    Raises: UsageError: there is no editor, or a record is no text; CatalogError: the editor failed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("no editor: set EDITOR, such as EDITOR=vi")
    with tempfile.TemporaryDirectory(prefix="catalog-") as folder:
        path = Path(folder) / "records.txt"
        path.write_bytes(_HEAD.encode() + b"".join(_section(found) for found in records))
        try:
            ended = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603 it is theirs
        except (OSError, ValueError) as error:
            raise UsageError(f"EDITOR={editor}: {error}") from error
        if ended.returncode:
            raise CatalogError(f"{editor} ended with {ended.returncode}; nothing was changed")
        try:
            text = path.read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogError(f"what {editor} left cannot be read: {error}") from error
    return _sections(text, {found.id for found in records})


def _section(found: Quarantined) -> bytes:
    try:
        text = found.record.data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{found.id} is not UTF-8 text, so that no editor can change it") from error
    if _MARK.search(text):
        raise UsageError(f"{found.id} has a line that begins with #: and cannot be told from the next record")
    return f"#: {found.id} {found.reason}: {escaped(found.message)}\n{text}\n".encode()


def _sections(text: str, ids: set[str]) -> dict[str, bytes]:
    pieces = _MARK.split(text)
    texts: dict[str, bytes] = {}
    for name, section in zip(pieces[1::2], pieces[2::2], strict=True):
        if name not in ids or name in texts:
            raise CatalogError(f"a line has the id {name} of another record; nothing was changed")
        texts[name] = section.removesuffix("\n").encode()
    return texts
