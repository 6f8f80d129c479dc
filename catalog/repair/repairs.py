"""Repaired records: rejected ones that were accepted when an operator sent them again, fixed or not."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from catalog.connections import Connections
from catalog.objects import Identity
from catalog.repair.claims import read_claim


@dataclass(frozen=True, slots=True)
class Repair:
    """How a record was repaired. `at`: since when the archive has it; `by`, `reason`: None if not known.

    `is_fix`: with other bytes; else as it was.
    """

    at: datetime
    is_fix: bool
    by: str | None = None
    reason: str | None = None

    def text(self) -> str:
        """Return it as a line for people."""
        what = "fixed" if self.is_fix else "accepted later,"
        who = f" by {self.by.rpartition(':')[2]}" if self.by else ""
        return f"{what} on {self.at:%Y-%m-%dT%H:%M:%SZ}{who}" + (f": {self.reason}" if self.reason else "")


async def find_repair(
    connections: Connections, identity: Identity, digest: str, written_at: datetime, *, is_fix: bool
) -> Repair:
    """Return the repair of a record that was rejected before; `is_fix`: if no claim tells.

    `digest`: of the bytes that were accepted (SHA-256); `written_at`: when their object was.
    """
    claim = await read_claim(connections, identity)
    if claim is None or claim.sha256 != digest:
        return Repair(written_at, is_fix)
    return Repair(written_at, is_fix=True, by=claim.by, reason=claim.reason)


def digest_of(data: bytes) -> str:
    """Return the digest of a record's bytes, as claims have it."""
    return hashlib.sha256(data).hexdigest()
