"""Whatever a function returns, no record is lost, the order is kept, and no checkpoint skips a record."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    FunctionError,
    FunctionNotReachedError,
    MappingSettings,
)
from tests.support.simulated_mapping import SHARD, Call, Simulation, run_until, with_settings
from tests.support.simulated_time import simulate

_KEYS = "abcdef"
_SECOND_SHARD = "shardId-000000000001"

_MALFORMED: list[list[Any]] = [[{"itemIdentifier": ""}], [{"id": "8"}], [None], [{"itemIdentifier": "7"}]]

answers = st.one_of(
    st.just(("succeed", 0)),
    st.just(("error", 0)),
    st.just(("throttle", 0)),
    st.tuples(st.just("from"), st.integers(0, 7)),
    st.tuples(st.just("all from"), st.integers(0, 7)),
    st.tuples(st.just("malformed"), st.integers(0, len(_MALFORMED) - 1)),
)

mapping_settings = st.builds(
    with_settings,
    batch_size=st.integers(1, 6),
    maximum_batching_window_in_seconds=st.sampled_from([0, 0, 3]),
    parallelization_factor=st.integers(1, 4),
    maximum_retry_attempts=st.sampled_from([-1, 0, 1, 3]),
    maximum_record_age_in_seconds=st.sampled_from([-1, 60]),
    bisect_batch_on_function_error=st.booleans(),
    report_batch_item_failures=st.booleans(),
    bisect_reported_batch=st.booleans(),
)


@dataclass
class History:
    """The records' expected state, derived only from the function's responses."""

    simulation: Simulation
    settings: MappingSettings
    answers: list[tuple[str, int]]
    done: set[tuple[str, str]] = field(default_factory=set)
    first_delivered: list[tuple[str, str, str]] = field(default_factory=list)
    mapping: EventSourceMapping | None = None

    def kept(self) -> set[tuple[str, str]]:
        events = [
            json.loads(json.loads(body)["payload"]) for body in self.simulation.failures.objects.values()
        ]
        return {tuple(record["eventID"].split(":")) for event in events for record in event["Records"]}

    def finished(self) -> set[tuple[str, str]]:
        return self.done | self.kept()

    def respond(self, call: Call) -> object:
        """Check what must hold whenever a batch is delivered, then respond to it."""
        identities = [(call.shard_id, number) for number in call.sequence_numbers]
        finished = self.finished()
        self._check_order(call, identities, finished)
        self.check_checkpoints(finished)
        for key, identity in zip(call.keys, identities, strict=True):
            if (key, *identity) not in self.first_delivered:
                self.first_delivered.append((key, *identity))
        return self._answer(call, identities)

    def _check_order(
        self, call: Call, identities: Sequence[tuple[str, str]], finished: set[tuple[str, str]]
    ) -> None:
        """Check that no record is delivered while an earlier one of its partition key is unfinished."""
        for index, (key, identity) in enumerate(zip(call.keys, identities, strict=True)):
            earlier = self.of_key(key)[: self.of_key(key).index(identity)]
            assert set(earlier) <= finished | set(identities[:index])

    def of_key(self, key: str) -> list[tuple[str, str]]:
        """Return the key's records in the order they were put; sequence numbers rise across all shards."""
        records = [
            (shard_id, record.sequence_number)
            for shard_id, stored in self.simulation.stream.stored().items()
            for record in stored
            if record.partition_key == key
        ]
        return sorted(records, key=lambda identity: int(identity[1]))

    def check_checkpoints(self, finished: set[tuple[str, str]]) -> None:
        assert self.mapping is not None
        stored = self.simulation.stream.stored()
        for shard_id, checkpoint in self.mapping.progress.checkpoints.items():
            for record in stored[shard_id]:
                if int(record.sequence_number) <= int(checkpoint):
                    assert (shard_id, record.sequence_number) in finished

    def _answer(self, call: Call, identities: list[tuple[str, str]]) -> object:
        kind, number = self.answers.pop(0) if self.answers else ("succeed", 0)
        if kind == "error":
            raise FunctionError("Unhandled")
        if kind == "throttle":
            raise FunctionNotReachedError("TooManyRequestsException")
        failed: list[Any] = []
        done = len(identities)
        if kind in ("from", "all from"):
            done = min(number, len(identities) - 1)
            named = (
                call.sequence_numbers[done:] if kind == "all from" else call.sequence_numbers[done : done + 1]
            )
            failed = [{"itemIdentifier": name} for name in reversed(named)]
        elif kind == "malformed":
            failed, done = _MALFORMED[number], 0
        if not self.settings.report_batch_item_failures:
            done = len(identities)
        self.done.update(identities[:done])
        return {"batchItemFailures": failed}


@settings(max_examples=150, deadline=None)
@given(
    mapping_settings=mapping_settings,
    keys=st.lists(st.sampled_from(_KEYS), max_size=30),
    answers=st.lists(answers, max_size=25),
    reshard_at=st.one_of(st.none(), st.integers(0, 30)),
    page_size=st.integers(1, 12),
    failing_reads=st.integers(0, 2),
    refused_puts=st.integers(0, 2),
    takes_seconds=st.sampled_from([0.0, 0.7, 20.0]),
)
def test_every_record_is_acknowledged_or_kept_in_order(
    *,
    mapping_settings: MappingSettings,
    keys: list[str],
    answers: list[tuple[str, int]],
    reshard_at: int | None,
    page_size: int,
    failing_reads: int,
    refused_puts: int,
    takes_seconds: float,
) -> None:
    """At least once, in order for each partition key, and no checkpoint beyond an unfinished record.

    Sources: How Lambda processes records from stream and queue-based event sources,
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html;
    Using Lambda with Kinesis, https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """

    async def scenario() -> None:
        simulation = Simulation(shard_count=2)
        simulation.stream.page_size = page_size
        simulation.stream.fail_reads = failing_reads
        simulation.failures.refuse = refused_puts
        simulation.function.takes_seconds = takes_seconds
        history = History(simulation, mapping_settings, list(answers))
        simulation.function.respond = history.respond
        _put(simulation, keys, reshard_at)
        history.mapping = mapping = simulation.mapping(mapping_settings)
        await run_until(mapping, mapping.wait_until_done())

        finished = history.finished()
        everything = {
            (shard_id, record.sequence_number)
            for shard_id, stored in simulation.stream.stored().items()
            for record in stored
        }
        assert finished == everything
        history.check_checkpoints(finished)
        for key in _KEYS:
            numbers = [int(number) for each, _, number in history.first_delivered if each == key]
            assert numbers == sorted(numbers)
        progress = mapping.progress
        assert progress.records_read == len(everything)
        assert progress.records_acknowledged + progress.records_discarded == len(everything)

    simulate(scenario())


def _put(simulation: Simulation, keys: list[str], reshard_at: int | None) -> None:
    """Put one record per key; meanwhile split the first shard, then merge a child with the second shard."""
    shard_of = {key: SHARD if key in "abc" else _SECOND_SHARD for key in _KEYS}
    for index, key in enumerate(keys):
        if index == reshard_at:
            left, right = simulation.stream.split(SHARD)
            shard_of |= {"a": left, "b": right, "c": right}
        if reshard_at is not None and index == reshard_at + 5:
            merged = simulation.stream.merge(right, _SECOND_SHARD)
            shard_of |= dict.fromkeys("bcdef", merged)
        simulation.stream.put(key, shard=shard_of[key])
