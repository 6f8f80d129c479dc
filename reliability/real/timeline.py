"""A timeline as an SVG file: small charts below each other with one axis of time, and what failed shaded."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, _LEFT, _RIGHT = 720, 150, 16
_TOP, _HEIGHT, _GAP = 44, 70, 22
_STYLE = (
    "text{font:12px sans-serif;fill:#333}.title{font-size:15px;font-weight:bold}"
    ".most{fill:#777;text-anchor:end}.name{text-anchor:end}.line{fill:none;stroke:#0b6e4f;stroke-width:1.5}.axis{stroke:#bbb;stroke-width:1}"
    ".fault{fill:#c1502e;fill-opacity:.15}"
)


class Chart(NamedTuple):
    """One chart. `points`: (seconds, value) in order; where there is no value, the line has a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]


def draw(title: str, charts: Sequence[Chart], faults: Sequence[tuple[float, float]]) -> str:
    """Return the picture; `faults`: from when to when something failed, in seconds."""
    end = max(at for chart in charts for at, _ in chart.points)
    height = _TOP + len(charts) * (_HEIGHT + _GAP) + 10

    def x(at: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * at / end, 1)

    bottom = height - _GAP - 10
    parts = [f'<text class="title" x="10" y="22">{escape(title)}</text>']
    parts += [
        f'<path class="fault" d="M{x(begin)} {_TOP}V{bottom}H{x(stop)}V{_TOP}Z"/>' for begin, stop in faults
    ]
    for number, chart in enumerate(charts):
        top = _TOP + number * (_HEIGHT + _GAP)
        parts += _chart(chart, top, [(x(at), value) for at, value in chart.points])
    parts += [
        f'<text x="{x(at)}" y="{bottom + 16}" text-anchor="middle">{at} s</text>'
        for at in range(0, int(end) + 1, _step(end))
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _chart(chart: Chart, top: float, points: Sequence[tuple[float, float | None]]) -> list[str]:
    most = max((value for _, value in points if value is not None), default=0.0)
    bottom = top + _HEIGHT
    lines, line = [], list[str]()
    for x, value in [*points, (0.0, None)]:
        if value is not None:
            line.append(f"{x},{bottom - _HEIGHT * value / (most or 1.0):.1f}")
        elif line:
            lines.append(f'<polyline class="line" points="{" ".join(line)}"/>')
            line = []
    return [
        f'<text class="name" x="{_LEFT - 10}" y="{top + _HEIGHT / 2 + 4}">{escape(chart.name)}</text>',
        f'<text class="most" x="{_LEFT - 10}" y="{top + 10}">{most:,.0f}</text>',
        f'<path class="axis" d="M{_LEFT} {bottom}H{WIDTH - _RIGHT}"/>',
        *lines,
    ]


def _step(end: float) -> int:
    return next((step for step in (5, 10, 20, 60, 300, 600) if end / step <= 12), 1200)
