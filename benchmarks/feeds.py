"""What the engines process: a grocer's real week, and synthetic feeds, as the events that Lambda delivers.

Feeds are endless: the week begins again a week later, with new sequence numbers, so that no update is a
duplicate. Every record is a function of its feed and its position alone.

- `week`: `local/demo/data/grocery-week.jsonl.gz`, 28,672 updates of 11,353 products.
- `hot:<products>`: four in five updates are of the first fiftieth of the products.
- `even:<products>`: every product is as likely.
"""

import base64
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from local.demo.feed import WEEK

_FIRST_SEQUENCE_NUMBER = 49590338271490256608559692538361571095921575989136588898
_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
_BLOCK = 1_000
_HOT_SHARE = 0.8
_HOT_PART = 50
_UPDATES_PER_SECOND = 1_000


@dataclass(frozen=True)
class Feed:
    """A feed by its name; records of different shards have different identities."""

    name: str
    shard: int = 0

    def event(self, first: int, count: int) -> dict[str, Any]:
        """Return the event with the `count` records from position `first`.

        https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html, Example event
        """
        return {"Records": [self._record(position) for position in range(first, first + count)]}

    def _record(self, position: int) -> dict[str, Any]:
        product_id, data, event_time = self._update(position)
        shard = f"shardId-{self.shard:012d}"
        sequence_number = str(_FIRST_SEQUENCE_NUMBER + position)
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": product_id,
                "sequenceNumber": sequence_number,
                "data": base64.b64encode(data).decode(),
                "approximateArrivalTimestamp": event_time.timestamp() + 1,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard}:{sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/inventory-processor",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/inventory-updates",
        }

    def _update(self, position: int) -> tuple[str, bytes, datetime]:
        """Return the product, the record's bytes and the event time of the update at a position."""
        if self.name == "week":
            lap, place = divmod(position, len(_week()))
            members = dict(_week()[place])
            event_time = datetime.fromisoformat(members["event_time"]) + timedelta(weeks=lap)
        else:
            product, inventory, cents = _block(self.name, position // _BLOCK)[position % _BLOCK]
            members = {"product_id": product_id(product), "inventory": inventory, "price": cents / 100}
            event_time = _BEGIN + timedelta(seconds=position / _UPDATES_PER_SECOND)
        members["event_time"] = f"{event_time:%Y-%m-%dT%H:%M:%S.%f}Z"
        return members["product_id"], json.dumps(members, separators=(",", ":")).encode(), event_time


def product_id(number: int) -> str:
    """Return the id of a synthetic feed's product."""
    return f"P{number:08d}"


@lru_cache(maxsize=1)
def _week() -> Sequence[dict[str, Any]]:
    with gzip.open(WEEK) as lines:
        return [json.loads(line) for line in lines]


@lru_cache(maxsize=64)
def _block(name: str, block: int) -> Sequence[tuple[int, int, int]]:
    """Return product, inventory and price in cents of a thousand updates of a synthetic feed."""
    kind, _, size = name.partition(":")
    products = int(size)
    chance = random.Random(f"{name} {block}")
    updates = []
    for _ in range(_BLOCK):
        is_hot = kind == "hot" and chance.random() < _HOT_SHARE
        among = max(1, products // _HOT_PART) if is_hot else products
        updates.append((chance.randrange(among), chance.randrange(1_000), chance.randrange(100_000)))
    return updates
