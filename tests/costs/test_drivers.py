"""Figures computed by hand, some of them by AWS in the examples of its pricing pages."""

from dataclasses import replace

import pytest

from costs.driver import Driver
from costs.fixed import fixed_drivers
from costs.load import Load
from costs.prices import DAYS_PER_MONTH, read_prices
from costs.processor import batch_ms, gb_seconds
from costs.usage import traced_of, usage_drivers
from stacks.config.environments import Environment
from stacks.config.settings import OnDemand, Provisioned
from tests.support.environments import DEV, PROD, STAGING
from tests.support.networks import WITH_ENDPOINTS, in_new_vpc

PRICES = read_prices()
LOAD = Load(records_per_day=1_000_000)


def fixed(environment: Environment) -> dict[str, Driver]:
    """Return the fixed drivers by name."""
    drivers = {each.name: each for each in fixed_drivers(environment, PRICES)}
    assert len(drivers) == len(fixed_drivers(environment, PRICES))
    return drivers


def usage(environment: Environment, load: Load = LOAD) -> dict[tuple[str, str], Driver]:
    """Return the drivers of a load by name and unit."""
    return {(each.name, each.price.unit): each for each in usage_drivers(environment, PRICES, load)}


def dollars(driver: Driver) -> float:
    """Return a driver's dollars, which must be known."""
    assert driver.dollars is not None
    return round(driver.dollars, 2)


@pytest.mark.parametrize(
    ("name", "dev", "staging", "prod"),
    [
        # 2, 2 and 4 shards × 730 h × $0.015; the same × $0.02.
        ("shards", 21.90, 21.90, 43.80),
        ("shards' retention", 29.20, 29.20, 58.40),
        # 730 h × $0.016; × $0.032; × $0.168 in two zones.
        ("database instance", 11.68, 23.36, 245.28),
        # 20 GB × $0.115, in two zones × $0.23.
        ("database storage", 2.30, 2.30, 4.60),
        # 2 vCPUs × 730 h × $0.0125.
        ("Database Insights, advanced", 0.00, 0.00, 18.25),
        # 730 h × $0.0128; 2 nodes × 730 h × $0.1264.
        ("cache nodes", 9.34, 9.34, 184.54),
        # 2, 2 and 3 zones × 730 h × $0.01.
        ("Secrets Manager's endpoint", 14.60, 14.60, 21.90),
        ("NAT gateways", 0.00, 0.00, 0.00),
        ("secrets", 1.20, 1.20, 1.20),
        ("dashboard", 3.00, 3.00, 3.00),
        # 0.27 GB a month of an instance, two of them × $0.50.
        ("enhanced monitoring's logs", 0.00, 0.00, 0.27),
        # 43,800 a month × $0.20 a million.
        ("drain: requests", 0.01, 0.01, 0.01),
    ],
)
def test_what_is_fixed(name: str, dev: float, staging: float, prod: float) -> None:
    assert [dollars(fixed(each)[name]) for each in (DEV, STAGING, PROD)] == [dev, staging, prod]


def test_nat_gateways_have_addresses() -> None:
    found = fixed(replace(DEV, network=in_new_vpc(DEV, nat_gateways=2)))
    # AWS's example: $0.045 an hour each; an address is $0.005 an hour.
    assert dollars(found["NAT gateways"]) == 65.70
    assert dollars(found["NAT gateways' addresses"]) == 7.30


def test_endpoints_of_an_existing_vpc_are_paid_by_its_owner() -> None:
    assert fixed(replace(DEV, network=WITH_ENDPOINTS))["Secrets Manager's endpoint"].count == 0


def test_a_stream_of_aws_s_example() -> None:
    """Three shards and a thousand records a second are $1.08 and $1.21 a day."""
    stream = replace(DEV.stream, capacity=Provisioned(shard_count=3), retention_hours=24)
    event_source = replace(DEV.event_source, maximum_record_age_hours=1)
    environment = replace(DEV, stream=stream, event_source=event_source)
    assert (fixed(environment)["shards"].dollars or 0) / DAYS_PER_MONTH == pytest.approx(1.08)
    assert fixed(environment)["shards' retention"].count == 0
    put = usage(environment, Load(records_per_day=86_400_000))["records put", "million PUT payload units"]
    assert (put.dollars or 0) / DAYS_PER_MONTH == pytest.approx(1.2096)


def test_a_stream_that_keeps_records_for_longer() -> None:
    longer = replace(DEV, stream=replace(DEV.stream, retention_hours=168 + 240))
    kept = usage(longer)["records kept longer", "GB-month beyond 7 days"]
    # Ten days more of 1,000,000 × 82.5 bytes.
    assert kept.count == pytest.approx(10 * 82_500_000 / 2**30)


