"""A source of updates, cut into lines: a file, one that is compressed, or standard input."""

import asyncio
import gzip
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from catalog.errors import UsageError

STDIN = "-"
MAX_LINE_BYTES = 1024 * 1024
"""A longer line cannot be a record: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html"""
_BLOCK_BYTES = 256 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """A line without its end, and its number from 1; `fault`: why it cannot be sent, with its end cut off."""

    number: int
    data: bytes
    fault: str | None = None


class LineSplitter:
    """Cuts blocks of bytes into lines; of a line that is too long, it keeps only the beginning."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._is_too_long = False

    def feed(self, block: bytes) -> Iterator[Line]:
        """Yield the lines that end in the block."""
        *ended, rest = block.split(b"\n")
        for end in ended:
            yield self._end(end)
        self._append(rest)

    def end(self) -> Iterator[Line]:
        """Yield the last line, if no line end follows it."""
        if self._rest:
            yield self._end(b"")

    def _append(self, part: bytes) -> None:
        if len(self._rest) + len(part) > MAX_LINE_BYTES:
            self._is_too_long = True
        # Memory stays bounded, whatever the source is.
        self._rest = (self._rest + part)[: MAX_LINE_BYTES + 1]

    def _end(self, end: bytes) -> Line:
        self._append(end)
        data, fault = self._rest, "longer than 1 MiB" if self._is_too_long else None
        self._number, self._rest, self._is_too_long = self._number + 1, b"", False
        if self._number == 1:
            data = data.removeprefix(_BYTE_ORDER_MARK)
        return Line(self._number, data.removesuffix(b"\r"), fault)


async def read_lines(source: str) -> AsyncIterator[list[Line]]:
    """Yield the lines of a file, or of standard input for `-`, in lists, as they arrive.

    Raises: UsageError.
    """
    splitter = LineSplitter()
    async for block in _blocks(source):
        if lines := list(splitter.feed(block)):
            yield lines
    if lines := list(splitter.end()):
        yield lines


async def _blocks(source: str) -> AsyncIterator[bytes]:
    if source == STDIN and _is_pipe():
        async for block in _piped():
            yield block
        return
    try:
        with _opened(source) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except (EOFError, gzip.BadGzipFile) as error:
        raise UsageError(f"{source}: its name ends with .gz, but it is not whole gzip: {error}") from error


def _is_pipe() -> bool:
    """Return whether standard input may be silent for a while: a pipe, a socket, a terminal."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except OSError:  # replaced by something in memory
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()


def _opened(source: str) -> BinaryIO:
    if source == STDIN:
        return sys.stdin.buffer
    try:
        if source.endswith(".gz"):
            return cast(BinaryIO, gzip.open(source, "rb"))
        return Path(source).open("rb")
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror or error}") from error


async def _piped() -> AsyncIterator[bytes]:
    """Yield what arrives on standard input, without blocking Ctrl-C and what is being sent."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    with os.fdopen(os.dup(sys.stdin.fileno()), "rb") as pipe:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while block := await reader.read(_BLOCK_BYTES):
                yield block
        finally:
            transport.close()
