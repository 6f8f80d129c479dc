"""What became of a product's updates besides: refused by the table, or repaired by an operator."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.archive_lines import MOST_DAYS_IN_A_BATCH, Damage, find_line, numbered
from catalog.connections import Connections
from catalog.objects import Identity, identity_of, list_keys, parse_key, parse_line, read_objects
from catalog.operations import find_operation
from catalog.product_history import Received
from catalog.product_ids import product_ids
from catalog.repair.acceptance import FROM_ARRIVAL, Acceptance
from catalog.repair.claims import Claim, read_claim
from catalog.repair.marks import Mark, Marks, read_marks, record_name
from catalog.repair.repairs import Repair, digest_of
from catalog.versions import Version
from processor.aggregation import MAGIC
from processor.reasons import Reason
from processor.records import WHOLE_AGGREGATE
from processor.s3_objects import ACCEPTED, QUARANTINE_PREFIX
from processor.slices import decode_all
from processor.updates import Update

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEQUENCE_NUMBER = re.compile(rb'"sequence_number":"([0-9]+)"')


@dataclass(slots=True)
class _Rejected:
    """What was rejected of an identity. `digests`: of the bytes; `products`: ids that can be read in them.

    `refused`: what the table said, which refused the bytes that the archive has as accepted.
    """

    digests: set[str] = field(default_factory=set)
    products: set[str] = field(default_factory=set)
    refused: str | None = None


async def with_repairs(
    connections: Connections,
    product_id: str,
    received: Sequence[Received],
    moment: datetime | None,
    damage: Damage,
) -> list[Received]:
    """Return a product's records as the catalog knew them at a moment (None: now).

    An update of a record that was rejected, too, counts from when an operator had repaired it, and is
    rejected or unknown before. If both have the same bytes, the rejected one is left out.
    """
    rejected = await _rejected(connections, received, damage)
    if not rejected:
        return list(received)
    marks = await read_marks(connections)
    told = _Told(connections, marks, rejected)
    known = [one for one in received if one.reason or await told.knows(one, product_id, moment)]
    repaired = [one for one in known if one.repair]
    for one in known:
        if one.reason:
            one.became = [other for other in repaired if _is_of(other, one)]
            if not one.became and (mark := marks.fixed.get(record_name(one.identity))):
                one.moved_to = await _moved_to(connections, one, mark, moment, damage)
    return [one for one in known if all(other.digest != one.digest for other in one.became)]


class _Told:
    """What marks, claims and quarantine tell of updates that the archive has as accepted."""

    def __init__(
        self, connections: Connections, marks: Marks, rejected: Mapping[Identity, _Rejected]
    ) -> None:
        self._connections = connections
        self._marks = marks
        self._rejected = rejected
        self._who: dict[str, tuple[str | None, str | None]] = {}

    async def knows(self, one: Received, product_id: str, moment: datetime | None) -> bool:
        """Return whether an update is known at a moment; add how it was repaired, or that it was refused."""
        found = [self._rejected[name] for name in _names(one.identity) if name in self._rejected]
        if not found:
            return True
        refused = next((each.refused for each in found if each.refused is not None), None)
        claim = await read_claim(self._connections, one.identity)
        name = record_name(one.identity)
        acceptance = Acceptance(
            self._marks,
            {name} if refused is not None else (),
            {name: claim} if claim is not None and claim.sha256 == one.digest else {},
        )
        if not acceptance.had(one.identity, moment):
            if refused is not None:
                one.reason, one.values, one.message = Reason.CATALOG_REFUSED.value, {}, refused
            return refused is not None
        digests = set[str]().union(*(each.digests for each in found))
        if (mark := acceptance.mark(one.identity)) is None and not digests:
            return True
        since = acceptance.since(one.identity)
        at = one.written_at if since == FROM_ARRIVAL else since
        by, reason = await self._who_did(mark, claim if claim and claim.sha256 == one.digest else None)
        one.repair = Repair(at, bool(digests) and one.digest not in digests, by, reason)
        products = set[str]().union(*(each.products for each in found))
        if one.repair.is_fix and products and product_id not in products:
            one.moved_from = min(products)
        return moment is None or at <= moment

    async def _who_did(self, mark: Mark | None, claim: Claim | None) -> tuple[str | None, str | None]:
        """Return who sent a record again and why: that operation, or else the one that claimed it."""
        id_ = mark.operation if mark is not None else None
        if id_ is not None and id_ not in self._who:
            operation = await find_operation(self._connections, id_)
            if operation is not None:
                self._who[id_] = operation.by, operation.reason
        if id_ in self._who:
            return self._who[id_]
        return (claim.by, claim.reason) if claim is not None else (None, None)


async def _rejected(
    connections: Connections, received: Sequence[Received], damage: Damage
) -> Mapping[Identity, _Rejected]:
    """Return what archive and quarantine say was rejected of these records, by identity.

    A whole aggregate has the sub-sequence -1. Quarantine knows of other products, too: a fix may have
    changed that.
    """
    found: defaultdict[Identity, _Rejected] = defaultdict(_Rejected)
    for one in received:
        if one.reason:
            found[_whole(one.identity) if one.is_whole else one.identity].digests.add(one.digest)
    accepted = [one for one in received if not one.reason]
    async for members in _quarantined(connections, accepted, damage):
        identity, data = identity_of(members), members["data"]
        rejected = found[_whole(identity) if data.startswith(MAGIC) else identity]
        if members["reason"] == Reason.CATALOG_REFUSED:
            rejected.refused = str(members["message"])
        else:
            rejected.digests.add(digest_of(data))
            rejected.products |= product_ids(data)
    return found


async def _moved_to(
    connections: Connections, one: Received, mark: Mark, moment: datetime | None, damage: Damage
) -> str | None:
    """Return the product of which a rejected record is an update since it was fixed."""
    if moment is not None and mark.at > moment:
        return None
    s3, bucket = await connections.aws("s3"), connections.environment.archive_bucket
    wanted = Version("", one.sequence_number, one.sub_sequence, one.shard, one.arrival_ms)
    found = await find_line(s3, bucket, wanted, damage)
    if found is None or found.line.verdict != ACCEPTED:
        return None
    (outcome,) = decode_all([found.line.record], [])
    return outcome.product_id if isinstance(outcome, Update) else None


async def _quarantined(
    connections: Connections, accepted: Sequence[Received], damage: Damage
) -> AsyncIterator[dict[str, Any]]:
    """Yield the lines that quarantine has of these records."""
    s3, bucket = await connections.aws("s3"), connections.environment.quarantine_bucket
    wanted = {(one.shard, one.sequence_number) for one in accepted}
    places = {
        (one.shard, (_EPOCH + timedelta(milliseconds=one.arrival_ms)).date() - timedelta(days=earlier))
        for one in accepted
        for earlier in range(MOST_DAYS_IN_A_BATCH + 1)
    }
    for shard, day in sorted(places):
        numbers = [int(number) for where, number in wanted if where == shard]
        keys = []
        async for listed in list_keys(s3, bucket, f"{QUARANTINE_PREFIX}dt={day.isoformat()}/{shard}/"):
            name = parse_key(listed["Key"])
            if name is not None and any(name.first <= number <= name.last for number in numbers):
                keys.append(name.key)
        async for key, body in read_objects(s3, bucket, keys, on_damage=damage.note):
            for number, text in numbered(body):
                found = _SEQUENCE_NUMBER.search(text)
                if found is not None and (shard, found[1].decode()) in wanted:
                    members = _read(text, f"{key} line {number}", damage)
                    if members is not None and identity_of(members)[:2] in wanted:
                        yield members


def _read(text: bytes, place: str, damage: Damage) -> dict[str, Any] | None:
    try:
        members = parse_line(text)
        if type(members["sub_sequence"]) is not int or not {"reason", "message"} <= members.keys():
            raise ValueError("it is not a line of quarantine")
        return members
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        damage.note(place, f"{type(error).__name__}: {error}")
        return None


def _whole(identity: Identity) -> Identity:
    return *identity[:2], WHOLE_AGGREGATE


def _names(identity: Identity) -> Iterable[Identity]:
    """Return under which identities an update's record was rejected: alone, or in its aggregate."""
    return identity, _whole(identity)


def _is_of(update: Received, rejected: Received) -> bool:
    return update.identity == rejected.identity or (
        rejected.is_whole and update.identity[:2] == rejected.identity[:2]
    )
