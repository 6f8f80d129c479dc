"""A function that does as its event says, for tests of what runs it."""

import os
import sys
import threading
from typing import Any


def handler(event: dict[str, Any], _: object) -> int:
    """The process id; or raises, or never comes back. Logs the process id first."""
    sys.stderr.write(f"{os.getpid()}\n")
    if event["do"] == "raise":
        raise ValueError("as told")
    if event["do"] == "hang":
        threading.Event().wait()
    return os.getpid()
