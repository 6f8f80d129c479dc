"""How another program asks a kept run for something: a line of JSON each way, over a socket of this user.

The socket is a file in a directory that only this user may enter, so that nobody else can ask.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from local.demo.kept_state import KeptRunError

WORDS = {
    "stop-cache": "stop Valkey",
    "start-cache": "start it again, empty",
    "stop-database": "stop PostgreSQL",
    "start-database": "start it again",
    "cut-network": "PostgreSQL and Valkey are silent: connections stay open and get no answer",
    "heal-network": "they answer again",
    "rotate-password": "give the processor's database role a new password, and end its sessions",
    "fail-after-60s": "records that wait for a minute become a failed batch",
    "fail-after-24h": "records wait for a day again",
}
"""What can be asked for, besides `state`, and what it does; `trouble.py` does it."""

Answer = Callable[[str], Awaitable[Mapping[str, Any]]]
_ANSWER_SECONDS = 60.0


async def ask(path: str, word: str) -> dict[str, Any]:
    """Return what a kept run answers to one of `WORDS`, or to `state`. Raises: KeptRunError."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"{json.dumps(word)}\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise KeptRunError(f"the kept run does not answer: {error or 'no answer in time'}") from error
    if not line:
        raise KeptRunError("the kept run has ended")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise KeptRunError(answer["error"])
    return answer


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Answer for as long as the block lasts; yield the socket's path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            try:
                said = await answer(_word(await reader.readline()))
            except KeptRunError as error:
                said = {"error": str(error)}
            writer.write(f"{json.dumps(said)}\n".encode())
            await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="kept-run-") as directory:
        path = str(Path(directory) / "control")
        server = await asyncio.start_unix_server(serve, path)
        try:
            yield path
        finally:
            server.close()


def _word(line: bytes) -> str:
    """Return what a line asks for. Raises: KeptRunError."""
    try:
        word = json.loads(line)
    except (ValueError, RecursionError):
        word = None
    if not isinstance(word, str):
        raise KeptRunError("a line is one word, as a JSON string")
    return word
