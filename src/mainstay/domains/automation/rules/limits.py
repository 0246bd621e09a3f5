"""How often and how widely automation may act on the server's side; the endpoint applies its own limits again.

Owns: budgets, the runbook limit, common cause, the breaker. Unit of time: seconds since 1970 unless a name says otherwise.
Source: endpoint page, 2.12 H2, H3, H6 and the vectors of 3.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HOUR_S = 3600
DAY_S = 86_400


@dataclass(frozen=True)
class Budget:
    """At most `limit` uses in any `period_s` seconds."""

    name: str
    limit: int
    period_s: int


DEVICE_ACTION = (Budget("device_action_hour", 3, HOUR_S), Budget("device_action_day", 6, DAY_S))
CONCURRENT_MAX = 20
COMMON_CAUSE_WINDOW_S = 600
BREAKER_LOOKBACK = 10
BREAKER_FAILURES = 3


def spent(budgets: Sequence[Budget], uses: Sequence[float], now: float) -> Budget | None:
    """Return the first budget that one more use at `now` would exceed, or None.

    A use counts while it is younger than the period: `use > now - period`.
    """
    for budget in budgets:
        if sum(1 for use in uses if use > now - budget.period_s) >= budget.limit:
            return budget
    return None


def runbook_devices_per_hour(group: int) -> int:
    """Return how many devices of a group one runbook may touch in an hour: 5 % or 10, whichever is lower, at least 1."""
    return max(1, min(10, group * 5 // 100))


def has_common_cause(failing: int, group: int) -> bool:
    """Tell whether the same trigger on so many devices within ten minutes points at one cause, where healing would only hide it."""
    return failing >= 3 or (failing >= 2 and failing * 100 > group * 5)


def is_breaker_open(outcomes: Sequence[bool]) -> bool:
    """Tell whether the last ten outcomes (True = healed, newest last) contain three failures."""
    return sum(1 for healed in outcomes[-BREAKER_LOOKBACK:] if not healed) >= BREAKER_FAILURES
