"""A deliberate defect: a change of one text in one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

ANY = "any"  # invariant


class Simulation(NamedTuple):
    """The drawn histories that catch a defect: so many at most, from a seed on."""

    seed: int = 1
    histories: int = 300


# The histories, or a test's id, such as `tests/unit/test_fold.py::test_nothing_folds_to_nothing`.
Suite: TypeAlias = Simulation | str


@dataclass(frozen=True)
class Defect:
    """One mistake in one file.

    `name`: what is wrong. `old`: a text that is in the file exactly once; `new`: what replaces it.
    `breaks`: the invariant, I1 to I6, or "progress". `caught_by`: what fails.
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    caught_by: Suite

    @property
    def suite(self) -> str:
        """`simulate`, `unit`, or `database` for tests on real servers."""
        if isinstance(self.caught_by, Simulation):
            return "simulate"
        return "unit" if self.caught_by.startswith("tests/unit/") else "database"

    def made_in(self, tree: Path) -> str:
        """Return the file of a tree with the defect. Raises: ValueError, with the defect's name."""
        text = (tree / self.file).read_text()
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: {self.file} has its old text {count} times; once is accepted")
        wrong = text.replace(self.old, self.new)
        if self.file.endswith(".py"):
            try:
                compile(wrong, self.file, "exec")
            except SyntaxError as error:
                raise ValueError(f"{self.name}: {self.file} is no Python any more: {error}") from error
        return wrong


def defects_in(file: str, breaks: str, caught_by: Suite, *defects: tuple[str, str, str]) -> list[Defect]:
    """Return the defects (name, old, new) of a file that break one invariant and that one suite catches."""
    return [Defect(name, file, old, new, breaks, caught_by) for name, old, new in defects]
