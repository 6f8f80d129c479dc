"""Write docs/catalog.md, the reference of the program `catalog`, from its help; `--check` only compares."""

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
# A script's own folder is on the path, the project's is not.
sys.path.insert(0, str(PROJECT))

import typer.main  # noqa: E402 see above

from catalog.app import app  # noqa: E402

DOCUMENT = PROJECT / "docs" / "catalog.md"
_HEAD = """# The program `catalog`

Written by `make docs` from the program's help.

`make setup` installs it as `.venv/bin/catalog`, which works from any folder. Elsewhere, install the wheel
of a release, or of `make wheel`:
`pip install "product_catalog_pipeline-1.0.0-py3-none-any.whl[catalog]"`.
`catalog --install-completion` makes the shell complete its commands and options. Data goes to standard
output, all else to standard error.
"""


def reference() -> str:
    """Return the document: the program, then each command with its arguments and options."""
    root: Any = typer.main.get_command(app)
    return "\n".join([_HEAD, *_prose(root.help), *_commands("catalog", root)]).rstrip() + "\n"


def _commands(path: str, group: Any) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        title = f"{path} {name}"
        yield f"## `{title}`\n"
        yield from _prose(command.help)
        if hasattr(command, "commands"):
            yield from _commands(title, command)
        else:
            yield from _parameters(command)


def _prose(text: str | None) -> Iterator[str]:
    """Yield a help's paragraphs; its examples become a block of code."""
    for paragraph in inspect.cleandoc(text or "").split("\n\n"):
        if paragraph.startswith("    "):
            yield f"```text\n{inspect.cleandoc(paragraph)}\n```\n"
        else:
            yield f"{paragraph}\n"


def _parameters(command: Any) -> Iterator[str]:
    yield "| option | what | default |"
    yield "|---|---|---|"
    for parameter in command.params:
        names = parameter.metavar or parameter.name.upper()
        if parameter.param_type_name == "option":
            names = "`, `".join([*parameter.opts, *parameter.secondary_opts])
        text = " ".join((parameter.help or "").split()).replace("|", "\\|")
        yield f"| `{names}` | {text} | {_default(parameter)} |".replace("|-]", "\\|-]")
    yield ""


def _default(parameter: Any) -> str:
    default = parameter.default
    if default is None or callable(default) or default is False or default == ():
        return "required" if parameter.required else ""
    return f"`{getattr(default, 'value', default)}`"


def main() -> int:
    """Write the document, or with `--check` return 1 where it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    arguments = parser.parse_args()
    wanted = reference()
    if DOCUMENT.exists() and DOCUMENT.read_text(encoding="utf-8") == wanted:
        return 0
    if arguments.check:
        sys.stderr.write("docs/catalog.md is out of date: make docs\n")
        return 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
