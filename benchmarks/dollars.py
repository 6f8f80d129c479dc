"""What a million updates cost by list prices, by batch size and memory, from the times of this run.

Lambda sells CPU with memory: 1,769 MB are one vCPU
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). A core of this machine stands for
one, so that a batch takes its waits, and its CPU time divided by its share. Kinesis: a payload unit for each
record, and a shard for as long as a million records take at its limit of 1,000 a second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from costs.prices import read_prices

_MILLION = 1_000_000
_VCPU_MB = 1_769
_MEMORY_MB = (512, 1_024, 1_769)
_RECORDS_PER_SHARD_HOUR = 3_600_000
_ENGINES = ("ours", "powertools", "reference")
_PUTS_PER_RECORD = frozenset({"reference"})


def dollars(peers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each engine, batch size and memory, from the rows of `peers.compare`."""
    return [
        _row(peer, memory_mb)
        for peer in peers
        if peer["mode"] == "region" and peer["feed"] == "week" and peer["engine"] in _ENGINES
        for memory_mb in _MEMORY_MB
    ]


def _row(peer: Mapping[str, Any], memory_mb: int) -> dict[str, Any]:
    prices = read_prices()
    batches = _MILLION / peer["size"]
    share = min(1.0, memory_mb / _VCPU_MB)
    waits_ms = max(0.0, peer["wall_ms"] - peer["cpu_ms"])
    seconds = (waits_ms + peer["cpu_ms"] / share) / 1000 * batches
    puts = _MILLION if peer["engine"] in _PUTS_PER_RECORD else batches
    parts = {
        "lambda": seconds * memory_mb / 1024 * _of(prices, "lambda", "arm64 GB-second")
        + batches / _MILLION * _of(prices, "lambda", "million requests"),
        "s3": puts / 1_000 * _of(prices, "s3", "1,000 PUT requests"),
        "kinesis": _of(prices, "kinesis", "million PUT payload units")
        + _MILLION / _RECORDS_PER_SHARD_HOUR * _of(prices, "kinesis", "shard-hour"),
    }
    return {
        "engine": peer["engine"],
        "size": peer["size"],
        "memory_mb": memory_mb,
        **{name: round(value, 4) for name, value in parts.items()},
        "total": round(sum(parts.values()), 4),
    }


def _of(prices: Any, section: str, unit: str) -> float:
    return float(prices.of(section, unit).dollars)
