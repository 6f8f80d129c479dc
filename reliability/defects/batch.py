"""Defects in how a batch is decoded, folded and written, and in what is acknowledged."""

from reliability.defects.defect import Simulation, defects_in

_SIMULATE = Simulation()
_RARE = Simulation(histories=600)
_STAGE = "processor/catalog_stage.py"
_BATCH = "processor/batch.py"
_TOO_SLOW = (
    "            except StatementTimeoutError as error:\n                failed = error\n                # If"
)

BATCH = [
    *defects_in(
        _BATCH,
        "I5",
        _SIMULATE,
        ("errors of all stages swallowed", "error = task.exception()", "error = None"),
        (
            "success on a failed archive",
            "if error is not None:",
            'if error is not None and stage.name != "archive":',
        ),
        (
            "success on a failed database",
            "if error is not None:",
            'if error is not None and stage.name != "catalog":',
        ),
        (
            "success on a failed quarantine",
            "if error is not None:",
            'if error is not None and stage.name != "quarantine":',
        ),
        (
            "stages that are late count as done",
            'error = DependencyError(f"{stage.name}: not finished within the time left")',
            "error = None",
        ),
        (
            "the last unfinished record reported, not the first",
            "for record in records if record in result.unfinished",
            "for record in reversed(records) if record in result.unfinished",
        ),
        ("rejections beside updates dropped", "    if rejections:\n", "    if rejections and not updates:\n"),
        (
            "only accepted records archived",
            "work=ports.archive.put(records, codes)",
            "work=ports.archive.put([one.record for one in updates], [ACCEPTED] * len(updates))",
        ),
    ),
    *defects_in(
        "processor/handler.py",
        "I5",
        _SIMULATE,
        ("every batch acknowledged", "if report.first_unfinished is None:", "if True:"),
    ),
    *defects_in(
        "processor/handler.py",
        "progress",
        _SIMULATE,
        (
            "work until Lambda stops the invocation",
            "return remaining - max(_MARGIN_SECONDS, _MARGIN_SHARE * remaining)",
            "return remaining",
        ),
    ),
    *defects_in(
        "processor/handler.py",
        "progress",
        "tests/integration/test_handler.py::test_an_unexpected_database_error_fails_the_invocation",
        ("an unexpected error does not bisect", "    if report.unexpected:\n", "    if False:\n"),
    ),
    *defects_in(
        "processor/handler.py",
        "I5",
        "tests/integration/test_redrive.py::test_a_batch_after_an_unfinished_one_does_not_hide_it",
        (
            "a redrive that goes on after an unfinished batch",
            '        if answer["batchItemFailures"]:\n            break\n',
            "",
        ),
    ),
    *defects_in(
        _STAGE,
        "I5",
        _SIMULATE,
        (
            "invalidation before commit",
            "                await self._upsert(self._updates)\n                left = ()",
            "                await self._finish(())\n"
            "                await self._upsert(self._updates)\n"
            "                await self._quarantine_refused(self._updates)\n"
            "                left, count = (), 0",
        ),
        ("no invalidation", "        if not product_ids:\n", "        if True:\n"),
        (
            "pending invalidations not recorded",
            "        await self._ports.catalog.add_pending_invalidations(product_ids)\n",
            "",
        ),
        (
            "only what changed invalidated",
            "            await self._invalidate(sorted(",
            "            if self.result.products_changed:\n                await self._invalidate(sorted(",
        ),
        (
            "a statement that failed is success",
            _TOO_SLOW,
            "            except DependencyError:\n                left = ()\n" + _TOO_SLOW,
        ),
        ("what is left of parts acknowledged", "return outstanding[begin:], failed", "return (), failed"),
        (
            "a batch refused for one of its values",
            "            await self._upsert_one_by_one(updates)\n",
            "",
        ),
    ),
    *defects_in(
        _STAGE,
        "I3",
        _SIMULATE,
        (
            "refused updates not quarantined",
            "            await self._ports.quarantine.put(rejections)\n",
            "",
        ),
    ),
    *defects_in(
        _STAGE,
        "I5",
        "tests/unit/test_catalog_stage.py::test_more_refusals_than_can_be_remembered_are_all_quarantined",
        (
            "refusals only in a memory that forgets",
            "if (message := self._refused.get(update.record)) is not None",
            "if (message := self._ports.retry_state.refused.get(update.record)) is not None",
        ),
    ),
    *defects_in(
        _STAGE,
        "progress",
        "tests/unit/test_catalog_stage.py::test_what_the_table_refuses_is_isolated_and_quarantined",
        (
            "one by one in the order of the batch",
            "updates = sorted(updates, key=lambda update: update.product_id)",
            "updates = list(updates)",
        ),
    ),
    *defects_in(
        "processor/fold.py",
        "progress",
        _SIMULATE,
        ("unsorted upserts", "in sorted(self._rows)]", "in self._rows]"),
    ),
    *defects_in(
        "processor/fold.py",
        "I1",
        _SIMULATE,
        (
            "the oldest update wins",
            "if held is None or version > held:",
            "if held is None or version < held:",
        ),
        ("the last update of a batch wins", "if held is None or version > held:", "if True:"),
        (
            "row-level versions in the fold",
            "if held is None or version > held:",
            'if version > max((one for one in row[len(row) // 2 :] if one), default=""):',
        ),
    ),
    *defects_in(
        "processor/updates.py",
        "I1",
        _RARE,
        ("sequence numbers compared as text", "{_LENGTHS[len(sequence)]}:{sequence}", "{sequence}"),
    ),
    *defects_in(
        "processor/updates.py",
        "I1",
        "tests/unit/test_fold.py::test_versions_are_ordered_as_text_like_their_parts",
        (
            "records of an aggregate with one version",
            "{f'{sub_sequence:07d}' if sub_sequence else '0000000'}",
            "0000000",
        ),
    ),
    *defects_in(
        "processor/common_records.py",
        "I1",
        _SIMULATE,
        (
            "nothing over good data where a field is missing",
            "            if name in fields:\n                values[name] = read(fields[name])",
            "            values[name] = read(fields[name]) if name in fields else None",
        ),
        (
            "the arrival counts, not the event time",
            "event_time = _event_time(fields, record.arrival_ms)",
            "event_time = _event_time({}, record.arrival_ms)",
        ),
    ),
    *defects_in(
        "processor/records.py",
        "I2",
        _SIMULATE,
        (
            "records of an aggregate with one identity",
            "record._replace(sub_sequence=sub_sequence, partition_key",
            "record._replace(sub_sequence=0, partition_key",
        ),
    ),
    *defects_in(
        "processor/records.py",
        "I3",
        _SIMULATE,
        (
            "aggregates not unpacked",
            "if record.defect is not None or not record.data.startswith(aggregation.MAGIC):",
            "if True:",
        ),
    ),
    *defects_in(
        "processor/slices.py",
        "I3",
        "tests/unit/test_batch.py::test_an_unexpected_error_in_one_record_rejects_that_record_only",
        (
            "one record's error fails the batch",
            "        defect = _internal_error(error, warnings)\n        return Rejection",
            "        raise\n        return Rejection",
        ),
    ),
    *defects_in(
        "processor/slices.py",
        "I3",
        "tests/unit/test_batch.py::test_a_shortage_of_memory_rejects_no_record",
        ("a shortage of memory rejects records", "    except MemoryError:\n        raise  # as above\n", ""),
    ),
]
