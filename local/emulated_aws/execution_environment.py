"""One Lambda execution environment: a process that handles one invocation after another.

    python -m local.emulated_aws.execution_environment processor.handler:handler
    python -I -S local/emulated_aws/execution_environment.py <task root> <layer>/python <handler>

The directories before the handler come first on `sys.path`. The process reads one JSON request per line from
standard input and writes one JSON line per response to its original standard output. Logs, and whatever the
function itself prints, go to standard error. The process ends when its input ends.
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import IO, Any


class Context:
    """The context of an invocation, as Lambda passes it; `deadline_ms` is in milliseconds since the epoch."""

    def __init__(self, request_id: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the invocation is stopped; never negative."""
        return max(0, self._deadline_ms - time.time_ns() // 1_000_000)


def serve(handler: Callable[[Any, Context], Any], requests: IO[bytes], responses: IO[bytes]) -> None:
    """Respond to every request, in order."""
    for line in requests:
        responses.write(json.dumps(answer(handler, json.loads(line))).encode() + b"\n")
        responses.flush()


def answer(handler: Callable[[Any, Context], Any], request: dict[str, Any]) -> dict[str, Any]:
    """Return the response, or the error as Lambda reports it."""
    context = Context(request["request_id"], request["deadline_ms"])
    try:
        return {"response": handler(request["event"], context)}
    except Exception as error:  # noqa: BLE001 Lambda reports whatever a function raises
        traceback.print_exc()
        return {"error": {"errorType": type(error).__name__, "errorMessage": str(error)}}


def main() -> None:
    """Serve the handler named by the last argument, `module:function`."""
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    *directories, handler = sys.argv[1:]
    sys.path[:0] = directories
    module, _, function = handler.partition(":")
    try:
        serve(getattr(importlib.import_module(module), function), sys.stdin.buffer, responses)
    except KeyboardInterrupt:
        sys.exit(130)  # Ctrl-C reaches every process of the terminal; the log needs no traceback


if __name__ == "__main__":
    main()
