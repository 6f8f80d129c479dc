"""A function that does what its event says, for tests of the function service."""

import os
import sys
import threading
from typing import Any


def handler(event: dict[str, Any], _: object) -> int:
    """Log the process id, then return it, raise or hang."""
    sys.stderr.write(f"{os.getpid()}\n")
    if event["do"] == "raise":
        raise ValueError("as requested")
    if event["do"] == "hang":
        threading.Event().wait()
    return os.getpid()
