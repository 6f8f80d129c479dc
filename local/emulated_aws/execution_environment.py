"""One Lambda execution environment: a process that answers one invocation after the other.

    python -m local.emulated_aws.execution_environment processor.handler:handler
    python -I -S local/emulated_aws/execution_environment.py <task root> <layer>/python <handler>

Imports are looked for in the folders before the handler first. Reads one JSON request a line on standard
input, answers one JSON line on what was standard output, and logs on standard error, where the function's own
output goes too. Ends when its input does.
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
    """What Lambda tells a function of its invocation; `deadline_ms` is milliseconds since the epoch."""

    def __init__(self, request_id: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is stopped; never negative."""
        return max(0, self._deadline_ms - time.time_ns() // 1_000_000)


def serve(handler: Callable[[Any, Context], Any], requests: IO[bytes], responses: IO[bytes]) -> None:
    """Answer every request, in order."""
    for line in requests:
        responses.write(json.dumps(answer(handler, json.loads(line))).encode() + b"\n")
        responses.flush()


def answer(handler: Callable[[Any, Context], Any], request: dict[str, Any]) -> dict[str, Any]:
    """The response, or the error as Lambda reports it."""
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
    *folders, handler = sys.argv[1:]
    sys.path[:0] = folders
    module, _, function = handler.partition(":")
    serve(getattr(importlib.import_module(module), function), sys.stdin.buffer, responses)


if __name__ == "__main__":
    main()
