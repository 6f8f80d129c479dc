"""One line of a bill."""

from collections.abc import Iterable
from dataclasses import dataclass

from costs.prices import Price


@dataclass(frozen=True, kw_only=True)
class Driver:
    """Something that is paid for by the month.

    `count`: how many units of the price a month. `kinds`: the kinds of Terraform resources that cause it.
    """

    name: str
    count: float
    price: Price
    kinds: tuple[str, ...]

    @property
    def dollars(self) -> float | None:
        """Dollars a month; None if the price is unknown."""
        if self.price.dollars is None:
            return None
        return self.count * self.price.dollars


def total(drivers: Iterable[Driver]) -> float:
    """Return the dollars a month of the drivers whose price is known."""
    return sum(driver.dollars or 0.0 for driver in drivers)


def unpriced(drivers: Iterable[Driver]) -> list[str]:
    """Return the units that have no price but are needed."""
    return [driver.price.unit for driver in drivers if driver.price.dollars is None and driver.count]
