"""The environments, and the combinations of two parts' settings that are refused."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

from stacks.config.environments import Environment, throwaway
from stacks.config.instance_classes import MAX_CONNECTIONS
from stacks.config.network_settings import NetworkSettings
from stacks.config.regions import ZONE_IDS
from stacks.config.settings import ObjectLock, OnDemand, Provisioned, Removal, SettingsError
from tests.support.environments import DEV, ENVIRONMENTS, PROD, STAGING
from tests.support.networks import EXISTING, PEERED, WITH_ENDPOINTS, in_new_vpc
from tests.support.synthesized import TODAY

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "processor" / "certificates" / "rds-roots.pem"


def environment(base: Environment, **parts: dict[str, Any]) -> Callable[[], Environment]:
    """Return a function that creates the environment with other settings for these parts."""
    return lambda: replace(
        base, **{name: replace(getattr(base, name), **settings) for name, settings in parts.items()}
    )


@pytest.mark.parametrize("suffix", ["pr-42", "a", "7", "x" * 20, "a-b-c"])
def test_a_throwaway_environment_is_dev_under_another_name(suffix: str) -> None:
    assert throwaway(suffix, ENVIRONMENTS) == replace(DEV, name=suffix)


def test_the_bootstrap_stack_s_name_is_no_environment_s() -> None:
    """Without a state bucket, its state would be in the bootstrap stack's file."""
    with pytest.raises(
        SettingsError, match=r"^ENVIRONMENT_SUFFIX is 'bootstrap'; accepted: any name except .*bootstrap, "
    ):
        throwaway("bootstrap")


