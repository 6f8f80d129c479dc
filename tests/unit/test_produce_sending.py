"""Sending: what Kinesis refuses is sent again, and a product's last record is the last."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from catalog.produce.outgoing import NO_KEY, Outgoing
from catalog.produce.sending import CALL_BYTES, CALL_RECORDS, RefusedError, Sender, paced, sort_out


class Stream:
    """A stream that refuses and reorders by a script: for each call, the positions it refuses."""

    def __init__(self, refused: Sequence[set[int]] = (), *, always: bool = False) -> None:
        self.refused = list(refused)
        self.always = always
        self.taken: list[tuple[str, bytes]] = []
        self.calls: list[int] = []

    async def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 as botocore
        del StreamName
        refused = self.refused.pop(0) if self.refused else set()
        self.calls.append(len(Records))
        results = []
        for position, record in enumerate(Records):
            if self.always or position in refused:
                results.append(
                    {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow"}
                )
            else:
                self.taken.append((record["PartitionKey"], record["Data"]))
                results.append({"ShardId": "s", "SequenceNumber": str(len(self.taken))})
        return {"Records": results}


class World:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


async def batches(*lists: Sequence[Outgoing]) -> AsyncIterator[Sequence[Outgoing]]:
    for each in lists:
        yield each


async def send(stream: Stream, world: World, records: AsyncIterator[Sequence[Outgoing]]) -> Sender:
    sender = Sender(
        kinesis=stream, stream_name="s", pause=world.pause, clock=lambda: world.now, chance=lambda: 1.0
    )
    async for _ in sender.send(records):
        pass
    return sender


def records_of(text: str) -> list[Outgoing]:
    """Return a record for each word such as a1: its product and its content."""
    return [Outgoing(line, word[0], word.encode()) for line, word in enumerate(text.split(), 1)]


async def test_what_is_refused_is_sent_again_with_what_follows_of_its_product() -> None:
    stream, world = Stream([{0}]), World()
    sender = await send(stream, world, batches(records_of("a1 b1 a2 b2"), records_of("a3")))
    last = dict(stream.taken)
    assert last == {"a": b"a3", "b": b"b2"}
    assert [data for key, data in stream.taken if key == "a"] == [b"a2", b"a1", b"a2", b"a3"]
    assert (sender.sent, sender.sent_again) == (5, 2)
    assert world.pauses == [pytest.approx(0.2)]


async def test_pauses_grow_and_end() -> None:
    world = World()
    with pytest.raises(RefusedError, match="refused the same records 30 times: slow"):
        await send(Stream(always=True), world, batches(records_of("a1")))
    assert world.pauses[:4] == [pytest.approx(seconds) for seconds in (0.2, 0.4, 0.8, 1.6)]
    assert max(world.pauses) == 5.0


def test_order_that_a_call_changed_is_mended() -> None:
    records = records_of("a1 a2 b1")
    results = [{"ShardId": "s", "SequenceNumber": number} for number in ("10", "9", "8")]
    done, again = sort_out(records, results)
    assert ([each.line for each in done], [each.line for each in again]) == ([1, 3], [2])


def test_records_without_a_product_have_no_order() -> None:
    records = [Outgoing(line, NO_KEY, b"x") for line in (1, 2, 3)]
    results: list[dict[str, str]] = [
        {"ShardId": "s", "SequenceNumber": "9"},
        {"ErrorCode": "x"},
        {"ShardId": "s", "SequenceNumber": "8"},
    ]
    done, again = sort_out(records, results)
    assert ([each.line for each in done], [each.line for each in again]) == ([1, 3], [2])


async def test_calls_obey_kinesis_s_limits() -> None:
    small, large = Stream(), Stream()
    await send(small, World(), batches([Outgoing(line, "k", b"x") for line in range(1, 1_202)]))
    assert small.calls == [CALL_RECORDS, CALL_RECORDS, 201]
    megabyte = b"x" * (1024 * 1024 - 1)
    await send(large, World(), batches([Outgoing(line, "k", megabyte) for line in range(1, 8)]))
    assert large.calls == [CALL_BYTES // 1024 // 1024, 2]


async def test_a_rate_is_kept() -> None:
    world, stream = World(), Stream()
    await send(stream, world, paced(batches(records_of("a1 a2 a3 a4 a5"), records_of("b1")), 10))
    assert world.now == pytest.approx(0.5)
    assert [data for _, data in stream.taken] == [b"a1", b"a2", b"a3", b"a4", b"a5", b"b1"]


async def test_a_pipe_that_becomes_silent_does_not_keep_records_back() -> None:
    stream = Stream()
    seen = []

    async def silent() -> AsyncIterator[Sequence[Outgoing]]:
        yield records_of("a1")
        seen.append(list(stream.taken))

    await send(stream, World(), silent())
    assert seen == [[("a", b"a1")]]
