"""What was promised: clocks, targets, pause reasons and thresholds of one priority.

Owns: the values of a policy and the default policy. Does not own: which policy wins for a ticket (services).
Source: help desk page, sections 4 and 5.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mainstay.kernel.calendars import SECOND, WorkCalendar


class ClockName(StrEnum):
    """The six promises; the order is the order of every answer."""

    ASSIGNMENT = "assignment"
    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    UPDATE = "update"
    RESOLUTION = "resolution"
    UNDERPINNING = "underpinning"


class WaitingReason(StrEnum):
    """Whom or what a ticket waits for."""

    CUSTOMER = "customer"
    VENDOR = "vendor"
    APPROVAL = "approval"
    SCHEDULED = "scheduled"
    ON_HOLD = "on_hold"


class ChangeMode(StrEnum):
    """From where the target of a changed policy counts."""

    RETROACTIVE = "retroactive"
    FROM_NOW = "from_now"


CLIENT_MUST_ACT = frozenset({WaitingReason.CUSTOMER, WaitingReason.APPROVAL, WaitingReason.SCHEDULED})
DEFAULT_PAUSE_ON: Mapping[ClockName, frozenset[WaitingReason]] = {
    ClockName.UPDATE: CLIENT_MUST_ACT,
    ClockName.RESOLUTION: CLIENT_MUST_ACT,
}


class Audience(StrEnum):
    """Whom a threshold tells: the people at work, or (hierarchical escalation) their manager."""

    TEAM = "team"
    MANAGER = "manager"


@dataclass(frozen=True)
class Threshold:
    """An instant of a running clock at which somebody is told. Exactly one of the three measures is set."""

    percent: int | None = None
    offset_s: int | None = None
    offset_days: int | None = None
    audience: Audience = Audience.TEAM

    @property
    def key(self) -> str:
        """Return the name under which it fires at most once per clock, cycle and epoch."""
        if self.percent is not None:
            return f"{self.audience}:{self.percent}%"
        return f"{self.audience}:{self.offset_s:+d}s" if self.offset_s is not None else f"{self.audience}:{self.offset_days:+d}d"


DEFAULT_THRESHOLDS = (
    *(Threshold(percent=share) for share in (50, 75, 90, 100)),
    *(Threshold(percent=share, audience=Audience.MANAGER) for share in (70, 90, 110)),
)


@dataclass(frozen=True)
class Target:
    """What one clock promises: whole seconds of business time, or whole working days.

    Unit: `seconds` are business seconds of `calendar`; 0 is due at once.
    """

    calendar: WorkCalendar
    seconds: int | None = None
    days: int | None = None
    end_of_day: bool = False
    pause_on: frozenset[str] = frozenset()
    thresholds: tuple[Threshold, ...] = DEFAULT_THRESHOLDS

    @property
    def length_us(self) -> int:
        """Return the promise in microseconds of business time; for targets in seconds only."""
        return (self.seconds or 0) * SECOND


@dataclass(frozen=True)
class Policy:
    """The targets that hold for one priority of one policy version. An `ola` never counts from before it was added."""

    targets: Mapping[ClockName, Target] = field(default_factory=dict)
    is_ola: bool = False


def pause_reasons(clock: ClockName) -> frozenset[str]:
    """Return the reasons that pause a clock unless a contract says otherwise."""
    return frozenset(DEFAULT_PAUSE_ON.get(clock, frozenset()))


# Seconds of first_response and resolution by priority; P1 runs around the clock, the others on the bound calendar.
DEFAULT_TARGETS_S: Mapping[int, tuple[int, int]] = {
    1: (900, 3_600),
    2: (1_800, 14_400),
    3: (3_600, 86_400),
    4: (14_400, 259_200),
    5: (28_800, 604_800),
}
AROUND_THE_CLOCK_PRIORITIES = frozenset({1})
