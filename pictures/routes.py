"""Ways of arrows between boxes: along a grid, around the boxes, with few bends and crossings.

Graphviz could do it, but measures texts with the fonts that it finds: another machine draws another picture.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[int, int]
Step = tuple[int, int]

_STEPS: tuple[Step, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))
# Costs in steps: of a bend, of crossing another arrow, of a step on or beside one.
_BEND, _CROSSING, _SHARED, _BESIDE = 6, 8, 1_000, 3


@dataclass(frozen=True, kw_only=True)
class Cells:
    """A box on the grid, borders included."""

    left: int
    top: int
    right: int
    bottom: int

    def border(self) -> Iterable[tuple[Point, Step, int]]:
        """Yield (point, step away from the box, cost) of each place where an arrow may start or end."""
        # Off the corners, where a box has its marks.
        for x in range(self.left + 3, self.right - 2):
            cost = abs(2 * x - self.left - self.right) // 3
            yield (x, self.top), (0, -1), cost
            yield (x, self.bottom), (0, 1), cost
        for y in range(self.top + 1, self.bottom):
            cost = abs(2 * y - self.top - self.bottom) // 3
            yield (self.left, y), (-1, 0), cost
            yield (self.right, y), (1, 0), cost

    def distance(self, point: Point) -> int:
        """Return how many steps a point is away from the box."""
        x, y = point
        return max(self.left - x, 0, x - self.right) + max(self.top - y, 0, y - self.bottom)

    def points(self) -> Iterable[Point]:
        """Yield every point of it."""
        return ((x, y) for x in range(self.left, self.right + 1) for y in range(self.top, self.bottom + 1))


@dataclass(kw_only=True)
class Grid:
    """The grid: which points boxes take, and where arrows run, upright or level."""

    width: int
    height: int
    boxes: Sequence[Cells]
    _taken: set[Point] = field(init=False)
    _runs: dict[Point, set[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Mark the points of boxes."""
        self._taken = {point for box in self.boxes for point in box.points()}

    def route(self, source: Cells, target: Cells) -> list[Point]:
        """Return the corners of the cheapest way, both ends included; later arrows keep off it.

        Raises:
            ValueError: there is none.
        """
        ends = {point: (step, cost) for point, step, cost in target.border() if point not in self._runs}
        # (least cost of a whole way, cost so far, point, step, index of the visit before): equal costs have
        # the same order everywhere.
        waiting: list[tuple[int, int, Point, Step, int]] = [
            (cost + target.distance(point), cost, point, step, -1)
            for point, step, cost in source.border()
            if point not in self._runs
        ]
        heapq.heapify(waiting)
        visits: list[tuple[Point, int]] = []
        done: set[tuple[Point, Step]] = set()
        while waiting:
            _, cost, point, step, before = heapq.heappop(waiting)
            if (point, step) in done:
                continue
            done.add((point, step))
            visits.append((point, before))
            if before >= 0 and point in ends:
                return self._keep(visits)
            for turn in _STEPS if before >= 0 else (step,):
                following = (point[0] + turn[0], point[1] + turn[1])
                if turn != (-step[0], -step[1]) and self._is_free(following, turn, ends):
                    total = cost + 1 + (_BEND if turn != step else 0) + self._cost(following, turn)
                    total += ends[following][1] if following in ends else 0
                    least = total + target.distance(following)
                    heapq.heappush(waiting, (least, total, following, turn, len(visits) - 1))
        raise ValueError("no way between two boxes: leave more space between columns or rows")

    def _is_free(self, point: Point, step: Step, ends: Mapping[Point, tuple[Step, int]]) -> bool:
        if point in ends:
            (away, _) = ends[point]
            return step == (-away[0], -away[1])
        return 0 <= point[0] <= self.width and 0 <= point[1] <= self.height and point not in self._taken

    def _cost(self, point: Point, step: Step) -> int:
        upright = step[0] == 0
        runs = self._runs.get(point, ())
        cost = (_SHARED if upright in runs else 0) + (_CROSSING if (not upright) in runs else 0)
        for x, y in ((1, 0), (-1, 0)) if upright else ((0, 1), (0, -1)):
            beside = (point[0] + x, point[1] + y)
            cost += _BESIDE if beside in self._taken or upright in self._runs.get(beside, ()) else 0
        return cost

    def _keep(self, visits: Sequence[tuple[Point, int]]) -> list[Point]:
        """Return the corners of the way to the last visit, and keep where it runs."""
        points: list[Point] = []
        index = len(visits) - 1
        while index >= 0:
            point, index = visits[index]
            points.append(point)
        points.reverse()
        for before, after in pairwise(points):
            for point in (before, after):
                self._runs.setdefault(point, set()).add(before[0] == after[0])
        inner = zip(points, points[1:], points[2:], strict=False)
        corners = [point for before, point, after in inner if before[0] != after[0] and before[1] != after[1]]
        return [points[0], *corners, points[-1]]
