"""The plots of docs/performance.md, as SVG files that need nothing from elsewhere."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

_STYLE = Style(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    colors=("#0b6e4f", "#c1502e", "#b58900", "#3a5a9b", "#8a8a8a"),
    title_font_size=18,
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    guide_stroke_color="#dddddd",
    major_guide_stroke_color="#dddddd",
)
_NAMES = {
    "ours": "ours",
    "bulk": "bulk, no guarantees",
    "bulk_defaults": "bulk, its clients' defaults",
    "powertools": "Powertools",
    "reference": "reference's way",
}


def draw(results: Mapping[str, Any], directory: Path) -> None:
    """Write every plot for which there are results."""
    directory.mkdir(parents=True, exist_ok=True)
    plots = {
        "batch_size.svg": _batch_size(results.get("peers", [])),
        "containers.svg": _containers(results.get("containers", [])),
        "tables.svg": _tables(results.get("tables", [])),
        "dollars.svg": _dollars(results.get("dollars", [])),
    }
    for name, plot in plots.items():
        # By default a random name: the same figures should give the same bytes.
        plot.uuid = name.partition(".")[0]
        # Its comments name the day.
        svg = re.sub("<!--.*?-->", "", plot.render(is_unicode=True), flags=re.DOTALL)
        (directory / name).write_text(f"{svg}\n", encoding="utf-8")


def _batch_size(peers: Sequence[Mapping[str, Any]]) -> Any:
    rows = [row for row in peers if (row["mode"], row["feed"]) == ("region", "week")]
    sizes = sorted({row["size"] for row in rows})
    plot = _plot(pygal.Line, "Time over the same work in bulk, region's latencies", "records in a batch")
    plot.logarithmic = True
    plot.y_labels = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000]
    plot.x_labels = [f"{size:,}" for size in sizes]
    for engine, name in _NAMES.items():
        found = {row["size"]: row["time_over_bulk"]["median"] for row in rows if row["engine"] == engine}
        plot.add(name, [found.get(size) for size in sizes])
    return plot


def _containers(rows: Sequence[Mapping[str, Any]]) -> Any:
    plot = _plot(pygal.XY, "Records a second over those of one process", "concurrent processes")
    for feed, name in (("week", "the week"), ("even:50", "50 hot products")):
        points = [(row["containers"], row["over_one"]["median"]) for row in rows if row["feed"] == feed]
        plot.add(name, points)
    return plot


def _tables(rows: Sequence[Mapping[str, Any]]) -> Any:
    plot = _plot(pygal.Line, "Our time a record over that in the smallest table", "rows in the table")
    plot.show_legend = False
    plot.x_labels = [f"{row['rows']:,}" for row in rows]
    plot.add("ours", [row["over_least"]["median"] for row in rows])
    return plot


def _dollars(rows: Sequence[Mapping[str, Any]]) -> Any:
    rows = [row for row in rows if row["memory_mb"] == 1_024]
    sizes = sorted({row["size"] for row in rows})
    plot = _plot(pygal.Bar, "Dollars a million updates, at 1,024 MB", "records in a batch")
    plot.x_labels = [f"{size:,}" for size in sizes]
    for engine in ("ours", "powertools"):
        found = {row["size"]: row["total"] for row in rows if row["engine"] == engine}
        plot.add(_NAMES[engine], [found.get(size) for size in sizes])
    return plot


def _plot(kind: Any, title: str, x_title: str) -> Any:
    # No script from elsewhere.
    plot = kind(title=title, x_title=x_title, style=_STYLE, js=(), width=720, height=420)
    plot.legend_at_bottom = True
    plot.include_x_axis = True
    plot.pretty_print = True
    return plot
