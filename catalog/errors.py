"""Errors of the program, by the exit code with which it ends.

0: done. 1: findings, or something failed. 2: the command was used wrongly. 3: something cannot be reached.
130: interrupted with Ctrl-C, as shells have it.
"""

INTERRUPTED = 130


class CatalogError(Exception):
    """One line for the operator: what is wrong, and the next step."""

    exit_code = 1


class UsageError(CatalogError):
    """An argument, option or file that is not accepted."""

    exit_code = 2


class UnreachableError(CatalogError):
    """An environment, store or AWS cannot be reached, or refuses the credentials."""

    exit_code = 3
