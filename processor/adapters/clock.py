"""The machine's clock."""

import time


class SystemClock:
    """See `ports.Clock`."""

    def now_ms(self) -> int:
        """See `ports.Clock`."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """See `ports.Clock`."""
        return time.monotonic()
