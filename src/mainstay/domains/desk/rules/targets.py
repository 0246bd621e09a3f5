"""When a clock is due, and when its thresholds pass.

Owns: due instants with gaps (pauses, and the time a ticket was resolved), threshold instants.
Does not own: which gaps there are (timeline). Unit: microseconds.
Source: help desk page, sections 5.3 and 5.6 rule 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mainstay.domains.desk.rules.policy import Target, Threshold
from mainstay.kernel.calendars import (
    SECOND,
    Span,
    deadline,
    deadline_in_days,
    elapsed,
    next_open,
    shift_by_days,
)


class Gap(NamedTuple):
    """A stretch in which a clock does not run; `end` is None while it lasts."""

    start: int
    end: int | None


def unite_gaps(gaps: Sequence[Gap], *, since: int) -> tuple[Gap, ...]:
    """Return disjoint gaps in time order, without what lay before `since`."""
    united: list[Gap] = []
    for gap in sorted((max(gap.start, since), gap.end is None, gap.end or 0) for gap in gaps):
        start, is_open, end = gap
        if not is_open and end <= start:
            continue
        if united and (united[-1].end is None or start <= united[-1].end):
            last = united[-1]
            united[-1] = Gap(last.start, None if is_open or last.end is None else max(last.end, end))
        else:
            united.append(Gap(start, None if is_open else end))
    return tuple(united)


def business_within(target: Target, gaps: Sequence[Gap], until: int) -> int:
    """Return the business time that disjoint gaps take before `until`."""
    return sum(elapsed(target.calendar, gap.start, until if gap.end is None else min(gap.end, until)) for gap in gaps)


def due_at(target: Target, start: int, gaps: Sequence[Gap]) -> int | None:
    """Return the due instant, or None while an open gap keeps it unknown (or the calendar never opens).

    gaps: disjoint, in time order, none before `start`.
    """
    if target.days is None:
        return _run_for(target, start, target.length_us, gaps)
    due = deadline_in_days(target.calendar, start, target.days, end_of_day=target.end_of_day)
    for gap in gaps:
        if due is None or gap.start >= due:
            break
        if gap.end is None:
            return None
        due = deadline(target.calendar, due, elapsed(target.calendar, gap.start, gap.end))
    return due


def running_total(target: Target, start: int) -> int | None:
    """Return the business time from start to due that is not paused: what 100 % means."""
    if target.days is None:
        return target.length_us
    due = deadline_in_days(target.calendar, start, target.days, end_of_day=target.end_of_day)
    return None if due is None else elapsed(target.calendar, start, due)


def threshold_at(target: Target, threshold: Threshold, start: int, gaps: Sequence[Gap]) -> int | None:
    """Return the instant at which a threshold passes, or None while that cannot be known."""
    total = running_total(target, start)
    if total is None:
        return None
    if threshold.percent is not None:
        return _share_at(target, threshold.percent, start, total, gaps)
    if threshold.offset_s is not None and threshold.offset_s < 0:
        return _latest_after(target, start, max(0, total + threshold.offset_s * SECOND), gaps)
    due = due_at(target, start, gaps)
    if due is None:
        return None
    if threshold.offset_days is not None:
        return shift_by_days(target.calendar, due, threshold.offset_days)
    return deadline(target.calendar, due, (threshold.offset_s or 0) * SECOND)


def _share_at(target: Target, percent: int, start: int, total: int, gaps: Sequence[Gap]) -> int | None:
    share = -(-total * percent // (100 * SECOND)) * SECOND  # whole seconds, rounded up
    if percent < 100:
        return _run_for(target, start, share, gaps)
    due = due_at(target, start, gaps)
    if due is None or percent == 100:
        return due
    return deadline(target.calendar, due, share - total)  # after the due instant pauses change nothing


def _run_for(target: Target, start: int, length: int, gaps: Sequence[Gap]) -> int | None:
    """Return the earliest instant at which the clock has run for `length`; None when an open gap comes first."""
    reached = start
    for gap in gaps:
        available = elapsed(target.calendar, reached, gap.start)
        if length <= available or length == 0:
            break
        if gap.end is None:
            return None
        length -= available
        reached = gap.end
    return deadline(target.calendar, reached, length)


def _latest_after(target: Target, start: int, length: int, gaps: Sequence[Gap]) -> int | None:
    """Return the latest instant at which the clock has run for exactly `length`: where it next begins to run."""
    at = _run_for(target, start, length, gaps)
    for gap in (*gaps, Gap(2**62, 2**62)):
        opened = None if at is None else next_open(target.calendar, at)
        if opened is None or opened < gap.start:
            return opened
        if gap.end is None:
            return None
        at = max(opened, gap.end)
    return at


def clip(gaps: Sequence[Gap], cut: int, *, keep_open: bool) -> tuple[Gap, ...]:
    """Return what was known of gaps at an instant: later ones are dropped, a spanning one is open or ends there."""
    return tuple(
        gap if gap.end is not None and gap.end <= cut else Gap(gap.start, None if keep_open else cut) for gap in gaps if gap.start < cut
    )


def covers(gaps: Sequence[Gap], at: int) -> bool:
    """Tell whether a gap holds at an instant."""
    return any(gap.start <= at and (gap.end is None or at < gap.end) for gap in gaps)


def as_span(gap: Gap, until: int) -> Span:
    """Return a gap as a span that ends at the latest at `until`."""
    return Span(gap.start, until if gap.end is None else min(gap.end, until))
