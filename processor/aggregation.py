"""The Kinesis Producer Library's aggregated record format: magic, protocol buffer, MD5.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
AWS's own Python module for it changes `sys.path` on import and needs an undeclared package (ADR 0003),
so the message is described here to the protobuf library; tests compare it with that module's encoder.
"""

import hashlib
from functools import cache
from typing import Any

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16
# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html
_MAX_KEY_CHARACTERS = 256
# As many of the smallest valid update as fit into 1 MiB, a stream's largest record. An aggregate of empty
# records could hold over five times as many, each with a line in archive and quarantine.
_MAX_BYTES = 1024 * 1024
_SMALLEST_UPDATE_BYTES = len(b'{"product_id":"p","price":0}')
# Around each: a tag and a length, the partition key's tag and index, the data's tag and length.
_AROUND_BYTES = 6
# 30,839: (1,048,576 - 4 - 16) // (28 + 6); the table of partition keys fits into what is left.
_MAX_RECORDS = (_MAX_BYTES - len(MAGIC) - _DIGEST_BYTES) // (_SMALLEST_UPDATE_BYTES + _AROUND_BYTES)


class AggregateError(ValueError):
    """The bytes begin like an aggregated record but do not hold one."""


def unpack(data: bytes) -> list[tuple[str, bytes]]:
    """Return (partition key, data) of each user record, in order; `data` begins with `MAGIC`.

    Raises:
        AggregateError: the digest does not match, the message cannot be read, an index is outside its
            table, or there is no record inside.
    """
    body, digest = data[len(MAGIC) : -_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(data) < len(MAGIC) + _DIGEST_BYTES:
        raise AggregateError("it ends before its MD5")
    if hashlib.md5(body, usedforsecurity=False).digest() != digest:
        raise AggregateError("its MD5 does not match its content")
    from google.protobuf.message import DecodeError  # see `_message_class`

    try:
        message = _message_class().FromString(body)
        keys = list(message.partition_key_table)
        _refuse_excess(keys, len(message.records))
        unpacked = [(keys[record.partition_key_index], record.data) for record in message.records]
    except (DecodeError, UnicodeDecodeError) as error:
        raise AggregateError(f"its content is not an aggregated record: {error}") from error
    except IndexError as error:
        raise AggregateError("a record points outside the partition key table") from error
    # The library accepts a missing required field, and returns bytes for a text that is not UTF-8.
    if not (message.IsInitialized() and all(isinstance(key, str) for key in keys)):
        raise AggregateError("its content is not an aggregated record: a field is missing or is not text")
    if not unpacked:
        raise AggregateError("it holds no record")
    return unpacked


def _refuse_excess(keys: list[str], records: int) -> None:
    if any(len(key) > _MAX_KEY_CHARACTERS for key in keys):
        raise AggregateError(f"a partition key has more than {_MAX_KEY_CHARACTERS} characters")
    if records > _MAX_RECORDS:
        raise AggregateError(f"it holds {records} records; at most {_MAX_RECORDS} are accepted")


@cache
def _message_class() -> Any:
    # Most functions never see an aggregate, and importing protobuf takes a tenth of a cold start.
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="product_catalog/aggregated_record.proto", package="product_catalog", syntax="proto2"
    )
    record = file.message_type.add(name="Record")
    record.field.add(name="partition_key_index", number=1, type=field.TYPE_UINT64, label=field.LABEL_REQUIRED)
    record.field.add(
        name="explicit_hash_key_index", number=2, type=field.TYPE_UINT64, label=field.LABEL_OPTIONAL
    )
    record.field.add(name="data", number=3, type=field.TYPE_BYTES, label=field.LABEL_REQUIRED)
    aggregated = file.message_type.add(name="AggregatedRecord")
    aggregated.field.add(
        name="partition_key_table", number=1, type=field.TYPE_STRING, label=field.LABEL_REPEATED
    )
    aggregated.field.add(
        name="explicit_hash_key_table", number=2, type=field.TYPE_STRING, label=field.LABEL_REPEATED
    )
    aggregated.field.add(
        name="records",
        number=3,
        type=field.TYPE_MESSAGE,
        type_name=".product_catalog.Record",
        label=field.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("product_catalog.AggregatedRecord"))
