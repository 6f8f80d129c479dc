"""`catalog quarantine`: its commands; `show`: a rejected record, why, and its bytes."""

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from catalog.commands.quarantine_choice import no_such_record
from catalog.commands.quarantine_fix import fix
from catalog.commands.quarantine_list import FINISH, list_quarantined
from catalog.commands.quarantine_repair import redrive
from catalog.connections import Connections
from catalog.console import Output
from catalog.errors import UsageError
from catalog.options import AsJson, EnvironmentName
from catalog.repair.claims import Claim, begun_fix, read_begun
from catalog.repair.listing import document_of
from catalog.repair.marks import Marks, read_marks, record_name
from catalog.repair.quarantined import Filter, Quarantined, read_quarantined
from catalog.repair.verdicts import decoded
from catalog.running import run
from catalog.terminal_text import counted, plain
from processor.reasons import Reason
from processor.records import is_sequence_number
from processor.updates import Rejection

_IDENTITY = ("id", "shard", "sequence_number", "sub_sequence", "partition_key", "arrival_time", "supplier")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Rejected records: look at them, fix them, send them again."
    )
    group.command("list")(list_quarantined)
    group.command()(show)
    group.command()(fix)
    group.command()(redrive)
    app.add_typer(group, name="quarantine")


def show(
    record: Annotated[list[str], typer.Argument(help="An id that `list` prints; or SHARD SEQUENCE [SUB].")],
    env: EnvironmentName = None,
    as_json: AsJson = False,
) -> None:
    """Show a quarantined record: why it was rejected, what today's rules say, its bytes.

    Every line of the record is shown, the newest first: it has several if it was delivered or redriven again.

    JSON: a list of the lines, each with `id`, `shard`, `sequence_number`, `sub_sequence`, `partition_key`,
    `arrival_time`, `supplier`, `reason`, `message`, `data_base64`, `key`, `line`, `redriven`, `fix_begun`
    (`by`, `at`, `reason`, `data_base64`) and `today`.

    Examples:

        catalog quarantine show 1a2b3c4d5e --env prod
        catalog quarantine show shardId-000000000006 4959033827149025660855969253 0
    """
    output = Output(as_json=as_json)

    async def command(connections: Connections) -> int:
        wanted, sub_sequence = _wanted(record)
        marks = await read_marks(connections)
        begun = dict(await read_begun(connections, marks))
        lines = [
            found
            async for found in read_quarantined(connections, wanted, every_line=True)
            if isinstance(found, Quarantined) and sub_sequence in (None, found.record.sub_sequence)
        ]
        if not lines:
            raise UsageError(no_such_record(" ".join(record)))
        for found in lines:
            name = record_name(found.identity)
            if name in begun and begun[name].is_of(found.record.data):
                del begun[name]  # it was sent, and rejected again
        lines.sort(key=lambda found: found.written_at, reverse=True)
        shown: list[RenderableType] = []
        for found in lines:
            shown += [*_shown_record(found, marks, begun), Text()]
        document = [document_of(found, marks, begun) | {"today": _today(found)} for found in lines]
        output.data(document, *shown[:-1])
        return 0

    run(env, output, command)


def _wanted(words: list[str]) -> tuple[Filter, int | None]:
    match words:
        case [id_]:
            return Filter(ids=frozenset({id_})), None
        case [shard, number] if is_sequence_number(number):
            return Filter(shard=shard, sequence_number=int(number)), None
        case [shard, number, sub] if is_sequence_number(number) and sub.removeprefix("-").isdecimal():
            return Filter(shard=shard, sequence_number=int(number)), int(sub)
    raise UsageError("an id is accepted, or a shard, a sequence number and perhaps a sub-sequence")


def _shown_record(found: Quarantined, marks: Marks, begun: Mapping[str, Claim]) -> list[Text]:
    document = document_of(found, marks, begun)
    values = {name: "none" if document[name] is None else str(document[name]) for name in _IDENTITY}
    values |= {
        "reason": f"{found.reason}{_sentence(found.reason)}",
        "message": found.message,
        "object": f"{found.key} line {found.line}",
        "redriven": document["redriven"] or "no",
        "today": _today(found),
    }
    lines = [plain(f"{name:<16} {value}") for name, value in values.items()]
    lines += [Text(f"{counted(len(found.record.data), 'byte')}:"), plain(found.record.data)]
    if (claim := begun_fix(begun, found)) is not None:
        lines += [
            plain(f"{'fix begun':<16} {claim.text()}; nothing says that it was sent: {FINISH}"),
            plain("its new bytes were not written down" if claim.data is None else claim.data),
        ]
    return lines


def _sentence(code: str) -> str:
    try:
        return f": {Reason(code).sentence}"
    except ValueError:
        return ""


def _today(found: Quarantined) -> str:
    """Return what today's rules say; a record that killed its processes is not tried."""
    if found.reason == Reason.KILLED_PROCESS:
        return "not tried: it may kill this process too"
    outcome = decoded(found.record)
    return f"{outcome.reason}: {outcome.message}" if isinstance(outcome, Rejection) else "accepted"
