"""Defects in how a record is read, which a plain reading of hostile ones must show."""

from reliability.defects.defect import defects_in

_HOSTILE = "tests/unit/test_hostile_records.py"

RECORDS = [
    *defects_in(
        "processor/json_object.py",
        "I3",
        _HOSTILE,
        ("the last of two equal keys", "if len(members) != len(pairs):", "if False:"),
        ("nesting without a limit", "if depth > MAX_DEPTH:", "if False:"),
    ),
    *defects_in(
        "processor/common_records.py",
        "I3",
        _HOSTILE,
        (
            "the last of two equal keys, if it is common",
            """.count(b'":') == len(fields):""",
            """.count(b'":') >= len(fields):""",
        ),
    ),
    *defects_in(
        "processor/registers.py",
        "I3",
        _HOSTILE,
        ("a bool is an integer", "        if type(value) is int:\n", "        if isinstance(value, int):\n"),
        (
            "prices cut to two decimals",
            "_whole(digits, exponent + 2)",
            "_whole(digits, max(0, exponent + 2))",
        ),
    ),
    *defects_in(
        "processor/registers.py",
        "progress",
        _HOSTILE,
        ("number bombs computed", "_BEYOND_DIGITS = 20\n", "_BEYOND_DIGITS = 10**8\n"),
    ),
    *defects_in(
        "processor/characters.py",
        "I3",
        _HOSTILE,
        ("control characters kept", "if not text.isprintable() and (", "if False and ("),
    ),
    *defects_in(
        "processor/event_time.py",
        "I1",
        _HOSTILE,
        ("offsets ignored", "event_time_us -= _offset_us(offset)", "pass"),
    ),
    *defects_in(
        "processor/aggregation.py",
        "I3",
        _HOSTILE,
        (
            "aggregates without a check of their digest",
            "if hashlib.md5(body, usedforsecurity=False).digest() != digest:",
            "if False:",
        ),
        ("aggregates without a limit", "if records > _MAX_RECORDS:", "if False:"),
    ),
]
