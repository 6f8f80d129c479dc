"""Defects in what is kept of records: archive, quarantine, marks of attempts, redrive, replay."""

from reliability.defects.defect import Simulation, defects_in

_SIMULATE = Simulation()
_OBJECTS = "processor/s3_objects.py"
_S3 = "processor/adapters/s3.py"
_POISON = "processor/poison_records.py"
_EXCHANGE = "processor/adapters/http_exchange.py"
_REPLAY = "processor/archive_replay.py"
_TESTS_OF_POISON = "tests/unit/test_poison_records.py::"

OBJECTS = [
    *defects_in(
        _OBJECTS,
        "I2",
        _SIMULATE,
        (
            "archive keys by the clock",
            "digest = hashlib.sha256(content).hexdigest()[:12]",
            'digest = datetime.now(UTC).strftime("%H%M%S%f")',
        ),
        (
            "archived JSON written anew",
            "(identity, code, _DATA, record.data)",
            "(identity, code, _DATA, json.dumps(json.loads(record.data)).encode())",
        ),
    ),
    *defects_in(
        _OBJECTS,
        "I2",
        "tests/unit/test_s3_objects.py::test_an_objects_day_is_the_day_its_first_record_arrived",
        (
            "an object's day by the clock",
            "(_EPOCH + timedelta(milliseconds=first.arrival_ms)).date()",
            "datetime.now(UTC).date()",
        ),
    ),
    *defects_in(
        _OBJECTS,
        "I2",
        "tests/unit/test_s3_objects.py::test_keys_depend_on_the_content_only",
        ("archive keys without the content", "-{digest}{suffix}", "{suffix}"),
    ),
    *defects_in(
        _OBJECTS,
        "I2",
        "tests/unit/test_s3_objects.py::test_every_record_can_be_read_back_byte_for_byte",
        (
            "line breaks inside an archive line",
            "return _LINE_FEED not in data and _RETURN not in data",
            "return True",
        ),
    ),
    *defects_in(
        _OBJECTS,
        "I3",
        _SIMULATE,
        (
            "quarantine without the bytes",
            "        base64.b64encode(record.data),\n    )",
            '        b"",\n    )',
        ),
    ),
    *defects_in(
        _S3,
        "I2",
        "tests/unit/test_s3.py::test_a_put_is_conditional_checked_and_the_same_every_time",
        ("objects overwritten", '                    IfNoneMatch="*",\n', ""),
        ("objects without a checksum", "                    ChecksumSHA256=digest,\n", ""),
    ),
    *defects_in(
        _S3,
        "progress",
        "tests/unit/test_s3.py::test_an_object_that_exists_is_done",
        ("an object that exists is an error", "if status == _ALREADY_THERE:", "if False:"),
    ),
    *defects_in(
        _S3,
        "progress",
        "tests/unit/test_s3.py::test_a_conflict_is_tried_again",
        ("a conflict is not tried again", "if status != _CONFLICT or not left:", "if True:"),
    ),
    *defects_in(
        _EXCHANGE,
        "I2",
        "tests/integration/test_aws_exchange.py::test_an_answer_without_this_objects_checksum_is_not_the_answer",
        ("any answer is this object's", "if expected.header is not None and", "if False and"),
    ),
    *defects_in(
        _EXCHANGE,
        "I2",
        "tests/integration/test_aws_exchange.py::test_what_an_idle_connection_receives_is_nobodys_answer",
        (
            "an answer that comes twice is the next request's",
            "            self.transport.abort()  # nobody asked\n",
            "",
        ),
    ),
    *defects_in(
        _EXCHANGE,
        "I2",
        "tests/integration/test_aws_exchange.py::test_an_answer_before_the_object_was_sent_does_not_count",
        (
            "an answer before the request counts",
            "if answer is not None and self.transport.get_write_buffer_size():",
            "if False:",
        ),
    ),
    *defects_in(
        _POISON,
        "progress",
        _SIMULATE,
        ("poison never found", "    return len(others) >= DEATHS\n", "    return False\n"),
    ),
    *defects_in(_POISON, "I3", _SIMULATE, ("condemned after one death", "DEATHS = 3\n", "DEATHS = 1\n")),
    *defects_in(
        _POISON,
        "I3",
        _TESTS_OF_POISON + "test_outages_in_three_processes_that_survive_condemn_no_record",
        (
            "marks that count the living",
            "                others -= await ports.quarantine.survivors(record)\n",
            "                pass\n",
        ),
        (
            "survival not noted",
            "            await ports.quarantine.note_survival(record, ports.catalog.process_id)\n",
            "            pass\n",
        ),
    ),
    *defects_in(
        _POISON,
        "I2",
        _TESTS_OF_POISON + "test_a_record_that_left_three_marks_is_quarantined_unparsed",
        (
            "a condemned aggregate as its first record",
            "record = record._replace(sub_sequence=WHOLE_AGGREGATE)",
            "pass",
        ),
    ),
    *defects_in(
        "processor/batch.py",
        "I3",
        _TESTS_OF_POISON + "test_a_lone_old_record_is_tried_under_a_mark_and_cleared",
        (
            "marks never cleared",
            "if report.first_unfinished is None or not has_killed:",
            "if report.first_unfinished is None and has_killed:",
        ),
    ),
    *defects_in(
        "processor/batch.py",
        "progress",
        _TESTS_OF_POISON + "test_a_killers_marks_stay_until_it_is_archived_and_quarantined",
        (
            "a killer's marks cleared too early",
            "if report.first_unfinished is None or not has_killed:",
            "if True:",
        ),
    ),
    *defects_in(
        "processor/redrive.py",
        "I2",
        "tests/unit/test_redrive.py::test_what_is_wrong_with_a_record_is_named",
        (
            "a redriven aggregate with its neighbours' identities",
            'if (data or b"").startswith(MAGIC) is not (sub_sequence == WHOLE_AGGREGATE):',
            "if False:",
        ),
    ),
    *defects_in(
        _REPLAY,
        "I4",
        "tests/integration/test_replay.py::test_lost_rows_come_back_and_are_invalidated",
        (
            "a replay without invalidation",
            "                await self._invalidate([change.product_id for change in part])\n",
            "                pass\n",
        ),
    ),
    *defects_in(
        _REPLAY,
        "I4",
        "tests/integration/test_replay.py::test_without_the_cache_invalidations_are_pending",
        (
            "a replay that records no pending invalidation",
            "            await self._catalog.add_pending_invalidations(product_ids)\n",
            "",
        ),
    ),
]
