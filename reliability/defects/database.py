"""Defects in SQL, which PostgreSQL itself must show, and in how its connections and errors are treated."""

from reliability.defects.defect import Simulation, defects_in

_RARE = Simulation(histories=600)
_UPSERT = "processor/adapters/upsert.py"
_CATALOG = "processor/adapters/catalog.py"
_POSTGRES = "processor/adapters/postgres.py"
_HALVES = "processor/adapters/halves.py"
_HISTORY = "tests/contract/test_catalog.py::test_both_hold_the_same_rows_after_any_history"
_MARKS = "tests/contract/test_catalog.py::test_the_marks_of_other_processes_are_returned_until_cleared"
_FIELDS = "tests/integration/test_handler.py::test_a_missing_field_leaves_the_row_alone_and_old_updates_lose"
_STATES = "tests/integration/test_sqlstates.py::"

DATABASE = [
    *defects_in(
        _UPSERT,
        "I1",
        _FIELDS,
        (
            "row-level versions",
            "CASE WHEN {_newer(name)} THEN",
            "CASE WHEN excluded.last_updated > held.last_updated THEN",
        ),
        (
            "0 and NULL over good data",
            '{name} = CASE WHEN {_newer(name)} THEN excluded.{name} ELSE held.{name} END",',
            '{name} = excluded.{name}",',
        ),
        ("last_updated by the clock", "left(greatest({versions}), 27)::timestamptz", "now()"),
        (
            "an update only where all fields are newer",
            '_lines(map(_newer, REGISTERS), " OR")',
            '_lines(map(_newer, REGISTERS), " AND")',
        ),
    ),
    *defects_in(
        _UPSERT,
        "I1",
        _HISTORY,
        (
            "versions that go back",
            "greatest(excluded.{name}_version, held.{name}_version)",
            "excluded.{name}_version",
        ),
        ("the last writer by the clock", "> coalesce(held.{name}_version, '')", "IS NOT NULL"),
    ),
    *defects_in(
        _UPSERT,
        "I1",
        "tests/contract/test_catalog.py"
        "::test_one_by_one_ends_in_the_same_rows_and_both_return_what_is_outdated",
        ("new products never outdated", "LEFT JOIN {table} AS held", "JOIN {table} AS held"),
    ),
    *defects_in(
        _UPSERT,
        "I1",
        "tests/unit/test_upsert_columns.py",
        ("a line break moves values to others", 'if text.count("\\n") != len(values) - 1:', "if False:"),
    ),
    *defects_in(
        _HALVES,
        "I5",
        "tests/unit/test_halves.py",
        ("errors of halves swallowed", "        raise max(errors, key=_precedence)\n", "        pass\n"),
        ("a product lost between halves", "changes[middle:])", "changes[middle + 1 :])"),
    ),
    *defects_in(
        _CATALOG,
        "I3",
        _MARKS,
        ("marks that count the process itself", " AND process_id <> $3", " AND $3 <> ''"),
        (
            "marks of other records counted",
            "WHERE shard = $1 AND sequence_number = $2 AND process_id <> $3",
            "WHERE process_id <> $3",
        ),
    ),
    *defects_in(
        _CATALOG,
        "I3",
        "tests/contract/test_catalog.py::test_marks_that_were_not_cleared_are_taken_back",
        (
            "marks of all processes taken back",
            '"DELETE FROM processing_attempt WHERE process_id = $1"',
            "\"DELETE FROM processing_attempt WHERE $1 <> ''\"",
        ),
    ),
    *defects_in(
        _CATALOG,
        "I3",
        "tests/contract/test_catalog.py::test_expired_pending_invalidations_and_marks_are_removed",
        (
            "marks that never grow old",
            " AND last_tried_at > now() - interval '24 hours'",
            "",
        ),
    ),
    *defects_in(
        _CATALOG,
        "progress",
        _STATES + "test_a_value_that_the_table_refuses_is_quarantined",
        ("a refused value blocks its shard", '_REFUSED = frozenset({"23514", ', "_REFUSED = frozenset({"),
    ),
    *defects_in(
        "processor/migrations/0004_right_under_failure.sql",
        "I3",
        _STATES + "test_a_mistake_in_the_schema_condemns_no_record",
        (
            "records condemned for a mistake in the schema",
            "IF NOT looks_only_at(schema_of, table_of, constraint_of, written_columns) THEN RAISE; END IF;",
            "NULL;",
        ),
    ),
    *defects_in(
        "processor/migrations/0004_right_under_failure.sql",
        "I3",
        _STATES + "test_what_a_trigger_writes_into_the_table_itself_condemns_no_record",
        (
            "records condemned for what a trigger writes",
            "IF context_of ~ 'PL/pgSQL function",
            "IF context_of ~ 'no function",
        ),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        _RARE,
        (
            "the password read once",
            "login = await self._login()",
            'login = self.__dict__.setdefault("_first", None) or await self._login()\n'
            "                self._first = login",
        ),
        (
            "a failed pool kept",
            "        pool.terminate()\n        if self._pool",
            "        return\n        if self._pool",
        ),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_outages.py::test_a_rotated_password_is_fetched_again",
        ("a rotated password fails a batch", "_INVALID_AUTHORIZATION: 1,", "_INVALID_AUTHORIZATION: 0,"),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_outages.py::test_a_read_only_transaction_expires_the_connections",
        ("a read-only server kept", 'frozenset({"25006", "0A000"', 'frozenset({"0A000"'),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        _STATES + "test_a_rolled_back_transaction_is_retried_three_times",
        ("a rolled back transaction not retried", "_TRANSACTION_RETRIES = 3", "_TRANSACTION_RETRIES = 0"),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        _STATES + "test_after_a_server_error_the_whole_batch_is_retried",
        ("too many connections bisect a batch", 'frozenset({"08", "53", ', 'frozenset({"08", '),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_black_hole.py",
        ("a statement without a limit", "limit = asyncio.timeout(seconds)", "limit = asyncio.timeout(None)"),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_black_hole.py",
        (
            "a connection without a limit",
            "async with asyncio.timeout(seconds):",
            "async with asyncio.timeout(None):",
        ),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_database.py::test_a_cancelled_operation_drops_its_connection",
        ("a release without a limit", "if not _leaves_usable(error):", "if False:"),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_black_hole.py::test_nothing_is_sent_when_a_connection_is_released",
        ("a round trip when a connection is released", "                    reset=_do_not_reset,\n", ""),
    ),
    *defects_in(
        _POSTGRES,
        "progress",
        "tests/integration/test_database.py::test_concurrent_operations_wait_for_the_only_connection",
        (
            "one connection for each statement",
            "            await pool.release(connection)\n",
            "            await pool.release(connection)\n            self._drop(pool)\n",
        ),
    ),
    *defects_in(
        "processor/reader.py",
        "progress",
        "tests/integration/test_reader_faults.py"
        "::test_a_database_that_falls_silent_during_a_release_costs_no_read",
        (
            "a reader's release without a limit",
            "await self._pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)",
            "await self._pool.release(connection)",
        ),
    ),
]
