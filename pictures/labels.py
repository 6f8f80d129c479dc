"""Where the label of each arrow fits: along its way, off boxes and other labels, rather off other arrows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pictures.routes import Point

_CHARACTER, _HEIGHT, _CLEARANCE = 6.8, 14, 3


@dataclass(frozen=True, kw_only=True)
class Area:
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Area") -> bool:
        """Return whether the two have a point in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def place_labels(labels: Sequence[str], ways: Sequence[Sequence[Point]], boxes: Iterable[Area]) -> list[Area]:
    """Return where each label goes, in the order of the labels; ways are in pixels."""
    taken = list(boxes)
    lines = [[_around(part) for part in pairwise(way)] for way in ways]
    found = []
    for index, (label, way) in enumerate(zip(labels, ways, strict=True)):
        others = [part for number, parts in enumerate(lines) if number != index for part in parts]

        def cost(area: Area, others: Sequence[Area] = others) -> int:
            return 10 * sum(area.meets(other) for other in taken) + sum(area.meets(other) for other in others)

        best = min(_candidates(label, way), key=cost)
        found.append(best)
        taken.append(best)
    return found


def _candidates(label: str, way: Sequence[Point]) -> Iterator[Area]:
    """Yield places on the level parts of a way, the middle of the longest first, then beside the others."""
    width = _CHARACTER * len(label)
    parts = sorted(pairwise(way), key=lambda part: (part[0][1] != part[1][1], -_length(part)))
    for (x, y), (to_x, to_y) in parts:
        for share in (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8):
            at_x, at_y = x + (to_x - x) * share, y + (to_y - y) * share
            if y == to_y:
                yield _area(at_x - width / 2, at_y - _HEIGHT - _CLEARANCE, width)
                yield _area(at_x - width / 2, at_y + _CLEARANCE, width)
            else:
                yield _area(at_x + _CLEARANCE, at_y - _HEIGHT / 2, width)
                yield _area(at_x - _CLEARANCE - width, at_y - _HEIGHT / 2, width)


def _area(left: float, top: float, width: float) -> Area:
    return Area(left=left, top=top, right=left + width, bottom=top + _HEIGHT)


def _around(part: tuple[Point, Point]) -> Area:
    (x, y), (to_x, to_y) = part
    return Area(left=min(x, to_x) - 2, top=min(y, to_y) - 2, right=max(x, to_x) + 2, bottom=max(y, to_y) + 2)


def _length(part: tuple[Point, Point]) -> int:
    (x, y), (to_x, to_y) = part
    return abs(x - to_x) + abs(y - to_y)
