"""moto's server with Kinesis resharding as AWS does it; run it as a program with moto's arguments.

moto 5.2 routes new records to closed parents, renumbers a parent's records when it is split, copies them into
the child of a merge (so that they are read twice), and never ends a closed shard. AWS closes parents to new
records, leaves their records in place, and ends a closed shard with a null NextShardIterator
(https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html).
"""

import hashlib
import sys
from collections import OrderedDict
from typing import Any

from moto.kinesis import models
from moto.kinesis.utils import decompose_shard_iterator
from moto.server import main

_split, _merge = models.Stream.split_shard, models.Stream.merge_shards
_get_records = models.KinesisBackend.get_records


def _shard_for_key(stream: Any, partition_key: str, explicit_hash_key: str) -> Any:
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).hexdigest()
    hash_key = int(explicit_hash_key) if explicit_hash_key else int(digest, 16)
    return next(
        shard
        for shard in stream.shards.values()
        if shard.is_open and shard.starting_hash <= hash_key <= shard.ending_hash
    )


def _split_in_place(stream: Any, shard_id: str, hash_key: str) -> None:
    records, stream.shards[shard_id].records = stream.shards[shard_id].records, OrderedDict()
    _split(stream, shard_id, hash_key)
    stream.shards[shard_id].records = records


def _merge_in_place(stream: Any, *shard_ids: str) -> None:
    records = {shard_id: stream.shards[shard_id].records for shard_id in shard_ids}
    for shard_id in shard_ids:
        stream.shards[shard_id].records = OrderedDict()
    _merge(stream, *shard_ids)
    for shard_id in shard_ids:
        stream.shards[shard_id].records = records[shard_id]


def _get_records_until_the_end(
    backend: Any,
    stream_arn: str | None,
    shard_iterator: str,
    limit: int | None,
) -> tuple[str | None, list[Any], int]:
    following, records, behind = _get_records(backend, stream_arn, shard_iterator, limit)
    stream_name, shard_id, read = decompose_shard_iterator(following)
    shard = backend.describe_stream(stream_arn=stream_arn, stream_name=stream_name).get_shard(shard_id)
    ended = not shard.is_open and int(read) >= shard.get_max_sequence_number()
    return None if ended else following, records, behind


_CORRECTIONS: list[tuple[type, str, Any]] = [
    (models.Stream, "get_shard_for_key", _shard_for_key),
    (models.Stream, "split_shard", _split_in_place),
    (models.Stream, "merge_shards", _merge_in_place),
    (models.KinesisBackend, "get_records", _get_records_until_the_end),
]

if __name__ == "__main__":
    for owner, name, corrected in _CORRECTIONS:
        setattr(owner, name, corrected)
    main(sys.argv[1:])
