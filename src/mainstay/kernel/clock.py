"""Time as an argument.

Owns: the clock protocol that every service receives, and the two clocks that exist.
Invariant: nothing below an edge reads the time by itself; instants are aware and in UTC.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a service may ask about time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock. Only edges (requests, jobs, process loops) make one."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class FixedClock:
    """A clock that stands still until it is told to move: for tests and for replays."""

    at: datetime = field(default_factory=lambda: datetime(2026, 1, 15, 12, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def forward(self, *, seconds: float = 0, hours: float = 0, days: float = 0) -> datetime:
        """Move on and return the new instant."""
        self.at += timedelta(seconds=seconds, hours=hours, days=days)
        return self.at
