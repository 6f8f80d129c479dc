"""The values that each part's settings refuse, with the field, the value and what is accepted.

test_network_settings.py has the network's.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from stacks.config.environments import Environment
from stacks.config.settings import ObjectLock, OnDemand, Provisioned, SettingsError
from tests.support.environments import DEV, PROD

ROOT = Path(__file__).parents[2]


def part(name: str, **settings: Any) -> Callable[[], object]:
    """Return a function that creates dev's settings of a part with these values."""
    return lambda: replace(getattr(DEV, name), **settings)


# Part, field, and the lowest and highest value that is accepted with dev's other settings.
RANGES = [
    ("stream", "retention_hours", 24, 8760),
    ("archive", "intelligent_tiering_days", 0, DEV.archive.glacier_instant_retrieval_days - 1),
    (
        "archive",
        "glacier_instant_retrieval_days",
        DEV.archive.intelligent_tiering_days + 1,
        DEV.archive.expiry_days - 1,
    ),
    ("archive", "tiering_above_bytes", 0, 5 * 1024**4),
    ("archive", "expiry_days", DEV.archive.glacier_instant_retrieval_days + 1, 36_500),
    ("archive", "noncurrent_days", 1, 36_500),
    ("archive", "incomplete_upload_days", 1, 36_500),
    ("archive", "athena_scan_limit_gb", 1, 1_000_000),
    ("quarantine", "expiry_days", 1, 36_500),
    ("quarantine", "noncurrent_days", 1, 36_500),
    ("quarantine", "incomplete_upload_days", 1, 36_500),
    ("database", "credentials_version", 1, 1_000_000),
    # 100 GB, dev's limit, is a tenth more than 90.
    ("database", "storage_gb", 20, 90),
    ("database", "storage_limit_gb", 22, 65_536),
    ("database", "backup_retention_days", 0, 35),
    ("database", "idle_session_timeout_seconds", 60, 86_400),
    ("cache", "replicas", 0, 5),
    ("function", "memory_mb", 256, 10_240),
    ("function", "timeout_seconds", 10, 900),
    ("function", "reserved_concurrency", 1, 10_000),
    ("function", "pool_size", 1, 100),
    ("logs", "bucket_access_days", 1, 36_500),
    ("event_source", "batch_size", 1, 10_000),
    ("event_source", "window_seconds", 1, 300),
    ("event_source", "parallelization_factor", 1, 10),
    ("event_source", "maximum_record_age_hours", 1, 168),
    ("alarms", "iterator_age_minutes", 1, 1440),
]

# One of a list of values.
FROM_A_LIST = {("logs", "retention_days"), ("database", "monitoring_seconds")}

# Compared with another field, which the message then names.
NAMED_BY_ANOTHER = {
    ("archive", "intelligent_tiering_days", "high"): "archive.glacier_instant_retrieval_days",
    ("archive", "glacier_instant_retrieval_days", "high"): "archive.expiry_days",
    ("database", "storage_gb", "high"): "database.storage_limit_gb",
}


@pytest.mark.parametrize(("name", "field", "low", "high"), RANGES)
def test_both_ends_are_accepted_and_values_beyond_are_refused(
    name: str, field: str, low: int, high: int
) -> None:
    for accepted in (low, high):
        assert getattr(part(name, **{field: accepted})(), field) == accepted
    for end, refused in (("low", low - 1), ("high", high + 1)):
        named = NAMED_BY_ANOTHER.get((name, field, end))
        message = (
            rf"{named} is \d+; accepted: \d+ to"
            if named
            else f"{name}.{field} is {refused}; accepted: {low} to"
        )
        with pytest.raises(SettingsError, match=f"^{message}"):
            part(name, **{field: refused})()


def test_no_number_is_without_a_range() -> None:
    ranged = {(name, field) for name, field, _, _ in RANGES}
    for each in fields(DEV):
        settings = getattr(DEV, each.name)
        for field in getattr(settings, "__dataclass_fields__", {}):
            value = getattr(settings, field)
            if type(value) is int and (each.name, field) not in FROM_A_LIST:
                assert (each.name, field) in ranged


def test_no_setting_has_a_default() -> None:
    """Each environment shows what it pays for and what protects it."""
    for each in fields(Environment):
        settings = getattr(PROD, each.name)
        nested = settings.__dataclass_fields__.values() if hasattr(settings, "__dataclass_fields__") else ()
        for field in (each, *nested):
            assert field.default is field.default_factory is fields(PROD)[0].default, field.name
            assert field.kw_only, field.name