@pytest.mark.parametrize(
    "suffix",
    ["", "x" * 21, "PR-42", "pr_42", "pr 42", "-pr", "pr-", "pr--42", "é", "pr\n", "dev", "staging", "prod"],
)
def test_a_wrong_suffix_is_refused_in_one_line(suffix: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        throwaway(suffix, ENVIRONMENTS)
    assert re.fullmatch(rf"ENVIRONMENT_SUFFIX is {re.escape(repr(suffix))}; accepted: .+", str(refusal.value))


def test_a_throwaway_environment_has_no_way_to_a_shop() -> None:
    """A peering connection leads from one VPC, dev's."""
    assert throwaway("pr-42", [replace(DEV, network=PEERED)]).network == DEV.network
    in_existing_vpc = replace(DEV, network=WITH_ENDPOINTS)
    assert throwaway("pr-42", [in_existing_vpc]) == replace(in_existing_vpc, name="pr-42")


def test_only_prod_is_kept() -> None:
    assert [each.name for each in ENVIRONMENTS if each.removal is Removal.NEVER] == ["prod"]
    assert PROD.database.multi_az
    assert PROD.database.backup_retention_days >= 7
    assert PROD.archive.object_lock == ObjectLock(mode="GOVERNANCE", days=3 * 365)
    assert PROD.cache.replicas >= 1
    for each in ENVIRONMENTS:
        assert each.archive.expiry_days == each.quarantine.expiry_days == 3 * 365


def in_zones(*zone_ids: str) -> NetworkSettings:
    return in_new_vpc(DEV, zone_ids=zone_ids)


def lock(days: int) -> ObjectLock:
    return ObjectLock(mode="GOVERNANCE", days=days)


@pytest.mark.parametrize(
    "make",
    [
        # One hour more than the maximum record age.
        environment(PROD, stream={"retention_hours": 25}),
        environment(PROD, stream={"retention_hours": 169}, event_source={"maximum_record_age_hours": 168}),
        environment(PROD, quarantine={"expiry_days": 1096}),
        environment(PROD, archive={"object_lock": lock(1094)}),
        # 4 shards × 2, the drain and a redrive.
        environment(PROD, function={"reserved_concurrency": 10}),
        environment(PROD, stream={"capacity": OnDemand(expected_shards=4)}),
        environment(
            PROD,
            function={"reserved_concurrency": 4},
            event_source={"parallelization_factor": 1},
            stream={"capacity": Provisioned(shard_count=2)},
        ),
        environment(
            PROD,
            function={"reserved_concurrency": None},
            stream={"capacity": Provisioned(shard_count=100)},
            database={"instance_class": "db.r7g.2xlarge"},
        ),
        # 2 × 10 × 34 = 680 of 850 × 0.8.
        environment(PROD, function={"pool_size": 34}),
        # 2 × (2 + 2) × 8 = 64 of 80 × 0.8: nothing is reserved, but no more can run concurrently.
        environment(DEV, function={"pool_size": 8}),
        lambda: replace(PROD, removal=Removal.WHEN_EMPTY),
        lambda: replace(PROD, region="us-west-1", network=in_zones("usw1-az1", "usw1-az3")),
        lambda: replace(DEV, network=EXISTING, region="eu-west-1"),
    ],
)
def test_accepted_combinations(make: Callable[[], Environment]) -> None:
    assert make().name in ("prod", "dev")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            environment(PROD, stream={"retention_hours": 24}),
            "stream.retention_hours is 24; accepted: more than 24 (event_source.maximum_record_age_hours), "
            "since records would expire before Lambda reports them",
        ),
        (
            environment(PROD, event_source={"maximum_record_age_hours": 168}),
            "stream.retention_hours is 168; accepted: more than 168 (event_source.maximum_record_age_hours)",
        ),
        (
            environment(PROD, quarantine={"expiry_days": 1094}),
            "quarantine.expiry_days is 1094; accepted: at least 1095 (archive.expiry_days), "
            "since a failed batch is kept nowhere else",
        ),
        (
            environment(PROD, archive={"expiry_days": 1094}),
            "archive.object_lock.days is 1095; accepted: 1 to 1094 (archive.expiry_days)",
        ),
        (
            environment(PROD, archive={"object_lock": lock(1096)}),
            "archive.object_lock.days is 1096; accepted: 1 to 1095 (archive.expiry_days)",
        ),
        (
            environment(PROD, function={"reserved_concurrency": 9}),
            "function.reserved_concurrency is 9; accepted: at least 10 (shards × "
            "event_source.parallelization_factor, one for the drain and one for a redrive)",
        ),
        (
            environment(PROD, stream={"capacity": Provisioned(shard_count=5)}),
            "function.reserved_concurrency is 10; accepted: at least 12 ",
        ),
        (
            environment(PROD, stream={"capacity": OnDemand(expected_shards=5)}),
            "function.reserved_concurrency is 10; accepted: at least 12 ",
        ),
        (
            environment(PROD, event_source={"parallelization_factor": 3}),
            "function.reserved_concurrency is 10; accepted: at least 14 ",
        ),
        (
            environment(STAGING, function={"reserved_concurrency": 3}),
            "function.reserved_concurrency is 3; accepted: at least 4 ",
        ),
        (
            environment(PROD, function={"pool_size": 35}),
            "function.pool_size is 35; accepted with a concurrency of 10: at most 34, since 2 × concurrency "
            "× pool size may be open (frozen execution environments keep theirs) and db.m7g.large has 680 "
            "for the processor",
        ),
        (
            environment(DEV, function={"pool_size": 9}),
            "function.pool_size is 9; accepted with a concurrency of 4: at most 8, since 2 × concurrency "
            "× pool size may be open",
        ),
        (
            environment(DEV, stream={"capacity": OnDemand(expected_shards=15)}),
            "function.pool_size is 3; accepted with a concurrency of 17: at most 1, since 2 × ",
        ),
        (
            lambda: replace(PROD, removal=Removal.WITH_CONTENTS),
            "removal is WITH_CONTENTS; accepted with archive.object_lock: WHEN_EMPTY or NEVER",
        ),
        # We ship no RDS roots of the last two.
        *(
            (partial(replace, DEV, region=region), f"region is '{region}'; accepted: af-south-1, ap-east-1, ")
            for region in ("", "Virginia", "us-east-1a", "us-east-9", "us-gov-west-1", "il-central-1")
        ),
        # It lacks the instance families.
        (
            lambda: replace(DEV, network=in_zones("use1-az1", "use1-az3")),
            "network.vpc.zone_ids has use1-az3; accepted in us-east-1: use1-az1, use1-az2, use1-az4, ",
        ),
        # A region with two zones.
        (
            lambda: replace(PROD, region="us-west-1", network=in_zones("usw1-az1", "usw1-az2", "usw1-az3")),
            "network.vpc.zone_ids has usw1-az2; accepted in us-west-1: usw1-az1, usw1-az3",
        ),
        (
            lambda: replace(DEV, region="eu-west-1"),
            "network.vpc.zone_ids has use1-az1, use1-az2; accepted in eu-west-1: euw1-az1, ",
        ),
        (
            lambda: replace(PROD, network=WITH_ENDPOINTS),
            "logs.network_flows is True; accepted in an existing VPC: False, since its flow logs, ",
        ),
    ],
)
def test_a_wrong_pair_is_refused_with_field_value_and_range(
    make: Callable[[], Environment], message: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}") as refusal:
        make()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("part", "field", "version", "last_day"),
    [
        # PostgreSQL 17 and 18 outlive our runtime, which would be refused first.
        ("database", "engine_version", "17", date(2029, 11, 8)),
        ("database", "engine_version", "18", date(2030, 11, 14)),
        ("cache", "engine_version", "7.2", date(2027, 4, 16)),
        ("cache", "engine_version", "8.0", date(2027, 9, 15)),
        ("cache", "engine_version", "8.1", date(2028, 3, 31)),
        ("cache", "engine_version", "8.2", date(2028, 3, 31)),
        ("cache", "engine_version", "9.0", date(2028, 10, 21)),
        ("function", "runtime", "python3.13", date(2029, 6, 30)),
    ],
)
def test_a_version_is_warned_of_for_90_days_and_refused_after_its_end_of_life(
    part: str, field: str, version: str, last_day: date
) -> None:
    chosen = environment(DEV, **{part: {field: version}})()

    def named(lines: tuple[str, ...]) -> bool:
        return any(line.startswith(f"{part}.{field} is '{version}', which reache") for line in lines)

    def listed(day: date) -> tuple[bool, bool]:
        support = chosen.check_support(day)
        return named(support.ending), named(support.ended)

    assert listed(last_day - timedelta(days=90)) == (False, False)
    assert listed(last_day - timedelta(days=89)) == (True, False)
    assert listed(last_day) == (True, False)
    assert listed(last_day + timedelta(days=1)) == (False, True)


