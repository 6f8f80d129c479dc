"""Claims: with which bytes a quarantined record comes again, written down before they are sent.

A claim is one object for each identity, `operations/fixed/<hash>.json`, which only one run can write. Two
fixes with different bytes would be two accepted lines of one version in the archive (ADR 26). The claimed
bytes may be sent again, such as after a kill. A claim whose bytes were rejected is released.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from catalog.connections import Connections
from catalog.errors import CatalogError
from catalog.objects import Identity, list_keys, read_objects
from catalog.operations import CLAIMS_PREFIX, Operation
from catalog.repair.marks import Marks, record_name
from catalog.repair.quarantined import Quarantined
from catalog.times import shown_time

# Somebody else wrote it first, or is writing it now.
_TAKEN = (409, 412)
_OPERATION_TIME = "%Y%m%dT%H%M%S"
_UNKNOWN_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Claim:
    """Who sends a record again, when and why; `sha256`, `data_base64`: of its bytes.

    `released`: those were rejected. `data_base64`: None in claims of old releases.
    """

    record: str
    sha256: str
    by: str
    at: str
    reason: str
    operation: str
    released: bool = False
    data_base64: str | None = None

    @property
    def data(self) -> bytes | None:
        """The claimed bytes; None if they are not known."""
        try:
            data = base64.b64decode(self.data_base64 or "", validate=True)
        except (binascii.Error, ValueError, TypeError):
            return None
        return data if hashlib.sha256(data).hexdigest() == self.sha256 else None

    @property
    def moment(self) -> datetime:
        """When it was taken."""
        try:
            return datetime.fromisoformat(self.at).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            return _UNKNOWN_TIME

    def is_of(self, data: bytes) -> bool:
        """Return whether these bytes are the claimed ones."""
        return hashlib.sha256(data).hexdigest() == self.sha256

    def text(self) -> str:
        """Return who, when and why; the time is that of the operation, the same for all of its claims."""
        try:
            at = shown_time(datetime.strptime(self.operation[:15], _OPERATION_TIME).replace(tzinfo=UTC))
        except ValueError:
            at = self.at
        return f"by {self.by.rpartition(':')[2]} on {at} ({self.reason})"


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
        who = held.text() if held is not None else "by somebody else now"
        raise ClaimedError(
            f"it was sent with other bytes {who}: a newer update of the supplier is the way, or, if that was "
            "killed before it sent them, `catalog quarantine fix --finish`"
        )

    async def release(self, identity: Identity, data: bytes) -> None:
        """Release a claim of which the bytes were rejected, so that the record can be fixed with others."""
        await self._put(identity, self._claim(identity, data, released=True))

    def _claim(self, identity: Identity, data: bytes, *, released: bool = False) -> Claim:
        operation, now = self._operation, datetime.now(UTC).isoformat(timespec="seconds")
        return Claim(
            record=record_name(identity),
            sha256=hashlib.sha256(data).hexdigest(),
            by=operation.by,
            at=now,
            reason=operation.reason,
            operation=operation.id,
            released=released,
            data_base64=base64.b64encode(data).decode(),
        )

    async def _put(self, identity: Identity, claim: Claim, **condition: str) -> bool:
        """Write a claim; return False if the condition does not hold."""
        s3 = await self._connections.aws("s3")
        try:
            await s3.put_object(
                Bucket=self._connections.environment.quarantine_bucket,
                Key=_key(record_name(identity)),
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


async def read_begun(connections: Connections, marks: Marks) -> Mapping[str, Claim]:
    """Return the claims of records of which no mark says that they were sent, by the records' names."""
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    done = {_key(name) for name in marks.of_records}
    listed = [found["Key"] async for found in list_keys(s3, bucket, CLAIMS_PREFIX)]
    begun = {}
    async for key, body in read_objects(s3, bucket, [key for key in listed if key not in done]):
        claim = _claim_in(body)
        if claim is not None and not claim.released and _key(claim.record) == key:
            begun[claim.record] = claim
    return begun


def begun_fix(begun: Mapping[str, Claim], found: Quarantined) -> Claim | None:
    """Return the claim of other bytes for a record; None if it has none, or was being sent as it is."""
    claim = begun.get(record_name(found.identity))
    return None if claim is None or claim.is_of(found.record.data) else claim


async def _read(connections: Connections, identity: Identity) -> tuple[Claim | None, str]:
    s3: Any = await connections.aws("s3")
    key = _key(record_name(identity))
    try:
        answer = await s3.get_object(Bucket=connections.environment.quarantine_bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None, ""
    # If it is damaged, that somebody has it is all that is known.
    claim = _claim_in(await answer["Body"].read())
    return claim, "" if claim is None else answer["ETag"]


def _claim_in(body: bytes) -> Claim | None:
    try:
        members = json.loads(body)
        values = {
            one.name: members[one.name]
            for one in fields(Claim)
            if one.name in members or one.default is MISSING
        }
        return Claim(**values) if all(isinstance(values[name], str) for name in _TEXTS) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


_TEXTS = tuple(one.name for one in fields(Claim) if one.default is MISSING)


def _key(name: str) -> str:
    return f"{CLAIMS_PREFIX}{hashlib.sha256(name.encode()).hexdigest()}.json"
