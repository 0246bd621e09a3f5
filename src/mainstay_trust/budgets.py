"""Budgets: how often an endpoint itself allows an action.

Owns: limits, their defaults (rule K10), counting uses in sliding windows.
Does not own: where uses are stored; callers pass the seconds of past uses by the helper's own clock.
Invariant: a use at second u counts at t if `u > t - window`, so exactly `limit` uses fit into any window.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mainstay_trust.canonical import JSON
from mainstay_trust.members import Members

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
ALL = "all"


@dataclass(frozen=True)
class Limit:
    """At most this many uses; None = not limited over that window. `key` names the parameter that splits the count."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    key: str | None = None

    def left(self, uses: Iterable[int], *, at: int) -> int | None:
        """Return how many more uses fit now, 0 when spent, None when nothing limits."""
        seconds = list(uses)
        counts = [max(0, most - sum(1 for used in seconds if used > at - window_s)) for most, window_s in self._windows if most is not None]
        return min(counts, default=None)

    def as_json(self) -> dict[str, JSON]:
        members = {"per_minute": self.per_minute, "per_hour": self.per_hour, "per_day": self.per_day, "key": self.key}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def _windows(self) -> tuple[tuple[int | None, int], ...]:
        return (self.per_minute, MINUTE_S), (self.per_hour, HOUR_S), (self.per_day, DAY_S)


DEFAULT_LIMITS: Mapping[str, Limit] = {
    "service.restart": Limit(per_hour=3, per_day=6, key="unit"),
    "reboot": Limit(per_day=1),
    "patch.install": Limit(per_day=2),
    "probe": Limit(per_minute=60),
    ALL: Limit(per_day=24),
}


def read_limit(value: object, *, code: str) -> Limit:
    """Read a limit of a policy; it must limit something."""
    members = Members(value, code=code, names=(), optional=("per_minute", "per_hour", "per_day", "key"))
    counts = {name: members.count_or_none(name) for name in ("per_minute", "per_hour", "per_day") if members.has(name)}
    return Limit(**counts, key=members.text_or_none("key", most=40) if members.has("key") else None)
