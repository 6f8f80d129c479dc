"""Fixed records: other bytes for a quarantined record, checked by the processor's rules before that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
import jsonpointer

from catalog.errors import UsageError
from catalog.product_ids import product_ids
from catalog.repair.claims import Claim
from catalog.repair.exact_json import NotJsonError, read_exact, write_exact
from catalog.repair.marks import record_name
from catalog.repair.quarantined import Quarantined
from catalog.repair.rules import RuleError
from catalog.repair.sending import Sending
from catalog.repair.verdicts import decoded, why_not_fixable
from processor.reasons import Reason
from processor.updates import Rejection

Change = Callable[[Quarantined], bytes]
"""The new bytes of a record. Raises: NotFixedError."""

# A record may be nested deeper than the patch's library can follow.
_PATCH_ERRORS = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    TypeError,
    RecursionError,
)


class NotFixedError(Exception):
    """Why a record is not fixed."""


@dataclass(frozen=True, slots=True)
class NotFixed:
    """A record that stays as it is, and why."""

    found: Quarantined
    why: str


def fixed(found: Quarantined, change: Change) -> Sending | NotFixed:
    """Return what to send for a record, with its identity and arrival; or why a change does not mend it."""
    if (why := why_not_fixable(found)) is not None:
        return NotFixed(found, why)
    try:
        data = change(found)
    except (NotFixedError, NotJsonError, RuleError) as error:
        return NotFixed(found, str(error))
    if data == found.record.data:
        return NotFixed(found, "unchanged")
    record = found.record._replace(data=data)
    outcome = decoded(record)
    if isinstance(outcome, Rejection):
        return NotFixed(found, f"still rejected: {outcome.reason}: {outcome.message}")
    before = product_ids(found.record.data)
    moves = (min(before), outcome.product_id) if before and outcome.product_id not in before else None
    return Sending(found, record, fixed=True, moves=moves)


def of_rule(mend: Callable[[bytes], bytes]) -> Change:
    """Return the change that a rule makes."""

    def change(found: Quarantined) -> bytes:
        _refuse_killer(found)
        return mend(found.record.data)

    return change


def of_patch(operations: Any) -> Change:
    """Return the change that a JSON patch makes (RFC 6902). Raises: UsageError."""
    if not isinstance(operations, list) or not operations:
        raise UsageError("--patch is not a list of operations (RFC 6902)")
    try:
        patch = jsonpatch.JsonPatch(operations)
    except (*_PATCH_ERRORS, AttributeError) as error:
        raise UsageError(f"--patch is not a JSON patch (RFC 6902): {error}") from error

    def change(found: Quarantined) -> bytes:
        _refuse_killer(found)
        value = read_exact(found.record.data)
        try:
            return write_exact(patch.apply(value))
        except _PATCH_ERRORS as error:
            raise NotFixedError(f"the patch does not apply: {error}") from error

    return change


def of_texts(texts: dict[str, bytes]) -> Change:
    """Return the change to bytes that somebody wrote, by the records' ids."""

    def change(found: Quarantined) -> bytes:
        if found.id not in texts:
            raise NotFixedError("left out in the editor")
        return texts[found.id]

    return change


def of_claims(begun: Mapping[str, Claim]) -> Change:
    """Return the change to the bytes that were claimed, by the records' names, and perhaps never sent."""

    def change(found: Quarantined) -> bytes:
        data = begun[record_name(found.identity)].data
        if data is None:
            raise NotFixedError("its new bytes were not written down: give the fix of then again")
        return data

    return change


def read_patch(argument: str, stdin: Callable[[], str]) -> Any:
    """Return the operations of a patch that is given as JSON, as a file, or as - for standard input.

    Raises: UsageError.
    """
    if argument == "-":
        text = stdin()
    elif argument.lstrip().startswith(("[", "{")):
        text = argument
    else:
        try:
            text = Path(argument).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"--patch {argument[:80]!r} is neither JSON nor a file that can be read"
            ) from error
    try:
        return read_exact(text)
    except NotJsonError as error:
        raise UsageError(f"--patch: {error}") from error


def _refuse_killer(found: Quarantined) -> None:
    # Whatever killed the processor's processes may kill this one.
    if found.reason == Reason.KILLED_PROCESS:
        raise NotFixedError("it killed its processes, so that this program does not read it: --editor can")
