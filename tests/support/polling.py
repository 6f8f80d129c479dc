"""Wait for another process by polling, because it sets no event here."""

import threading
import time
from collections.abc import Callable

import pytest


def until(condition: Callable[[], bool], what: str, timeout_seconds: float) -> None:
    """Return once the condition holds; fail the test with `what` if it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    never = threading.Event()
    while not condition():
        if time.monotonic() >= deadline:
            pytest.fail(f"not within {timeout_seconds} s: {what}")
        never.wait(0.01)