@pytest.mark.parametrize(
    "make",
    [
        part("event_source", batch_size=10, window_seconds=0),
        part("function", reserved_concurrency=None),
        part("function", architecture="x86_64"),
        part("cache", node_type="cache.r7g.12xlarge"),
        part("alarms", emails=("on-call@shop.example", "a@b")),
        lambda: ObjectLock(mode="COMPLIANCE", days=1),
        lambda: ObjectLock(mode="GOVERNANCE", days=36_500),
        lambda: Provisioned(shard_count=1),
        lambda: Provisioned(shard_count=10_000),
        lambda: OnDemand(expected_shards=1),
        lambda: OnDemand(expected_shards=10_000),
        *(part("database", monitoring_seconds=seconds) for seconds in (0, 1, 60)),
        *(part("logs", retention_days=days) for days in (1, 7, 1096, 3653)),
    ],
)
def test_accepted_values(make: Callable[[], object]) -> None:
    assert make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Provisioned(shard_count=0), "stream.capacity.shard_count is 0; accepted: 1 to 10000"),
        (
            lambda: Provisioned(shard_count=10_001),
            "stream.capacity.shard_count is 10001; accepted: 1 to 10000",
        ),
        (lambda: OnDemand(expected_shards=0), "stream.capacity.expected_shards is 0; accepted: 1 to 10000"),
        (
            lambda: OnDemand(expected_shards=10_001),
            "stream.capacity.expected_shards is 10001; accepted: 1 to 10000",
        ),
        (
            lambda: ObjectLock(mode="governance", days=1),  # type: ignore[arg-type]
            "archive.object_lock.mode is 'governance'; accepted: ('GOVERNANCE', 'COMPLIANCE')",
        ),
        (lambda: ObjectLock(mode="COMPLIANCE", days=0), "archive.object_lock.days is 0; accepted: 1 to"),
        (
            lambda: ObjectLock(mode="COMPLIANCE", days=36_501),
            "archive.object_lock.days is 36501; accepted: 1 to 36500",
        ),
        (
            part("archive", object_lock=ObjectLock(mode="COMPLIANCE", days=1096)),
            "archive.object_lock.days is 1096; accepted: 1 to 1095 (archive.expiry_days), "
            "since an object cannot expire while it is locked",
        ),
        (
            part("database", engine_version="13"),
            "database.engine_version is '13'; accepted: 17, 18",
        ),
        (part("database", engine_version="18.1"), "database.engine_version is '18.1'; accepted: 17, 18"),
        (
            part("database", instance_class="db.x2g.16xlarge"),
            "database.instance_class is 'db.x2g.16xlarge'; accepted: db.t4g.micro, db.t4g.small",
        ),
        # A tenth more than 95 GB is 104.5 GB.
        (
            part("database", storage_gb=95, storage_limit_gb=104),
            "database.storage_limit_gb is 104; accepted: 105 to 65536",
        ),
        (part("cache", engine_version="7.0"), "cache.engine_version is '7.0'; accepted: 7.2, 8.0, 8.1"),
        (part("cache", node_type="t4g.micro"), "cache.node_type is 't4g.micro'; accepted: such as 'cache."),
        (part("function", runtime="python3.12"), "function.runtime is 'python3.12'; accepted: python3.13"),
        (
            part("function", architecture="aarch64"),
            "function.architecture is 'aarch64'; accepted: arm64, x86_64",
        ),
        (
            part("database", monitoring_seconds=2),
            "database.monitoring_seconds is 2; accepted: 0, 1, 5, 10, 15, 30, 60",
        ),
        (
            part("logs", retention_days=8),
            "logs.retention_days is 8; accepted: 1, 3, 5, 7, 14, 30",
        ),
        (
            part("event_source", batch_size=11, window_seconds=0),
            "event_source.window_seconds is 0; accepted: 1 to 300",
        ),
        (part("alarms", emails=("on-call",)), "alarms.emails holds 'on-call'; accepted: an address such as"),
        (
            part("alarms", emails=("a@b", "a b@c")),
            "alarms.emails holds 'a b@c'; accepted: an address such as",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_field_value_and_range(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}") as refusal:
        make()
    assert "\n" not in str(refusal.value)


def test_settings_can_be_read_without_cdktf() -> None:
    code = "import sys, stacks.config.environments as _; sys.exit(bool({'cdktf', 'jsii'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # noqa: S603


def test_a_wrong_setting_ends_every_command_with_one_line() -> None:
    program = (
        "from dataclasses import replace; from stacks.config.environments import DEV; replace(DEV, name='')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert ended.returncode == 1
    assert ended.stderr.startswith("name is ''; accepted: ")
    assert ended.stderr.count("\n") == 1


def test_any_other_error_keeps_its_traceback() -> None:
    program = "import stacks.config.environments; raise KeyError"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert ended.stderr.startswith("Traceback")
