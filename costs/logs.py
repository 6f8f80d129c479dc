"""How much is logged, and what that costs."""

from costs.driver import Driver
from costs.prices import BYTES_PER_GB, DAYS_PER_MONTH, HOURS_PER_MONTH, Prices
from stacks.config.environments import Environment

DRAINS_PER_MONTH = 60 * HOURS_PER_MONTH

BATCH_BYTES = 1_630
"""The processor's log line and metrics of a batch; tests/costs/test_measured.py measures both."""
DRAIN_BYTES = 630
"""The same per drain."""
# What Lambda adds: START, END and REPORT.
_LAMBDA_BYTES = 360
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html: 26 bytes per event.
_EVENT_BYTES = 26
_EVENTS = 5
# What CloudWatch keeps it compresses first, to this share in the examples of its pricing page.
_COMPRESSED = 0.15
_GROUPS = ("aws_cloudwatch_log_group",)


def batch_log_bytes() -> int:
    """Return the bytes that CloudWatch bills for one batch."""
    return BATCH_BYTES + _LAMBDA_BYTES + _EVENTS * _EVENT_BYTES


def drain_log_bytes() -> int:
    """Return the bytes that CloudWatch bills for one drain."""
    return DRAIN_BYTES + _LAMBDA_BYTES + _EVENTS * _EVENT_BYTES


def ingestion(name: str, bytes_per_month: float, prices: Prices, *kinds: str) -> Driver:
    """Return the driver of what is written to CloudWatch Logs."""
    return Driver(
        name=name,
        count=bytes_per_month / BYTES_PER_GB,
        price=prices.of("cloudwatch", "GB of logs ingested"),
        kinds=(*_GROUPS, *kinds),
    )


def storage(name: str, bytes_per_month: float, environment: Environment, prices: Prices) -> Driver:
    """Return the driver of what CloudWatch Logs keeps, once the first of it expires."""
    months = environment.logs.retention_days / DAYS_PER_MONTH
    return Driver(
        name=name,
        count=bytes_per_month / BYTES_PER_GB * months * _COMPRESSED,
        price=prices.of("cloudwatch", "GB-month of logs"),
        kinds=_GROUPS,
    )
