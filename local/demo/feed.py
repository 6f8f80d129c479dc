"""What `make local` feeds to the pipeline: a real week of a grocer's sales, and bad records in between.

`data/grocery-week.jsonl.gz` has 28,672 updates of 11,353 products, `data/bad-records.jsonl` 98 records that
must be rejected; `data/README.md` says where they are from.
"""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_aiobotocore_kinesis import KinesisClient
    from types_aiobotocore_kinesis.type_defs import PutRecordsRequestEntryTypeDef

WEEK = Path(__file__).parent / "data" / "grocery-week.jsonl.gz"
BAD_RECORDS = Path(__file__).parent / "data" / "bad-records.jsonl"
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
_RECORDS_PER_CALL = 500
_BAD_EVERY = 400
_PAUSE_SECONDS = 0.2
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send; `good` says whether the processor should accept it."""

    partition_key: str
    data: bytes
    good: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the stream took: its identity and its content."""

    shard: str
    sequence_number: str
    record: Outgoing


def read_feed() -> list[Outgoing]:
    """Return the week's updates in order, with a bad record before every 400th; the other bad ones follow."""
    feed = []
    bad = list(_read_bad_records())
    with gzip.open(WEEK) as lines:
        for position, line in enumerate(lines):
            if position % _BAD_EVERY == 0 and bad:
                feed.append(bad.pop(0))
            data = line.rstrip(b"\n")
            feed.append(Outgoing(json.loads(data)["product_id"], data, good=True))
    return feed + bad


async def send(
    kinesis: "KinesisClient", stream_name: str, feed: Sequence[Outgoing]
) -> AsyncIterator[list[Sent]]:
    """Put the records, 500 per call, and put refused ones again; yield what each call took.

    Raises: TimeoutError if the stream keeps refusing some.
    """
    for start in range(0, len(feed), _RECORDS_PER_CALL):
        waiting = list(feed[start : start + _RECORDS_PER_CALL])
        for _ in range(_ATTEMPTS):
            entries: list[PutRecordsRequestEntryTypeDef] = [
                {"PartitionKey": record.partition_key, "Data": record.data} for record in waiting
            ]
            response = await kinesis.put_records(StreamName=stream_name, Records=entries)
            results = list(zip(waiting, response["Records"], strict=True))
            yield [
                Sent(result["ShardId"], result["SequenceNumber"], record)
                for record, result in results
                if "SequenceNumber" in result
            ]
            waiting = [record for record, result in results if "SequenceNumber" not in result]
            if not waiting:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            raise TimeoutError(f"the stream refused {len(waiting)} records {_ATTEMPTS} times")


def _read_bad_records() -> Iterator[Outgoing]:
    for line in BAD_RECORDS.read_text().splitlines():
        bad = json.loads(line)
        data = base64.b64decode(bad["base64"]) if "base64" in bad else bad["text"].encode()
        yield Outgoing(bad.get("partition_key", "bad"), data * bad.get("times", 1), good=False)
