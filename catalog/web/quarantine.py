"""Quarantined records for the page: what is wrong, what would mend it, and sending what does.

The rules, the check by the processor and the sending are those of `catalog quarantine fix` and `redrive`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.connections import Connections
from catalog.errors import CatalogError, UsageError
from catalog.repair.claims import Claim, read_begun
from catalog.repair.fixing import NotFixed, fixed, of_rule, of_texts
from catalog.repair.listing import document_of, list_records
from catalog.repair.marks import Marks, read_marks, record_name
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined
from catalog.repair.rules import RULES
from catalog.repair.sending import Sending, send_recorded
from catalog.repair.verdicts import Chance, as_sent, chance
from catalog.terminal_text import escaped
from catalog.times import Period, shown_time
from processor.reasons import Reason, remedy

AS_IS = "as it is"
"""In place of a rule's name: the same bytes again."""

BY_HAND = "by hand"
"""In place of a rule's name: bytes that somebody wrote."""

_LISTED = 50
_TEXT_SHOWN = 8_192
_AWS_SPAN = timedelta(days=1)


async def listing_document(connections: Connections, reason: str | None) -> dict[str, Any]:
    """Return counts by reason and supplier, and the newest records; on AWS of a day."""
    is_local = connections.environment.variables is not None
    period = Period() if is_local else Period(datetime.now(UTC) - _AWS_SPAN)
    wanted = Filter(reasons=frozenset({reason} if reason else ()), period=period)
    marks = await read_marks(connections)
    begun = await read_begun(connections, marks)
    listing = await list_records(
        connections, wanted, without=marks.of_records, begun=begun, limit=_LISTED, advance=lambda _: None
    )
    return {
        "records": listing.counts.total(),
        "counts": listing.counts_document(),
        "newest": [_shown(found, marks, begun) for found in listing.newest],
        "damaged": [asdict(found) for found in listing.damaged],
        "since": period.since,
    }


async def record_document(connections: Connections, id_: str) -> dict[str, Any]:
    """Return a record, its bytes, and what would become of it by each rule for its reason."""
    found = await _find(connections, id_)
    options = [
        _tried(found, name) | {"does": rule.does}
        for name, rule in RULES.items()
        if found.reason in rule.reasons
    ]
    as_it_is = _tried(found, AS_IS) | {"does": "send the same bytes again"}
    reason, message = found.reason, ""
    with suppress(ValueError):
        reason, message = Reason(found.reason).sentence, remedy(Reason(found.reason))
    marks = await read_marks(connections)
    return _shown(found, marks, await read_begun(connections, marks)) | {
        "sentence": reason,
        "remedy": message,
        "bytes": len(found.record.data),
        "editable": found.record.data.decode("utf-8", "replace"),
        "options": [*options, as_it_is],
    }


async def tried_document(connections: Connections, id_: str, rule: str, text: str | None) -> dict[str, Any]:
    """Return what would become of a record: a dry run."""
    return _tried(await _find(connections, id_), rule, text)


async def send(
    connections: Connections, id_: str, rule: str, text: str | None, *, sha256: str, reason: str
) -> dict[str, Any]:
    """Send what a dry run showed, of which `sha256` is the digest. Raises: CatalogError."""
    if connections.environment.variables is None:
        raise CatalogError("on AWS the console only shows; `catalog quarantine fix` sends")
    if not reason.strip():
        raise UsageError("say why, in a few words that `catalog history` will show")
    found = await _find(connections, id_)
    marks = await read_marks(connections)
    if (mark := marks.of_records.get(record_name(found.identity))) is not None:
        raise CatalogError(
            f"it was fixed or sent again on {shown_time(mark.at)} already: see `catalog history`"
        )
    sending = _sending(found, rule, text)
    if isinstance(sending, str):
        raise CatalogError(sending)
    if _digest(sending.record.data) != sha256:
        raise CatalogError("this is not what was shown: try it again")

    async def one() -> AsyncIterator[Sending]:
        yield sending

    sent = await send_recorded(
        connections,
        "quarantine redrive" if rule == AS_IS else "quarantine fix",
        one(),
        arguments={"ids": [id_], "rule": None if rule == AS_IS else rule, "console": True},
        why=reason,
        rate=None,
        stop=asyncio.Event(),
        advance=lambda _: None,
    )
    return {
        "accepted": sent.accepted,
        "rejected_again": [now for _, _, now in sent.rejected_again],
        "failures": [failure.why for failure in sent.failures],
    }


def _tried(found: Quarantined, rule: str, text: str | None = None) -> dict[str, Any]:
    sending = _sending(found, rule, text)
    if isinstance(sending, str):
        return {"rule": rule, "why_not": sending}
    data = sending.record.data
    return {
        "rule": rule,
        "before": escaped(found.record.data, _TEXT_SHOWN),
        "after": escaped(data, _TEXT_SHOWN),
        "sha256": _digest(data),
    }


def _sending(found: Quarantined, rule: str, text: str | None) -> Sending | str:
    """Return what to send, or why nothing is. Raises: UsageError."""
    if rule == AS_IS:
        say = chance(found)
        return Sending(found, as_sent(found)) if say is Chance.SEND else str(say)
    if rule == BY_HAND:
        try:
            change = of_texts({found.id: (text or "").encode()})
        except UnicodeEncodeError:
            return "the text has half of a surrogate pair"
    elif rule in RULES:
        change = of_rule(RULES[rule].mend)
    else:
        raise UsageError(f"no rule {escaped(rule, 60)!r}; accepted: {', '.join([*RULES, AS_IS, BY_HAND])}")
    outcome = fixed(found, change)
    return outcome.why if isinstance(outcome, NotFixed) else outcome


async def _find(connections: Connections, id_: str) -> Quarantined:
    """Return the newest line of a record. Raises: UsageError."""
    async for found in read_quarantined(connections, Filter(ids=frozenset({id_}))):
        if isinstance(found, Quarantined):
            return found
    raise UsageError(f"no such record in quarantine: {escaped(id_, 40)}")


def _shown(found: Quarantined, marks: Marks, begun: Mapping[str, Claim]) -> dict[str, Any]:
    document = document_of(found, marks, begun)
    return document | {
        name: escaped(document[name], 300)
        for name in ("reason", "message", "supplier", "partition_key")
        if document[name] is not None
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