def test_a_stream_on_demand() -> None:
    environment = replace(DEV, stream=replace(DEV.stream, capacity=OnDemand(expected_shards=2)))
    assert dollars(fixed(environment)["stream on demand"]) == 29.20
    found = usage(environment)
    # A million records a day, each billed as 1 KB: 29.0 GB a month × $0.08, and six days of it × $0.10.
    assert dollars(found["records put", "GB written on demand"]) == 2.32
    assert dollars(found["records kept", "GB-month of extended retention on demand"]) == 0.57
    assert dollars(found["records read", "GB read on demand"]) == 0.09
    longer = usage(replace(environment, stream=replace(environment.stream, retention_hours=1000)))
    six_days = ("records kept", "GB-month of extended retention on demand")
    assert longer[six_days].count == found[six_days].count


def test_a_function_of_aws_s_example() -> None:
    """Three million requests of 120 ms with 1,536 MB are 540,000 GB-seconds: $9.00, and $0.60."""
    function = replace(DEV.function, memory_mb=1536, architecture="x86_64")
    seconds = gb_seconds(3_000_000 * 120, function)
    assert seconds == pytest.approx(540_000)
    assert seconds * (PRICES.of("lambda", "x86_64 GB-second").dollars or 0) == pytest.approx(9.00, abs=0.005)
    assert 3 * (PRICES.of("lambda", "million requests").dollars or 0) == pytest.approx(0.60)


def test_a_batch_takes_its_waits_and_its_share_of_a_core() -> None:
    whole = replace(DEV.function, memory_mb=1769)
    assert batch_ms(1000, whole) == pytest.approx(30 + 2 + 10)
    assert batch_ms(1000, replace(whole, memory_mb=3538)) == batch_ms(1000, whole)
    # Half a core takes twice the time to work, not to wait.
    assert batch_ms(0, replace(whole, memory_mb=884)) == pytest.approx(30 + 4, rel=0.01)


def test_batches_of_a_load() -> None:
    """Where no window ends first, there is a batch for each `batch_size` records."""
    load = Load(records_per_day=10**9)
    batches = list(load.batches(DEV))
    assert sum(each.per_day * each.records for each in batches) == pytest.approx(10**9)
    assert max(each.records for each in batches) == pytest.approx(DEV.event_source.batch_size)
    slow = list(Load(records_per_day=24).batches(DEV))
    # Seconds between two records are thousands, so nearly each is alone.
    assert sum(each.per_day for each in slow) == pytest.approx(24, rel=0.01)
    assert load.busiest_records_per_second == pytest.approx(10**9 * 3490 / 28_672 / 3600)


def test_the_duration_of_a_load_is_that_of_its_batches() -> None:
    """At a billion records a day nearly all batches of dev are full: 100 records, 40.4 ms each, 0.5 GB."""
    found = usage(DEV, Load(records_per_day=10**9))
    full = 10**9 / 100 * DAYS_PER_MONTH
    assert found["batches: requests", "million requests"].count == pytest.approx(full / 1e6, rel=0.02)
    assert found["batches: duration", "arm64 GB-second"].count == pytest.approx(full * 0.0404 * 0.5, rel=0.02)


def test_what_a_load_costs_in_prod() -> None:
    found = usage(PROD)
    batches = sum(each.per_day for each in LOAD.batches(PROD)) * DAYS_PER_MONTH
    # 30.4 million units × $0.014.
    assert dollars(found["records put", "million PUT payload units"]) == 0.43
    assert found["archive: requests", "1,000 PUT requests"].count == pytest.approx(batches / 1000)
    # 14 days of a million × 450 bytes × $0.095.
    assert dollars(found["database backups, at most", "GB-month of backups"]) == 0.56
    # 1,125 days of a request's 600 bytes each.
    log = found["buckets' access log", "GB-month in Standard"]
    assert log.count == pytest.approx(batches / DAYS_PER_MONTH * 1125 * 600 / 2**30)
    # 10 execution environments × 6 connections × 576 lines a day × 130 bytes.
    flows = found["flow log", "GB of logs ingested"]
    assert flows.count == pytest.approx(10 * 6 * 576 * 130 * DAYS_PER_MONTH / 2**30)
    # 2,120 bytes a batch; kept for a year at 15 %.
    logs = found["batches: logs", "GB of logs ingested"]
    assert logs.count == pytest.approx(batches * 2120 / 2**30)
    kept = found["logs kept", "GB-month of logs"]
    assert kept.count == pytest.approx((logs.count + flows.count) * 365 / DAYS_PER_MONTH * 0.15)
    assert dollars(found["custom metrics", "custom metric"]) == 3.90


def test_dev_has_none_of_prod_s_logs() -> None:
    found = usage(DEV)
    for driver in (
        ("flow log", "GB of logs ingested"),
        ("buckets' access log", "GB-month in Standard"),
        ("database backups, at most", "GB-month of backups"),
    ):
        assert found[driver].count == 0


@pytest.mark.parametrize(("invocations", "traces"), [(1800, 1800), (3600, 3600), (7200, 3600 + 180)])
def test_the_first_invocation_of_a_second_is_traced_and_a_twentieth_of_the_others(
    invocations: float, traces: float
) -> None:
    assert traced_of(invocations) == traces
