"""Waiting for what another process does, which sets no event here."""

import threading
import time
from collections.abc import Callable

import pytest


def until(holds: Callable[[], bool], what: str, timeout_seconds: float) -> None:
    """Return once the condition holds; `what` is told if it never does."""
    deadline = time.monotonic() + timeout_seconds
    never = threading.Event()
    while not holds():
        if time.monotonic() >= deadline:
            pytest.fail(f"not within {timeout_seconds} s: {what}")
        never.wait(0.01)
