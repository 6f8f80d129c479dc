"""Ctrl-C while something is sent: what is in flight ends first."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from catalog.console import Output


@contextmanager
def stopping(output: Output) -> Iterator[asyncio.Event]:
    """Yield an event that the first Ctrl-C sets; a second one interrupts as usual."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # no signal comes here
        return

    def on_interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        output.say("stopping: what is in flight ends first; Ctrl-C again to leave it")
        stop.set()

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)
