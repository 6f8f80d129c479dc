"""Every change made with this program, written down in the quarantine bucket under `operations/`.

An operation is one JSON object: who (the AWS identity), when, which command, why (`--reason`), and what it
did. It is written before the change begins and completed afterwards, so that an interrupted one shows too.
"""

import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from catalog.connections import Connections
from catalog.objects import list_keys, read_objects

PREFIX = "operations/"
_ID_TIME = "%Y%m%dT%H%M%S%f"
_KEY_TIME = f"%Y-%m-%d/{_ID_TIME}"
MARKS_PREFIX = f"{PREFIX}redriven/"
"""What was redriven, which is no operation: `catalog/repair/marks.py`."""
CLAIMS_PREFIX = f"{PREFIX}fixed/"
"""What was fixed, by whom: `catalog/repair/claims.py`."""


@dataclass(kw_only=True, slots=True)
class Operation:
    """One change. `state`: `begun`, `done`, `failed` or `interrupted`; `changes`: what was done."""

    id: str
    command: str
    by: str
    reason: str
    begun_at: str
    ended_at: str | None = None
    state: str = "begun"
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Where it is in the quarantine bucket; the keys' order is that of time."""
        return f"{PREFIX}{self.begun_at[:10]}/{self.id}.json"

    def document(self) -> dict[str, Any]:
        """Return what is stored."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def chosen_by(choice: Any) -> dict[str, Any]:
    """Return what a dataclass of options, such as a filter, has besides its defaults, for JSON."""
    members = {}
    for one in fields(choice):
        value = getattr(choice, one.name)
        if value != one.default:
            value = chosen_by(value) if is_dataclass(value) else value
            members[one.name] = sorted(value) if isinstance(value, frozenset) else value
    return members


@asynccontextmanager
async def recorded(
    connections: Connections, command: str, *, reason: str, arguments: dict[str, Any]
) -> AsyncIterator[Operation]:
    """Write down a change: yield its operation, whose `changes` the caller fills in as it goes.

    `arguments`: what was chosen, which is written before anything is done.
    """
    identity = await (await connections.aws("sts")).get_caller_identity()
    now = datetime.now(UTC)
    operation = Operation(
        id=f"{now:{_ID_TIME}}-{secrets.token_hex(4)}",
        command=command,
        by=identity["Arn"],
        reason=reason,
        begun_at=now.isoformat(timespec="milliseconds"),
        changes={"arguments": arguments},
    )
    await save(connections, operation)
    try:
        yield operation
        operation.state = "done" if operation.state == "begun" else operation.state
    except Exception:
        operation.state = "failed"
        raise
    except BaseException:
        operation.state = "interrupted"
        raise
    finally:
        operation.ended_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        await save(connections, operation)


async def save(connections: Connections, operation: Operation) -> None:
    """Write the operation as it is now."""
    s3 = await connections.aws("s3")
    await s3.put_object(
        Bucket=connections.environment.quarantine_bucket,
        Key=operation.key,
        Body=json.dumps(operation.document(), default=str).encode(),
        ContentType="application/json",
        ChecksumAlgorithm="SHA256",
    )


async def list_operations(
    connections: Connections,
    *,
    limit: int,
    since: datetime | None = None,
    on_damage: Callable[[str], None] = lambda key: None,
) -> list[Operation]:
    """Return the newest operations, newest first.

    `since`: only those that began then or later. `on_damage`: called with the key of what is none.
    """
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    keys: list[str] = []
    # An id begins with the time, so that the keys' order is that of time.
    after = "" if since is None else f"{PREFIX}{since.astimezone(UTC):{_KEY_TIME}}"
    async for entry in list_keys(s3, bucket, PREFIX, after=after):
        if entry["Key"] >= CLAIMS_PREFIX:
            break  # days come before claims and marks
        keys.append(entry["Key"])
    operations = []
    async for key, body in read_objects(s3, bucket, sorted(keys, reverse=True)[:limit], unpacked=False):
        operation = _read_operation(body)
        if operation is None:
            on_damage(key)
        else:
            operations.append(operation)
    return operations


async def find_operation(connections: Connections, id_: str) -> Operation | None:
    """Return the operation with an id; None if there is none that can be read."""
    key = f"{PREFIX}{id_[:4]}-{id_[4:6]}-{id_[6:8]}/{id_}.json"
    s3 = await connections.aws("s3")
    try:
        answer = await s3.get_object(Bucket=connections.environment.quarantine_bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None
    return _read_operation(await answer["Body"].read())


def _read_operation(body: bytes) -> Operation | None:
    """Return the operation, without what a later release may add; None if it is none."""
    try:
        members = json.loads(body)
        known = {name: members[name] for name in Operation.__dataclass_fields__ if name in members}
        operation = Operation(**known)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (
        operation.id,
        operation.command,
        operation.by,
        operation.reason,
        operation.begun_at,
        operation.state,
    )
    is_right = all(isinstance(text, str) for text in texts) and isinstance(operation.ended_at, str | None)
    return operation if is_right and isinstance(operation.changes, dict) else None
