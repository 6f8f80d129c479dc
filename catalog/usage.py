"""The program's command line: wrong usage is told in one line, as every other error is."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from catalog.console import Output
from catalog.errors import CatalogError, UsageError
from catalog.terminal_text import safe

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_WIDEST = 100
_KINDS = {int: "a whole number", float: "a number"}


class Program(TyperGroup):
    """The commands; what Typer and its library of types say of an argument is said in our words."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run a command and exit."""
        try:
            code = super().main(*arguments, **settings | {"standalone_mode": False})
        except typer.Abort:
            code = _told(CatalogError("the input ended: nothing was changed"))
        except CatalogError as error:
            code = _told(error)
        except typer.TyperException as error:
            code = _told(usage_error(error))
        sys.exit(code)


def version() -> str:
    """Return the project's version."""
    project: str = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    return project


def usage_error(error: typer.TyperException) -> UsageError:
    """Return what is wrong with the command line, where, and what is accepted; empty: the help was shown."""
    parameter, context = getattr(error, "param", None), getattr(error, "ctx", None)
    errors = getattr(error.__cause__, "errors", None)
    if parameter is not None and errors is not None:
        given = safe(repr(errors()[0]["input"]), _WIDEST)
        return UsageError(f"{_name(parameter)} is {given}; accepted: {_accepted(parameter.type_descriptor)}")
    if parameter is not None:
        what = f": {_lower(error.message)}" if error.message else " is missing"
        return UsageError(f"{_name(parameter)}{what}{_see(context)}")
    if (option := getattr(error, "option_name", None)) and (similar := getattr(error, "possibilities", None)):
        return UsageError(f"no option {safe(option, _WIDEST)}; similar: {', '.join(sorted(similar))}")
    message = error.message.replace("Got unexpected extra argument(s)", "unexpected arguments")
    return UsageError(f"{_lower(message)}{_see(context)}" if message else "")


def _told(error: CatalogError) -> int:
    if text := str(error):
        Output().say(f"error: {text}")
    return error.exit_code


def _name(parameter: Any) -> str:
    """Return a parameter as the operator types it."""
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else parameter.metavar or parameter.name.upper())


def _accepted(descriptor: Any) -> str:
    """Return which values a parameter takes."""
    if descriptor.choices:
        return ", ".join(str(getattr(choice, "value", choice)) for choice in descriptor.choices)
    low, high = descriptor.parameter_info.min, descriptor.parameter_info.max
    kind = _KINDS.get(descriptor.annotation, "another value")
    if low is None:
        return kind
    return f"{kind} from {low:,} to {high:,}" if high is not None else f"{kind}, {low:,} or more"


def _lower(message: str) -> str:
    return safe(f"{message[0].lower()}{message[1:].rstrip('.')}", 2 * _WIDEST)


def _see(context: Any) -> str:
    return f" (`{context.command_path} --help`)" if context is not None else ""
