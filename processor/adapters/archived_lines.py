"""The lines of an archive object, after a check that the object is what was written."""

import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import IO

from isal import igzip, igzip_lib

from processor.errors import DamagedObjectError, reason_of

_BLOCK_BYTES = 1024 * 1024
# Kinesis takes records of up to 10 MiB, which are 13.4 MiB in base64, and their partition keys.
_MAX_LINE_BYTES = 16 * 1024 * 1024
# `s3_objects.object_key`: the name ends with 12 hex of the content's hash.
_DIGEST = re.compile(r"[0-9]+-[0-9]+-([0-9a-f]{12})\.ndjson(\.gz)?")


def verified_lines(key: str, file: IO[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of an object, some at a time, without their ends.

    It is read twice, because a checksum is known only at the end, and then it would be too late. Memory is
    bounded, whatever it holds.

    Raises: DamagedObjectError, before the first line.
    """
    try:
        _verify(key, file)
    except (OSError, EOFError, zlib.error, igzip_lib.error) as error:  # type: ignore[misc]
        raise DamagedObjectError(f"{key}: {reason_of(error)}") from error
    rest = b""
    for block in _blocks(key, file):
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _verify(key: str, file: IO[bytes]) -> None:
    digest, unbroken = hashlib.sha256(), 0
    for block in _blocks(key, file):
        digest.update(block)
        end = block.rfind(b"\n")
        unbroken = len(block) - end - 1 if end >= 0 else unbroken + len(block)
        if unbroken > _MAX_LINE_BYTES:
            raise DamagedObjectError(f"{key}: a line has more than {_MAX_LINE_BYTES:,} bytes")
    named = _DIGEST.fullmatch(key.rpartition("/")[2])
    if named is not None and not digest.hexdigest().startswith(named[1]):
        raise DamagedObjectError(
            f"{key}: its content's hash begins with {digest.hexdigest()[:12]}; its name says {named[1]}"
        )


def _blocks(key: str, file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    is_packed = key.endswith(".gz")
    unpacked = igzip.open(file) if is_packed else file  # type: ignore[no-untyped-call]
    while block := unpacked.read(_BLOCK_BYTES):
        yield block
