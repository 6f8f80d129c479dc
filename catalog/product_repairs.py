"""What became of a product's updates besides: refused by the table, or repaired by an operator."""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.archive_lines import MOST_DAYS_IN_A_BATCH, Damage, numbered
from catalog.connections import Connections
from catalog.objects import Identity, identity_of, list_keys, parse_key, parse_line, read_objects
from catalog.product_history import Received
from catalog.repair.marks import read_marks, record_name
from catalog.repair.repairs import digest_of, find_repair
from processor.aggregation import MAGIC
from processor.reasons import Reason
from processor.s3_objects import QUARANTINE_PREFIX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEQUENCE_NUMBER = re.compile(rb'"sequence_number":"([0-9]+)"')

Rejections = defaultdict[tuple[str, str, int | None], set[str]]
"""Shard, sequence number, sub-sequence (None: a whole aggregate) → digests of rejected bytes."""


async def with_repairs(
    connections: Connections, received: Sequence[Received], moment: datetime | None, damage: Damage
) -> list[Received]:
    """Return the records as the catalog knew them at a moment (None: now): refused, repaired, or as received.

    An update of a record that was rejected, too, counts from when an operator had repaired it. If it has the
    same bytes, the rejected one is left out.
    """
    rejections: Rejections = defaultdict(set)
    for one in received:
        if one.reason:
            rejections[_name(one.identity, is_whole=one.is_whole)].add(one.digest)
    accepted = [one for one in received if not one.reason]
    await _mark_refused(connections, accepted, rejections, damage)
    for one in accepted:
        if not one.reason and (digests := _digests(one, rejections)):
            one.repair = await find_repair(
                connections, one.identity, one.digest, one.written_at, is_fix=one.digest not in digests
            )
    known = [one for one in received if not (one.repair and moment and one.repair.at > moment)]
    repaired = [one for one in known if one.repair]
    for one in known:
        if one.reason:
            one.became = [other for other in repaired if _is_of(other, one)]
    return [one for one in known if all(other.digest != one.digest for other in one.became)]


async def _mark_refused(
    connections: Connections, accepted: Sequence[Received], rejections: Rejections, damage: Damage
) -> None:
    """Mark the updates that the table refused: they were archived, as accepted, before it was asked.

    Adds what else quarantine has of these records to `rejections`: a fix may have changed the product.
    """
    refused: dict[Identity, str] = {}
    async for members in _quarantined(connections, accepted, damage):
        identity, data = identity_of(members), members["data"]
        if members["reason"] == Reason.CATALOG_REFUSED:
            refused[identity] = str(members["message"])
        else:
            rejections[_name(identity, is_whole=data.startswith(MAGIC))].add(digest_of(data))
    redriven = (await read_marks(connections)).records if refused else set()
    for one in accepted:
        if one.identity in refused and record_name(one.identity) not in redriven:
            one.reason, one.values = Reason.CATALOG_REFUSED.value, {}
            one.message = refused[one.identity]


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


def _name(identity: Identity, *, is_whole: bool) -> tuple[str, str, int | None]:
    shard, sequence_number, sub_sequence = identity
    return shard, sequence_number, None if is_whole else sub_sequence


def _digests(one: Received, rejections: Rejections) -> set[str]:
    """Return what was rejected of an update's record, or of the aggregate that it is in."""
    names = {_name(one.identity, is_whole=False), _name(one.identity, is_whole=True)}
    return set[str]().union(*(rejections[name] for name in names if name in rejections))


def _is_of(update: Received, rejected: Received) -> bool:
    return update.identity == rejected.identity or (
        rejected.is_whole and update.identity[:2] == rejected.identity[:2]
    )
