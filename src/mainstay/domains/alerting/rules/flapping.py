"""Does it flap? Two measures: a weighted count of changes, and changes within an hour.

Source: control page, section 3.6 rule 5; vectors in 5.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

RESULTS_KEPT = 21
START_SCORE, END_SCORE = 30.0, 25.0
START_CHANGES, START_WITHIN = 6, timedelta(minutes=60)
END_CHANGES, END_WITHIN = 2, timedelta(minutes=30)
# A result counts once a minute at most unless it changes: otherwise a fast tick would wash every change out of the window.
RESULT_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Flaps:
    """The last 21 hard results (True = bad), when the last was taken, and when the state changed."""

    results: tuple[bool, ...] = ()
    taken_at: datetime | None = None
    changes: tuple[datetime, ...] = ()
    is_flapping: bool = False


def score(changed: Sequence[bool]) -> float:
    """Return the weighted share of changes in percent; `changed` has 20 flags, oldest first."""
    return 5 * sum((0.8 + 0.02 * index) for index, flag in enumerate(changed) if flag)


def next_flapping(is_flapping: bool, score_now: float, changes_in_hour: int, changes_in_half_hour: int) -> bool:
    """Say whether it flaps, with the two measures' own hysteresis."""
    if not is_flapping:
        return score_now >= START_SCORE or changes_in_hour >= START_CHANGES
    return not (score_now < END_SCORE and changes_in_half_hour <= END_CHANGES)


def take(flaps: Flaps, *, is_bad: bool, at: datetime) -> Flaps:
    """Take a hard result in; returns the same object when nothing new is known."""
    has_changed = bool(flaps.results) and flaps.results[-1] != is_bad
    is_due = flaps.taken_at is None or at - flaps.taken_at >= RESULT_EVERY
    if not has_changed and not is_due:
        return flaps
    results = (*flaps.results, is_bad)[-RESULTS_KEPT:]
    changes = tuple(one for one in (*flaps.changes, *((at,) if has_changed else ())) if at - one < START_WITHIN)
    half_hour = sum(at - one < END_WITHIN for one in changes)
    flags = _flags(results)
    return Flaps(results, at, changes, next_flapping(flaps.is_flapping, score(flags), len(changes), half_hour))


def _flags(results: Sequence[bool]) -> list[bool]:
    changed = [left != right for left, right in pairwise(results)]
    return [False] * (RESULTS_KEPT - 1 - len(changed)) + changed
