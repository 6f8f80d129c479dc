"""A plot of where one database ends: how long an update takes to be in the catalog, by rate and class."""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from catalog.capacity.simulation import Simulated
from catalog.errors import UsageError


def draw(points: Sequence[Simulated], path: Path) -> None:
    """Write the plot as SVG, which needs nothing from elsewhere. Raises: UsageError."""
    import pygal  # slow to import

    plot = pygal.XY(
        title="Seconds from an update's arrival to its commit (99 of 100), one database, simulated",
        x_title="updates a second",
        js=(),
        width=860,
        height=480,
        logarithmic=True,
        legend_at_bottom=True,
    )
    # Else a random name: the same figures give the same bytes.
    plot.uuid = "capacity"
    for instance_class, found in groupby(points, key=lambda point: point.instance_class):
        plot.add(instance_class, [(point.rate, point.p99_seconds) for point in found])
    # Its comments name the day.
    svg = re.sub("<!--.*?-->", "", plot.render(is_unicode=True), flags=re.DOTALL)
    try:
        path.write_text(f"{svg}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
