"""What a world gives to those who live in it, simulated or real."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol


class World(Protocol):
    """Time, chance and the trace of one run. `now`: seconds since it began."""

    random: random.Random

    @property
    def now(self) -> float: ...

    def date(self) -> datetime:
        """Return the date and time, in UTC."""

    def after(self, seconds: float, do: Callable[..., object], *arguments: Any) -> None:
        """Call `do` after so many seconds."""

    def note(self, text: str) -> None:
        """Add a line to the trace."""
