"""Reading objects that are cut off on their way, deleted meanwhile, or larger than any of ours."""

import gzip
import hashlib
from typing import Any

import aiohttp
import pytest

from catalog.errors import UnreachableError
from catalog.objects import LARGEST_UNPACKED_BYTES, READ_TRIES, read_objects
from catalog.replay.sources import BucketSource
from processor.errors import DamagedObjectError
from tests.catalog.conftest import Catalog
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import Services, objects

KEY = "inventory/dt=2026-01-31/shard/1-2-a.ndjson.gz"
LINE = b"a line\n"


class Body:
    """An answer's body; cut off, if it is None."""

    def __init__(self, content: bytes | None) -> None:
        self._content = content

    async def read(self) -> bytes:
        if self._content is None:
            raise aiohttp.ClientPayloadError("not all of it came")
        return self._content

    async def iter_chunks(self, _: int) -> Any:
        yield await self.read()


class Client:
    """S3's client, whose first answers are cut off."""

    class exceptions:  # noqa: N801 as in botocore
        class NoSuchKey(Exception):  # noqa: N818
            """There is no such object."""

    def __init__(self, body: bytes, *, cut_off: int) -> None:
        self._bodies: list[bytes | None] = [*[None] * cut_off, body]

    async def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": Body(self._bodies.pop(0))}


async def read(client: Client) -> list[tuple[str, bytes]]:
    return [found async for found in read_objects(client, "bucket", [KEY])]


async def test_what_is_cut_off_is_read_again() -> None:
    body = gzip.compress(LINE)
    assert await read(Client(body, cut_off=READ_TRIES - 1)) == [(KEY, LINE)]
    with pytest.raises(UnreachableError, match="was cut off 3 times on its way"):
        await read(Client(body, cut_off=READ_TRIES))


async def test_what_is_not_what_its_name_says_is_damaged() -> None:
    key = KEY.replace("-a.", "-aaaaaaaaaaaa.")
    told = list[tuple[str, str]]()
    client = Client(gzip.compress(LINE), cut_off=0)
    reading = read_objects(client, "bucket", [key], on_damage=lambda *one: told.append(one))
    assert [one async for one in reading] == []
    digest = hashlib.sha256(LINE).hexdigest()[:12]
    assert told == [(key, f"its content's hash begins with {digest}; its name says aaaaaaaaaaaa")]


async def test_a_replay_reads_again_what_is_cut_off() -> None:
    client: Any = Client(gzip.compress(LINE), cut_off=READ_TRIES - 1)
    assert [lines async for lines in BucketSource(client, "bucket").lines(KEY)] == [[LINE[:-1]]]


async def test_what_was_deleted_meanwhile_is_left_out(services: Services) -> None:
    account, told = services.account, list[tuple[str, str]]()
    s3: Any = account.s3
    found = [one async for one in read_objects(s3, account.archive_bucket, ["gone"])]
    assert found == []
    reading = read_objects(s3, account.archive_bucket, ["gone"], on_damage=lambda *one: told.append(one))
    assert [one async for one in reading] == []
    assert told == [("gone", "it was deleted after it was listed")]
    with pytest.raises(DamagedObjectError, match="it was deleted after it was listed"):
        _ = [lines async for lines in BucketSource(s3, account.archive_bucket).lines("gone")]


async def test_a_small_object_that_becomes_a_large_one(services: Services, catalog: Catalog) -> None:
    await services.invoke(kinesis_event(kinesis_record({"product_id": "a", "price": 1})))
    account = services.account
    ((key, _),) = await objects(account, account.archive_bucket)
    bomb = gzip.compress(b"\0" * (LARGEST_UNPACKED_BYTES + 1))
    await account.s3.put_object(Bucket=account.archive_bucket, Key=key, Body=bomb)
    result = await catalog("explain", "a")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"damaged: {key}: it unpacks to more than 67,108,864 bytes")
