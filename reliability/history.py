"""A history as plain data: what is sent, what fails and when, and what operators do; drawn from a seed."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from reliability.aggregates import aggregate
from reliability.simulated.world import BEGINNING

T = TypeVar("T")

PRODUCTS = ("apple", "birne", "çam", "d 4")
POISON = "poison"
# The table has one more CHECK than the processor knows: an operator's mistake.
REFUSED_INVENTORY = 666
_SENDING_SECONDS = 8.0
# A record that comes alone after ten minutes is a suspect.
_OLD_SECONDS = 660.0
# One row fits into half of an invocation, and all products do not.
_SLOW_ROW_SECONDS = 4.0
_FIRST_STEPS = 150
_STEPS_PER_RECORD = 60

# Faults by what they do, and for how many seconds at most.
FAULTS: dict[str, float] = {
    "kill": 0,
    "kill and vanish": 0,
    "freeze": 20,
    "freeze past the timeout": 60,
    "recycle": 0,
    **{
        f"{host}: {what}": seconds
        for host in ("postgres", "valkey", "aws")
        for what, seconds in {
            "refuses": 30,
            "black hole to it": 60,
            "black hole from it": 60,
            "black hole": 60,
            "slow": 20,
            "no name": 8,
            "flaps": 10,
            "connection cut": 0,
            "cut after delivery": 0,
            "connection vanishes": 0,
            "answers vanish": 0,
        }.items()
    },
    "postgres: crash": 20,
    "postgres: crash after a commit": 3,
    "postgres: read-only": 6,
    "postgres: too many connections": 6,
    "postgres: password rotated": 2,
    "postgres: deadlock": 0,
    "postgres: serialization failure": 0,
    "postgres: statement timeout": 0,
    "postgres: shut down": 0,
    "postgres: statement lost": 0,
    "postgres: result type changed": 0,
    "postgres: rows locked": 60,
    "postgres: slow rows": 15,
    "valkey: failover": 2,
    "valkey: restart": 1,
    "valkey: eviction": 0,
    "valkey: password rotated": 2,
    "s3: 500": 8,
    "s3: 503": 8,
    "s3: 409": 4,
    "s3: slow": 10,
    "s3: answers lost": 8,
    "secrets: throttled": 6,
    "secrets: slow": 6,
    "mapping restarts": 0,
}
# What only one of the worlds can do.
ONLY_SIMULATED = frozenset(
    {
        "kill and vanish",  # its servers never hear of the end of a process
        "postgres: no name",  # names are looked up by the system
        "valkey: no name",
        "aws: no name",
        "postgres: statement lost",  # a pooler's
        "postgres: result type changed",
    }
)
ONLY_REAL: dict[str, float] = {
    "delivered twice": 0,
    "delivered again": 0,
    "postgres: stopped": 20,
    "postgres: backend terminated": 0,
    "valkey: crash": 20,
    "valkey: stopped": 20,
    "valkey: flushed": 0,
    "valkey: full": 8,
    "s3: 412": 8,
    "s3: cut": 8,
    "secrets: 500": 6,
}
REAL_FAULTS = {kind: FAULTS[kind] for kind in FAULTS.keys() - ONLY_SIMULATED} | ONLY_REAL
ACTS = ("split", "redrive failed batches", "redrive quarantined", "replay")


@dataclass(frozen=True, slots=True)
class Put:
    """One put on the stream: a record, or an aggregate of several; `at` is in seconds."""

    at: float
    key: str
    contents: tuple[bytes, ...]
    is_aggregate: bool = False

    @property
    def data(self) -> bytes:
        """The bytes that are put."""
        if not self.is_aggregate:
            return self.contents[0]
        return aggregate([self.key.encode()], [(0, content) for content in self.contents])


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that fails when so many steps are done; `pick` chooses what, where there is a choice."""

    step: int
    kind: str
    seconds: float
    pick: float

    def picked(self, items: Sequence[T]) -> T:
        """Return the item that is hit."""
        return items[int(self.pick * len(items))]

    @property
    def where_and_what(self) -> tuple[str, str]:
        """The server's name, or nothing, and an identifier of what happens to it."""
        where, _, what = self.kind.rpartition(": ")
        return where, identifier(what)


@dataclass(frozen=True, slots=True)
class Act:
    """What an operator does, at a time in seconds."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that is decided before a run.

    `age_seconds`: how long records have waited in the stream, as after an outage; `cache_is_out`: there is no
    cache until all updates are done; `row_seconds`: how long the database takes for a row.
    """

    seed: int
    shards: int
    batch_size: int
    parallelization: int
    retries: int
    concurrency: int
    readers: int
    age_seconds: float
    cache_is_out: bool
    row_seconds: float
    puts: tuple[Put, ...]
    faults: tuple[Fault, ...]
    acts: tuple[Act, ...]

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}: {self.shards} shards, {self.parallelization} batches at a time of up to "
            f"{self.batch_size} records, {self.retries} retries, up to {self.concurrency} processes, "
            f"{self.readers} readers, records {self.age_seconds:.0f} s old"
            f"{', no cache' if self.cache_is_out else ''}"
            f"{f', {self.row_seconds} s per row' if self.row_seconds else ''}"
        )
        puts = [f"  at {put.at:.3f} s {put.key}: {', '.join(map(repr, put.contents))}" for put in self.puts]
        faults = [
            f"  at step {one.step} {one.kind}, {one.seconds:.2f} s ({one.pick:.3f})" for one in self.faults
        ]
        acts = [f"  at {act.at:.3f} s {act.kind}" for act in self.acts]
        return "\n".join([head, *puts, *faults, *acts])


