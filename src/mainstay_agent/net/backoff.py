"""How long to wait after failures (rule X6).

Invariant: full jitter, so that a fleet that lost its server together does not come back together.
"""

from collections.abc import Callable

FIRST_S = 1.0
MOST_S = 900.0
RETRY_AFTER_S_MAX = 3600


class Backoff:
    """Doubles from one second to fifteen minutes; `draw(low, high)` is a source of uniform randomness."""

    def __init__(self, draw: Callable[[float, float], float]) -> None:
        self._draw = draw
        self._failures = 0

    @property
    def failures(self) -> int:
        return self._failures

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, retry_after_s: int | None = None) -> float:
        """Count a failure and return the seconds to wait; the server's own wish is honoured up to an hour."""
        ceiling = min(MOST_S, FIRST_S * 2 ** min(self._failures, 20))
        self._failures += 1
        if retry_after_s is not None:
            return float(min(max(0, retry_after_s), RETRY_AFTER_S_MAX)) + self._draw(0.0, 1.0)
        return self._draw(0.0, ceiling)
