"""The vocabulary of samples.

Owns: what a series is, how counters become rates.
Does not own: where numbers come from, how they travel (`net.batches`).
Invariant: a rate is given only between two readings of the same counter that did not fall.
"""

from collections.abc import Mapping

Series = tuple[str, tuple[tuple[str, str], ...]]
Readings = dict[Series, float | None]


def series(metric: str, **labels: str) -> Series:
    return metric, tuple(sorted(labels.items()))


class Rates:
    """Remembers the last value of each counter; one that falls (reset, replaced device) starts anew instead of giving a negative rate."""

    def __init__(self) -> None:
        self._previous: Mapping[Series, int] = {}
        self._previous_ms: int | None = None

    def per_second(self, counters: Mapping[Series, int], at_boot_ms: int) -> Readings:
        """Return the rate of each counter since the last call; nothing on the first call."""
        previous, since = self._previous, self._previous_ms
        self._previous, self._previous_ms = counters, at_boot_ms
        if since is None or at_boot_ms <= since:
            return {}
        seconds = (at_boot_ms - since) / 1000
        return {
            name: round((value - previous[name]) / seconds, 2)
            for name, value in counters.items()
            if name in previous and value >= previous[name]
        }
