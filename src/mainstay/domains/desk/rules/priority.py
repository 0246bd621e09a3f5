"""Priority from impact and urgency.

Source: help desk page, section 3 rule 5.
"""

from enum import IntEnum

from mainstay.kernel.severity import Severity

PRIORITY_LOWEST = 5


class Impact(IntEnum):
    ORGANISATION = 1
    TEAM = 2
    PERSON = 3


class Urgency(IntEnum):
    STOPPED = 1
    DEGRADED = 2
    CAN_WAIT = 3


URGENCY_OF = {Severity.CRITICAL: Urgency.STOPPED, Severity.WARNING: Urgency.DEGRADED, Severity.INFO: Urgency.CAN_WAIT}


def priority(impact: Impact, urgency: Urgency, *, is_vip: bool = False) -> int:
    """Return 1 (most pressing) to 5; a VIP raises urgency by one step, never above 1."""
    return int(impact) + max(1, int(urgency) - int(is_vip)) - 1


def more_pressing(current: int) -> int:
    """Return the next higher priority; nothing is above 1."""
    return max(1, current - 1)
