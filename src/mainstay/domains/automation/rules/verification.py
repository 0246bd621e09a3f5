"""Whether a repaired service has stayed well long enough to be called healed.

Owns: the judgement over the signal's history; the independent probe is the step after it, so that its answer is
younger than everything the signal said. Source: endpoint page, 2.12 H5.
Invariant: silence is not health. Without fresh observations the answer is "not yet", and in the end "no".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

INTERVAL_S = 2.0
SUSTAINED_INTERVALS = 3


class VerifyReason(StrEnum):
    SUSTAINED = "sustained"
    SETTLING = "settling"
    NO_FRESH_SIGNAL = "no_fresh_signal"
    RELAPSED = "relapsed"
    NOT_RUNNING = "not_running"


class VerifyVerdict(StrEnum):
    HEALED = "healed"
    WAIT = "wait"
    FAILED = "failed"


@dataclass(frozen=True)
class Observation:
    """One look at the service by the signal. at: seconds since 1970 by the server's clock."""

    at: float
    is_running: bool


@dataclass(frozen=True)
class Verification:
    verdict: VerifyVerdict
    reason: VerifyReason


def verify(*, repaired_at: float, observations: Sequence[Observation], now: float, timeout_s: float) -> Verification:
    """Judge a repair. `observations` are the changes of state at or after it, oldest first.

    Healed: the newest unbroken stretch of "running" has lasted SUSTAINED_INTERVALS intervals.
    """
    seen = [one for one in observations if one.at >= repaired_at]
    if _has_relapsed(seen):
        return Verification(VerifyVerdict.FAILED, VerifyReason.RELAPSED)
    if _running_stretch_s(seen, now) >= INTERVAL_S * SUSTAINED_INTERVALS:
        return Verification(VerifyVerdict.HEALED, VerifyReason.SUSTAINED)
    if now - repaired_at <= timeout_s:
        return Verification(VerifyVerdict.WAIT, VerifyReason.SETTLING if seen else VerifyReason.NO_FRESH_SIGNAL)
    return Verification(VerifyVerdict.FAILED, VerifyReason.NOT_RUNNING if seen else VerifyReason.NO_FRESH_SIGNAL)


def _has_relapsed(seen: Sequence[Observation]) -> bool:
    """Tell whether the service ran after the repair and then stopped again."""
    was_running = False
    for one in seen:
        if was_running and not one.is_running:
            return True
        was_running = was_running or one.is_running
    return False


def _running_stretch_s(seen: Sequence[Observation], now: float) -> float:
    """Return how long the service has been running without a break, up to now; 0 when it is not."""
    if not seen or not seen[-1].is_running:
        return 0.0
    start = seen[-1].at
    for one in reversed(seen):
        if not one.is_running:
            break
        start = one.at
    return now - start
