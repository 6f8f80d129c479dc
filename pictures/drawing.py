"""The architecture as SVG: boxes in columns and rows, arrows around them, light or dark as the screen is."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from pictures.arrows import Arrow, arrows
from pictures.boxes import Box, boxes
from pictures.labels import Area, place_labels
from pictures.places import Place
from pictures.routes import Cells, Grid, Point
from pictures.terraform import Body, Resources

# In cells of the grid.
_CELL = 10
_BOX = (19, 8)
_GAP = (12, 7)
_MARGIN = (3, 2)

_CAPTION = "The pipeline as prod-stack deploys it: who acts on what"
_STYLE = Path(__file__).with_name("architecture.css")


def draw(document: Body, smaller: Body) -> str:
    """Return the picture of a synthesized stack with readable ids; what a smaller stack lacks is dashed.

    Raises:
        PictureError: a resource has no place in the picture.
    """
    resources = Resources(document)
    found = boxes(resources, Resources(smaller))
    cells = {place: _cells(place) for place in found}
    width = max(cell.right for cell in cells.values()) + _MARGIN[0]
    height = max(cell.bottom for cell in cells.values()) + 6
    grid = Grid(width=width, height=height, boxes=list(cells.values()))
    found_arrows = arrows(resources, found)
    ways = [_pixels(grid.route(cells[arrow.source], cells[arrow.target])) for arrow in found_arrows]
    texts = [arrow.label for arrow in found_arrows]
    inside = _around([cells[place] for place, box in found.items() if box.is_in_vpc])
    areas = place_labels(texts, ways, [_area(cell) for cell in [*cells.values(), _title_of(inside)]])
    drawn = list(zip(found_arrows, ways, areas, strict=True))
    parts = [
        _frame(resources, inside),
        # The road last: it lies over the others.
        *(_line(arrow, way) for arrow, way, _ in sorted(drawn, key=lambda item: item[0].is_road)),
        *(_box(box, cells[place]) for place, box in found.items()),
        *(_label(arrow.label, area) for arrow, _, area in drawn if arrow.label),
        _legend((height - 3) * _CELL),
    ]
    size = f'width="{width * _CELL}" height="{height * _CELL}" viewBox="0 0 {width * _CELL} {height * _CELL}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_CAPTION}">',
            f"<style>\n{_STYLE.read_text()}</style>",
            f"<defs>{_head('head')}{_head('roadhead')}</defs>",
            f'<rect class="ground" width="{width * _CELL}" height="{height * _CELL}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _cells(place: Place) -> Cells:
    left = _MARGIN[0] + place.column * (_BOX[0] + _GAP[0])
    top = _MARGIN[1] + place.row * (_BOX[1] + _GAP[1])
    return Cells(left=left, top=top, right=left + _BOX[0], bottom=top + _BOX[1])


def _box(box: Box, cells: Cells) -> str:
    kind = "person" if box.place.is_person else "vpc" if box.is_in_vpc else "box"
    extra = " extra" if box.is_extra else ""
    x, y = cells.left * _CELL, cells.top * _CELL
    width, height = _BOX[0] * _CELL, _BOX[1] * _CELL
    middle = y + height / 2 - 8 * len(box.lines[:3])
    lines = [_text("title", x + width / 2, middle + 5, box.place.title)]
    lines += [
        _text("small", x + width / 2, middle + 22 + 16 * index, line) for index, line in enumerate(box.lines)
    ]
    size = f'width="{width}" height="{height}" rx="6"'
    shapes = [f'<rect class="{kind}{extra}" x="{x}" y="{y}" {size}/>', *lines]
    if box.alarms:
        shapes.append(_alarms(x + width - 14, y, box.alarms))
    if box.is_seen:
        shapes.append(_eye(x + 15, y))
    return "".join(shapes)


def _alarms(x: int, y: int, count: int) -> str:
    return f'<rect class="alarm" x="{x - 11}" y="{y - 8}" width="22" height="16" rx="8"/>' + _text(
        "count", x, y + 4, str(count)
    )


def _eye(x: int, y: int) -> str:
    return (
        f'<rect class="ground" x="{x - 10}" y="{y - 6}" width="20" height="12" rx="6"/>'
        f'<path class="eye" d="M{x - 8} {y}Q{x} {y - 9} {x + 8} {y}Q{x} {y + 9} {x - 8} {y}Z"/>'
        f'<circle class="pupil" cx="{x}" cy="{y}" r="2.2"/>'
    )


def _line(arrow: Arrow, way: Sequence[Point]) -> str:
    path = "M" + "L".join(f"{x} {y}" for x, y in way)
    style = "line" + (" road" if arrow.is_road else "") + (" extra" if arrow.is_extra else "")
    head = "roadhead" if arrow.is_road else "head"
    return f'<path class="{style}" d="{path}" marker-end="url(#{head})"/>'


def _label(words: str, area: Area) -> str:
    return _text("label", (area.left + area.right) / 2, area.bottom - 3, words)


def _pixels(points: Iterable[Point]) -> list[Point]:
    return [(x * _CELL, y * _CELL) for x, y in points]


def _area(cells: Cells) -> Area:
    left, top, right, bottom = (_CELL * edge for edge in (cells.left, cells.top, cells.right, cells.bottom))
    # The count of alarms and the eye are on the upper border.
    return Area(left=left, top=top - 8, right=right, bottom=bottom)


def _text(style: str, x: float, y: float, words: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="middle">{escape(words)}</text>'


def _head(name: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path class="{name}" d="M0 0L10 5L0 10Z"/></marker>'
    )


def _around(inside: Sequence[Cells]) -> Cells:
    return Cells(
        left=min(cell.left for cell in inside) - 2,
        top=min(cell.top for cell in inside) - 2,
        right=max(cell.right for cell in inside) + 2,
        bottom=max(cell.bottom for cell in inside) + 2,
    )


def _title_of(frame: Cells) -> Cells:
    return Cells(left=frame.right - 24, top=frame.top, right=frame.right, bottom=frame.top + 2)


def _frame(resources: Resources, frame: Cells) -> str:
    """Return the frame of what is in the VPC."""
    words = "VPC" if any(resources.of_kind("aws_nat_gateway")) else "VPC, no way to the internet"
    x, y = frame.left * _CELL, frame.top * _CELL
    width, height = (frame.right - frame.left) * _CELL, (frame.bottom - frame.top) * _CELL
    return (
        f'<rect class="frame" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>'
        f'<text class="small" x="{x + width - 10}" y="{y + 14}" text-anchor="end">{words}</text>'
    )


def _legend(y: int) -> str:
    samples = (
        ('<path class="line road" d="M0 0H30"/>', "the road of a record"),
        ('<path class="line extra" d="M0 0H30"/>', "not in dev-stack"),
        (_alarms(15, 0, 3), "alarms that watch it"),
        (_eye(15, 0), "operators may look into it"),
    )
    shown, x = [], _MARGIN[0] * _CELL
    for sample, words in samples:
        shown.append(f'<g transform="translate({x} {y - 4})">{sample}</g>')
        shown.append(f'<text class="small" x="{x + 38}" y="{y}">{words}</text>')
        x += 60 + 8 * len(words)
    return "".join(shown)
