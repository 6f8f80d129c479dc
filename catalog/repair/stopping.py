"""Ctrl-C or a termination while something is sent: what is in flight ends first."""

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

    # A background job of a script ignores Ctrl-C, which is not for it; elsewhere SIGTERM becomes SIGINT.
    number = signal.SIGTERM if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else signal.SIGINT
    before = signal.getsignal(number)

    def as_before() -> None:
        if loop.remove_signal_handler(number):
            signal.signal(number, before)

    def on_interrupt() -> None:
        as_before()
        output.say("stopping: what is in flight ends first; Ctrl-C again to leave it")
        stop.set()

    loop.add_signal_handler(number, on_interrupt)
    try:
        yield stop
    finally:
        as_before()
