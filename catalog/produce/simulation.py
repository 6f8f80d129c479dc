"""Updates made up as suppliers send them: a few hot products, busy and quiet hours, and mistakes.

Everything is drawn from one seed, so that the same settings give the same records.
"""

import random
from bisect import bisect
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, chain, islice

from catalog.produce.bad_records import BAD, Fields, encoded
from catalog.produce.outgoing import Outgoing
from costs.load import WEEK_BY_HOUR
from processor.reasons import Reason

_SUPPLIERS = ("acme", "globex", "initech", "umbrella")
_HOURS = len(WEEK_BY_HOUR)
_BURST_EVERY, _BURST_LENGTH, _BURST_RATE = 20, 1, 3.0
_BATCH = 500
# Duplicates are of these; a producer's retry comes soon after the first.
_REPEATABLE = 1_000
_LATE_HOURS = 24.0
# Shares of what an update mentions; the rest mentions stock and price.
_INVENTORY_ALONE, _PRICE_ALONE, _DISCONTINUED = 0.6, 0.15, 0.005
# Few suppliers send records that are too large, and more would only fill the stream.
_RARE = {Reason.TOO_LARGE: 0.05}


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What is simulated: `rate`: records a second on average; `hot`: Zipf's exponent, 0 if none is hot.

    `bad`, `late`, `duplicates`: shares of the records. `steady`: no busy and quiet hours, and no bursts.
    """

    rate: int
    seconds: float
    products: int
    seed: int
    bad: float
    late: float
    duplicates: float
    hot: float
    steady: bool

    @property
    def records(self) -> int:
        """How many records there are in all."""
        return round(self.rate * self.seconds)


def simulated(mix: Mix, begin: datetime) -> Iterator[Outgoing]:
    """Yield the records of a mix, the first at `begin`, each with its number as its line and its due time."""
    chance = random.Random(f"catalog {mix.seed}")  # noqa: S311 not for secrets
    products = _Products(mix, chance)
    recent: deque[tuple[str, bytes]] = deque(maxlen=_REPEATABLE)
    reasons, weights = list(BAD), [_RARE.get(reason, 1.0) for reason in BAD]
    for number, due in enumerate(_due_times(mix, chance), 1):
        if recent and chance.random() < mix.duplicates:
            key, data = recent[chance.randrange(len(recent))]
        else:
            event_time = begin + timedelta(seconds=due)
            if chance.random() < mix.late:
                event_time -= timedelta(hours=chance.expovariate(6 / _LATE_HOURS))
            fields = products.update(event_time)
            key = fields["product_id"]
            if chance.random() < mix.bad:
                (reason,) = chance.choices(reasons, weights)
                data = BAD[reason](fields, chance)
            else:
                data = encoded(fields)
                recent.append((key, data))
        yield Outgoing(number, key, data, due)


async def batches(mix: Mix, begin: datetime, limit: int) -> AsyncIterator[Sequence[Outgoing]]:
    """Yield the first records of a mix in lists."""
    records = islice(simulated(mix, begin), limit)
    while batch := list(islice(records, _BATCH)):
        yield batch


class _Products:
    """The products, the supplier of each, and the next update of one."""

    def __init__(self, mix: Mix, chance: random.Random) -> None:
        self._chance = chance
        weights = (1 / rank**mix.hot for rank in range(1, mix.products + 1))
        self._cumulated = list(accumulate(weights))
        self._ids = [f"sim-{mix.seed}-{number:07d}" for number in range(mix.products)]
        # The hot ones are not neighbours in the table.
        chance.shuffle(self._ids)

    def update(self, event_time: datetime) -> Fields:
        chance = self._chance
        # Zipf's law: https://en.wikipedia.org/wiki/Zipf%27s_law
        position = bisect(self._cumulated, chance.random() * self._cumulated[-1])
        position = min(position, len(self._ids) - 1)
        fields: Fields = {"product_id": self._ids[position]}
        kind = chance.random()
        if kind < _DISCONTINUED:
            fields["discontinued"] = chance.random() < 0.7
        elif kind < _DISCONTINUED + _PRICE_ALONE:
            fields["price"] = self._price()
        elif kind < _DISCONTINUED + _PRICE_ALONE + _INVENTORY_ALONE:
            fields["inventory"] = chance.randrange(500)
        else:
            fields |= {"inventory": chance.randrange(500), "price": self._price()}
        fields["event_time"] = event_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields["supplier"] = _SUPPLIERS[position % len(_SUPPLIERS)]
        return fields

    def _price(self) -> float:
        cents = round(self._chance.lognormvariate(6.5, 1.0))
        # Below 2**53 and with two decimals, JSON has it exactly.
        return cents / 100


def _due_times(mix: Mix, chance: random.Random) -> Iterator[float]:
    """Yield when each record is due, in seconds: as many as the rate says in all, more in busy times.

    The run is a day of the real week of `make local` (its hours), and a supplier's file comes now and then.
    """
    slots = max(1, round(mix.seconds)) if not mix.steady else 1
    length = mix.seconds / slots
    weights = [1.0] * slots
    if not mix.steady:
        busiest = sum(WEEK_BY_HOUR) / _HOURS
        # At least a third of the average, so that a short run has no empty seconds.
        weights = [
            max(WEEK_BY_HOUR[slot * _HOURS // slots] / busiest, 1 / 3) * _burst(slot) for slot in range(slots)
        ]
    total = mix.records
    bounds = [round(total * share / sum(weights)) for share in chain([0.0], accumulate(weights))]
    for slot in range(slots):
        count = bounds[slot + 1] - bounds[slot]
        for number in range(count):
            yield slot * length + (number + chance.random()) / count * length


def _burst(slot: int) -> float:
    return _BURST_RATE if slot % _BURST_EVERY < _BURST_LENGTH and slot else 1.0