def identifier(text: str) -> str:
    """Return the kind of a fault, or a part of it, as a name in Python."""
    return text.replace(": ", "_").replace(" ", "_").replace("-", "_")


def draw(seed: int, faults: Mapping[str, float] = FAULTS, beginning: datetime = BEGINNING) -> History:
    """Draw a history in which these faults may happen, and which begins then."""
    chance = random.Random(seed)
    count = chance.choice((3, 8, 15, 25))
    age_seconds = chance.choice((0.0, 0.0, 0.0, 0.0, _OLD_SECONDS))
    puts = tuple(sorted((_put(chance, age_seconds, beginning) for _ in range(count)), key=lambda put: put.at))
    puts = (*_first_puts(age_seconds, beginning), *puts)
    has_poison = any(POISON.encode() in put.data for put in puts)
    kinds = chance.sample(sorted(faults), chance.choice((1, 2, 4, 6)))
    happening = tuple(
        _fault(chance, chance.choice(kinds), faults, _FIRST_STEPS + count * _STEPS_PER_RECORD)
        for _ in range(chance.choice((0, 2, 4, 8, 12)))
    )
    acts = tuple(
        Act(chance.uniform(0, 2 * _SENDING_SECONDS), chance.choice(ACTS))
        for _ in range(chance.choice((0, 0, 1, 2)))
    )
    return History(
        seed=seed,
        shards=chance.choice((1, 1, 2)),
        batch_size=chance.choice((1, 3, 10, 100)),
        parallelization=chance.choice((1, 1, 2)),
        retries=-1 if has_poison else chance.choice((-1, -1, 2)),
        concurrency=chance.choice((2, 4, 8)),
        readers=chance.choice((1, 1, 2, 3)),
        age_seconds=age_seconds,
        cache_is_out=chance.random() < 0.05,
        row_seconds=_SLOW_ROW_SECONDS if chance.random() < 0.05 else 0.0,
        puts=puts,
        faults=happening,
        acts=acts,
    )


def smaller(history: History) -> Iterator[History]:
    """Yield histories that are a little smaller: half of a part, then without one of its items."""
    for name in ("faults", "acts", "puts"):
        items = getattr(history, name)
        size = len(items)
        while size >= 1:
            for start in range(0, len(items), size):
                yield replace(history, **{name: items[:start] + items[start + size :]})
            size //= 2
    if history.readers:
        yield replace(history, readers=history.readers - 1)
    if history.shards > 1:
        yield replace(history, shards=1)


def _fault(chance: random.Random, kind: str, faults: Mapping[str, float], steps: int) -> Fault:
    return Fault(chance.randrange(steps), kind, chance.random() * faults[kind], chance.random())


def _first_puts(age_seconds: float, beginning: datetime) -> list[Put]:
    """Return an update of each product, so that the shop has something to cache before anything happens."""
    at = _rfc3339(beginning - timedelta(seconds=age_seconds + 10_000))
    updates = [{"product_id": product, "inventory": 1, "event_time": at} for product in PRODUCTS]
    return [
        Put(0.0, product, (json.dumps(update).encode(),))
        for product, update in zip(PRODUCTS, updates, strict=True)
    ]


def _put(chance: random.Random, age_seconds: float, beginning: datetime) -> Put:
    at = chance.choice((2.0, 3.0, chance.uniform(2, _SENDING_SECONDS))) + chance.random() / 10
    key = chance.choice(PRODUCTS)
    if chance.random() < 0.1:
        return Put(
            at,
            key,
            tuple(_content(chance, at - age_seconds, beginning) for _ in range(chance.randint(1, 4))),
            is_aggregate=True,
        )
    return Put(at, key, (_content(chance, at - age_seconds, beginning),))


def _content(chance: random.Random, at: float, beginning: datetime) -> bytes:
    kind = chance.random()
    if kind < 0.08:
        return chance.choice(
            (
                b"no JSON",
                b"\xff\xfe{",
                b'{"inventory":1}',
                b'{"product_id":"apple","inventory":-1}',
                b"[]",
                b"{}",
            )
        )
    update: dict[str, Any] = {"product_id": chance.choice(PRODUCTS)}
    if kind < 0.12:
        update |= {"inventory": REFUSED_INVENTORY}
    elif kind < 0.122:
        update |= {"product_id": POISON, "inventory": 1}
    else:
        if chance.random() < 0.7:
            update["inventory"] = chance.choice((0, chance.randrange(1, 500), chance.randrange(1_000, 9_999)))
        if chance.random() < 0.4:
            update["price"] = chance.choice((0, 19.99, "7.5", chance.randrange(1, 999)))
        if chance.random() < 0.2 or len(update) == 1:
            update["discontinued"] = chance.random() < 0.5
    if chance.random() < 0.9:
        seconds = chance.choice((-7200.0, -3600.0, at, at, at - chance.random() * 9, at + 200))
        update["event_time"] = _rfc3339(beginning + timedelta(seconds=seconds))
    return json.dumps(update, ensure_ascii=chance.random() < 0.5).encode()


def _rfc3339(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