def test_postgresql_17_will_end() -> None:
    ended = environment(DEV, database={"engine_version": "17"})().check_support(date(2029, 11, 9)).ended
    assert (
        "database.engine_version is '17', which reached its end of life on 2029-11-08; "
        "accepted: 18 (stacks/config/supported_versions.py)"
    ) in ended


def test_without_a_supported_version_none_is_accepted() -> None:
    ended = DEV.check_support(date(2029, 7, 1)).ended
    assert ended[0].endswith("; accepted: none (stacks/config/supported_versions.py)")


@pytest.mark.parametrize("each", ENVIRONMENTS, ids=lambda each: each.name)
def test_environments_are_supported_for_half_a_year(each: Environment) -> None:
    assert not each.check_support(TODAY + timedelta(days=183)).ended


def test_connections_are_those_that_rds_computes_from_the_memory() -> None:
    """Rounded down, since the operating system uses some of the memory."""
    gigabytes = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
    for instance_class, connections in MAX_CONNECTIONS.items():
        _, family, size = instance_class.split(".")
        memory = gigabytes[size] * (2 if family.startswith("r") else 1) * 1024**3
        computed = min(memory // 9_531_392, 5000)
        assert 0.7 * computed <= connections <= computed, instance_class


def test_exactly_the_regions_whose_database_roots_we_ship_are_accepted() -> None:
    assert set(re.findall(r"CN=Amazon RDS (\S+) Root CA ", BUNDLE.read_text())) == set(ZONE_IDS)


def test_zones_are_those_of_their_regions() -> None:
    """Moto has a table of its own, which still has the zone that lacks our instance families."""
    for region, zone_ids in ZONE_IDS.items():
        known = {zone.zone_id for zone in RegionsAndZonesBackend.zones[region]}
        assert set(zone_ids) == known - {"use1-az3"}
