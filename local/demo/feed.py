"""What `make local` sends: a real week of a grocer's sales, and a page of bad records."""

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
_AT_ONCE = 500
_BAD_EVERY = 400
_PAUSE_SECONDS = 0.2
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send; `good`: whether the processor should accept it."""

    partition_key: str
    data: bytes
    good: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """A record as the stream took it: its identity and what it held."""

    shard: str
    sequence_number: str
    record: Outgoing


def read_feed() -> list[Outgoing]:
    """The week's updates in order, with the bad records strewn in."""
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
    """Put the records, 500 at a time, those refused again; yields what each call took.

    Raises: TimeoutError if the stream keeps refusing some.
    """
    for start in range(0, len(feed), _AT_ONCE):
        waiting = list(feed[start : start + _AT_ONCE])
        for _ in range(_ATTEMPTS):
            entries: list[PutRecordsRequestEntryTypeDef] = [
                {"PartitionKey": record.partition_key, "Data": record.data} for record in waiting
            ]
            answer = await kinesis.put_records(StreamName=stream_name, Records=entries)
            results = list(zip(waiting, answer["Records"], strict=True))
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
