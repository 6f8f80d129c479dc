import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stacks.environments import (
    DEV,
    ENVIRONMENTS,
    PROD,
    Environment,
    EventSourceSettings,
    ObjectLock,
    OnDemand,
    Provisioned,
    Removal,
    SettingsError,
    throwaway,
)

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "processor" / "certificates" / "rds-roots.pem"


@pytest.mark.parametrize("suffix", ["pr-42", "a", "7", "x" * 20, "a-b-c"])
def test_a_throwaway_environment_is_dev_under_another_name(suffix: str) -> None:
    assert throwaway(suffix) == replace(DEV, name=suffix)


@pytest.mark.parametrize(
    "suffix",
    ["", "x" * 21, "PR-42", "pr_42", "pr 42", "-pr", "pr-", "pr--42", "é", "pr\n", "dev", "staging", "prod"],
)
def test_a_wrong_suffix_is_refused_in_one_line(suffix: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        throwaway(suffix)
    assert re.fullmatch(rf"ENVIRONMENT_SUFFIX is {re.escape(repr(suffix))}; accepted: .+", str(refusal.value))


def with_retention(hours: int) -> Environment:
    return replace(PROD, stream=replace(PROD.stream, retention_hours=hours))


def with_archive(**days: int) -> Environment:
    return replace(PROD, archive=replace(PROD.archive, **days))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Provisioned(shard_count=0), "stream.capacity.shard_count is 0; accepted: 1 to 10000"),
        (lambda: OnDemand(expected_shards=0), "stream.capacity.expected_shards is 0; accepted: 1 to 10000"),
        (lambda: with_retention(23), "stream.retention_hours is 23; accepted: 24 to 8760"),
        (lambda: with_retention(8761), "stream.retention_hours is 8761; accepted: 24 to 8760"),
        (lambda: with_retention(24), "stream.retention_hours is 24; accepted: more than 24"),
        (
            lambda: EventSourceSettings(maximum_record_age_hours=169),
            "event_source.maximum_record_age_hours is 169; accepted: 1 to 168",
        ),
        (
            lambda: with_archive(glacier_instant_retrieval_days=30),
            "archive.glacier_instant_retrieval_days is 30; accepted: 31 to",
        ),
        (lambda: with_archive(expiry_days=90), "archive.expiry_days is 90; accepted: 91 to"),
        (lambda: with_archive(expiry_days=1094), "archive.object_lock.days is 1095; accepted: 1 to 1094"),
        (lambda: with_archive(tiering_above_bytes=-1), "archive.tiering_above_bytes is -1; accepted: 0 to"),
        (lambda: with_archive(noncurrent_days=0), "archive.noncurrent_days is 0; accepted: 1 to"),
        (
            lambda: with_archive(incomplete_upload_days=0),
            "archive.incomplete_upload_days is 0; accepted: 1 to",
        ),
        (
            lambda: ObjectLock(mode="governance", days=1),  # type: ignore[arg-type]
            "archive.object_lock.mode is 'governance'; accepted: ('GOVERNANCE', 'COMPLIANCE')",
        ),
        (lambda: ObjectLock(mode="COMPLIANCE", days=0), "archive.object_lock.days is 0; accepted: 1 to"),
        (lambda: replace(DEV, region="Virginia"), "region is 'Virginia'; accepted: a region's code"),
        (
            lambda: replace(PROD, removal=Removal.WITH_CONTENTS),
            "removal is WITH_CONTENTS; accepted with archive.object_lock: WHEN_EMPTY or NEVER",
        ),
    ],
)
def test_a_wrong_setting_is_refused_with_field_value_and_range(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}"):
        make()


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.name)
def test_we_ship_the_database_roots_of_every_region_we_deploy_to(environment: Environment) -> None:
    assert f"CN=Amazon RDS {environment.region} Root CA " in BUNDLE.read_text()


def test_the_longest_bucket_name_is_one_that_s3_takes() -> None:
    name = throwaway("x" * 20).global_name("product-inventory-archive", account_id="1" * 12)
    assert len(name) <= 63


def test_settings_can_be_read_without_cdktf() -> None:
    code = (
        "import sys, stacks.environments; sys.exit(bool({'cdktf', 'jsii', 'constructs'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # noqa: S603
