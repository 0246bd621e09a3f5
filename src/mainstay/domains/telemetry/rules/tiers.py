"""Which resolution a chart reads, which windows are rolled up next, and when a partition is old enough to go.

Source: control page, sections 3.1 rules 7 and 8, and 3.4 rule 4. Pure: times in, times out; everything in Unix seconds.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

FIVE_S, HOUR_S = 300, 3600
# A window is computed this long after its end, when what was under way has arrived.
SETTLE_S = 600
# How much is computed at once, so that a long absence is caught up in bites that a small machine can chew.
BITE_S = 6 * HOUR_S
KEEP_CHOICES_D = (7, 30, 35, 90, 400, 1830, 2555)
KEEP_5M_D, KEEP_1H_D = 400, 1830
_PARTITION = re.compile(r"\((\d+),\s*'?(\d{4})-?(\d{2})-?(\d{2})?'?\)")


class Tier(StrEnum):
    RAW = "raw"
    FIVE_MINUTES = "5m"
    HOUR = "1h"

    @property
    def step_s(self) -> int:
        return {Tier.RAW: 1, Tier.FIVE_MINUTES: FIVE_S, Tier.HOUR: HOUR_S}[self]


@dataclass(frozen=True)
class Window:
    """A stretch of time: `start` belongs to it, `end` does not."""

    start: int
    end: int


def tier_for(step_s: int) -> Tier:
    """Return the coarsest tier whose buckets fill a chart's buckets without a remainder: nothing is lost by reading it."""
    return next((tier for tier in (Tier.HOUR, Tier.FIVE_MINUTES) if step_s >= tier.step_s and step_s % tier.step_s == 0), Tier.RAW)


def next_window(tier: Tier, through: int, *, now: int) -> Window | None:
    """Return what is to be rolled up after an instant, or None while nothing has settled."""
    end = (now - SETTLE_S) // tier.step_s * tier.step_s
    return Window(through, min(end, through + BITE_S)) if end > through else None


def is_late(window: int, *, now: int) -> bool:
    """Tell whether samples of a five-minute window, named by its start, come after it may have been computed."""
    return window + FIVE_S + SETTLE_S <= now


def hour_of(window: int) -> int:
    """Return the start of the hour that a window lies in."""
    return window // HOUR_S * HOUR_S


def expires_at(partition: str) -> datetime | None:
    """Return when the last row of a partition has been kept long enough; None for a partition that is not kept by time.

    `partition` is the engine's own text: (keep, day) or (keep, month).
    """
    found = _PARTITION.fullmatch(partition)
    if found is None:
        return None
    keep, year, month, day = int(found[1]), int(found[2]), int(found[3]), found[4]
    after = date(year, month, int(day)) + timedelta(days=1) if day else date(year + month // 12, month % 12 + 1, 1)
    return datetime(after.year, after.month, after.day, tzinfo=UTC) + timedelta(days=keep)
