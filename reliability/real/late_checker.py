"""The checker where the stores cannot always be read."""

from collections.abc import Callable
from typing import Any

from reliability.checker import Checker
from reliability.real.faults import AWAY
from reliability.real.stores import RealStores


class LateChecker(Checker):
    """A checker that looks when the stores can be read; what it is told waits until then.

    Later is right, too: what holds when a record is acknowledged holds from then on.
    """

    def __init__(self, stores: RealStores) -> None:
        super().__init__(stores)
        self.real_stores = stores
        self._waiting: list[Callable[[], None]] = []

    def answered(self, records: Any) -> None:
        self._waiting.append(lambda: Checker.answered(self, records))

    def read(self, product: str, began: float, found: Any) -> None:
        self._waiting.append(lambda: Checker.read(self, product, began, found))

    @property
    def waits(self) -> bool:
        """Whether there is something to check."""
        return bool(self._waiting)

    async def look(self) -> None:
        """Check what waits, if the stores can be read."""
        waiting, self._waiting = self._waiting, []
        try:
            await self.real_stores.refresh()
        except AWAY:
            self._waiting = waiting + self._waiting
            return
        for check in waiting:
            check()
