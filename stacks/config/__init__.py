"""The settings of every environment, and which values are refused.

A refused value of `environments.py` ends whatever imports it. So that this is one line in every command, and
no traceback, importing this package sets `sys.excepthook`.
"""

import sys
from types import TracebackType

from stacks.config.settings import SettingsError


def _show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if isinstance(error, SettingsError):
        sys.stderr.write(f"{error}\n")
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _show
