"""AWS's list prices, read from `prices.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

PRICES = Path(__file__).with_name("prices.toml")
HOURS_PER_MONTH = 730
"""What AWS's pricing calculator counts."""
DAYS_PER_MONTH = HOURS_PER_MONTH / 24
BYTES_PER_GB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars for one `unit`; `page`: AWS's page with it, `date`: the day of which it is.

    `dollars`: None if `prices.toml` does not have it.
    """

    unit: str
    dollars: float | None
    page: str
    date: date


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Every price of one region, by section and unit."""

    region: str
    sections: Mapping[str, Mapping[str, Price]]

    def of(self, section: str, unit: str) -> Price:
        """Return a price.

        Raises: KeyError.
        """
        return self.sections[section][unit]

    def hour_of(self, section: str, instance: str) -> Price:
        """Return the price of an hour of an instance class or node type, without dollars if it is unknown."""
        prices = self.sections[section]
        unit = f"{instance} hour"
        some = next(iter(prices.values()))
        return prices.get(unit) or Price(unit=unit, dollars=None, page=some.page, date=some.date)

    @property
    def oldest(self) -> date:
        """The day of the oldest price."""
        return min(price.date for prices in self.sections.values() for price in prices.values())


def read_prices(path: Path = PRICES) -> Prices:
    """Return the prices in a file."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return Prices(
        region=content.pop("region"),
        sections={
            name: {
                unit: Price(unit=unit, dollars=dollars, page=section["page"], date=section["date"])
                for unit, dollars in section["dollars"].items()
            }
            for name, section in content.items()
        },
    )
