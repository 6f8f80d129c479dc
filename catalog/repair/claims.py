"""Claims: with which bytes a quarantined record is fixed, written down before they are sent.

A claim is one object for each identity, `operations/fixed/<hash>.json`, which only one run can write. Two
fixes with different bytes would be two accepted lines of one version in the archive (ADR 26). The same fix
may be sent again, such as after a kill. A claim whose bytes were rejected is released.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from catalog.connections import Connections
from catalog.errors import CatalogError
from catalog.objects import Identity
from catalog.operations import CLAIMS_PREFIX, Operation
from catalog.repair.marks import record_name

# Somebody else wrote it first, or is writing it now.
_TAKEN = (409, 412)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who fixes a record, when and why; `sha256`: of the new bytes; `released`: those were rejected."""

    record: str
    sha256: str
    by: str
    at: str
    reason: str
    operation: str
    released: bool = False


class ClaimedError(CatalogError):
    """Another fix of the record has other bytes."""


class Claims:
    """The claims of one operation."""

    def __init__(self, connections: Connections, operation: Operation) -> None:
        self._connections = connections
        self._operation = operation

    async def take(self, identity: Identity, data: bytes) -> None:
        """Claim a record for these bytes, or find that it is claimed for them. Raises: ClaimedError."""
        wanted = self._claim(identity, data)
        if await self._put(identity, wanted, IfNoneMatch="*"):
            return
        held, etag = await _read(self._connections, identity)
        if held is not None and held.sha256 == wanted.sha256 and not held.released:
            return
        if held is not None and held.released and await self._put(identity, wanted, IfMatch=etag):
            return
        who = f"by {held.by} on {held.at} ({held.reason})" if held is not None else "by somebody else now"
        raise ClaimedError(f"it is fixed with other bytes {who}: a newer update of the supplier is the way")

    async def release(self, identity: Identity, data: bytes) -> None:
        """Release a claim of which the bytes were rejected, so that the record can be fixed with others."""
        await self._put(identity, self._claim(identity, data, released=True))

    def _claim(self, identity: Identity, data: bytes, *, released: bool = False) -> Claim:
        operation, now = self._operation, datetime.now(UTC).isoformat(timespec="seconds")
        digest = hashlib.sha256(data).hexdigest()
        return Claim(
            record_name(identity), digest, operation.by, now, operation.reason, operation.id, released
        )

    async def _put(self, identity: Identity, claim: Claim, **condition: str) -> bool:
        """Write a claim; return False if the condition does not hold."""
        s3 = await self._connections.aws("s3")
        try:
            await s3.put_object(
                Bucket=self._connections.environment.quarantine_bucket,
                Key=_key(identity),
                Body=json.dumps(asdict(claim)).encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                **condition,
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _TAKEN:
                raise
            return False
        return True


async def read_claim(connections: Connections, identity: Identity) -> Claim | None:
    """Return who fixed a record; None if nobody did."""
    held, _ = await _read(connections, identity)
    return None if held is None or held.released else held


async def _read(connections: Connections, identity: Identity) -> tuple[Claim | None, str]:
    s3: Any = await connections.aws("s3")
    try:
        answer = await s3.get_object(Bucket=connections.environment.quarantine_bucket, Key=_key(identity))
    except s3.exceptions.NoSuchKey:
        return None, ""
    try:
        members = json.loads(await answer["Body"].read())
        return Claim(**{name: members[name] for name in Claim.__dataclass_fields__}), answer["ETag"]
    except (ValueError, KeyError, TypeError):
        return None, ""  # damaged: that somebody has it is all that is known


def _key(identity: Identity) -> str:
    return f"{CLAIMS_PREFIX}{hashlib.sha256(record_name(identity).encode()).hexdigest()}.json"
