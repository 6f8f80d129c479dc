"""Timelines, and what the soak calls flat."""

import pytest

from reliability.real.load import Sample
from reliability.real.soak import Measure, judged
from reliability.real.timeline import Chart, draw

MEMORY = Measure("memory", lambda sample: sample.memory_bytes, 0.1, 0.0)
PENDING = Measure(
    "pending", lambda sample: sample.database["pending"] if sample.database else None, 0.0, 50.0
)


def samples(*values: int | None) -> list[Sample]:
    """Return samples of one second each; None: the database is away."""
    return [
        Sample(
            at=float(second),
            records=0,
            errors=0,
            lag_seconds=0.0,
            memory_bytes=value or 0,
            descriptors=0,
            database={} if value is None else {"pending": value},
        )
        for second, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("measure", "values", "is_flat"),
    [
        (MEMORY, (100, 101, 100, 101), True),
        (MEMORY, (100, 110, 120, 130), False),
        (MEMORY, (130, 120, 110, 100), True),
        (PENDING, (0, 900, None, 900, 0), True),  # they come and go
        (PENDING, (0, 100, None, 300, 400), False),
    ],
)
def test_what_rises_is_not_flat(measure: Measure, values: tuple[int | None, ...], *, is_flat: bool) -> None:
    assert judged(measure, samples(*values)).holds is is_flat


def test_a_timeline_is_the_same_text_for_the_same_figures_with_gaps_and_shades() -> None:
    chart = Chart("a < b", [(0.0, 0.0), (5.0, 10.0), (10.0, None), (15.0, 5.0), (20.0, 0.0)])
    picture = draw("an outage", [chart], [(5.0, 10.0)])
    assert picture == draw("an outage", [chart], [(5.0, 10.0)])
    assert picture.count("<polyline") == 2
    assert picture.count('class="fault"') == 1
    assert "a &lt; b" in picture
