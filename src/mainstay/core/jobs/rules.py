"""Pure decisions of background work: when to try again, and when a schedule fires.

Owns: back-off and giving up; local times across clock changes; missed fires.
Does not own: clocks, rows, queues. Source: style page section 8 (what a job does upon which error); endpoint page D10
and its vectors 3.6.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from mainstay.kernel.decisions import Decision
from mainstay.kernel.errors import Conflict, Invalid, MainstayError, Unavailable

# --- trying again ------------------------------------------------------------------------------------------------------

UNAVAILABLE_DELAYS_S = (1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 28800)
DEFECT_DELAYS_S = (1, 5, 30, 120)
CONFLICT_DELAYS_S = (1,)


class RetryReason(StrEnum):
    SOMETHING_IS_DOWN = "something_is_down"
    THE_WORLD_MOVED_ON = "the_world_moved_on"
    DEFECT = "defect"
    FINAL = "final"
    TRIES_USED_UP = "tries_used_up"


@dataclass(frozen=True)
class Wait:
    seconds: int


def after_failure(error: Exception, attempts: int) -> Decision[Wait]:
    """Decide what follows a failed try. `attempts` counts the tries made, the failed one included.

    An error outside our tree is a defect: tried a few times, since a deployment may be under way, then left for a person.
    """
    reason, delays = _patience(error)
    if not delays:
        return Decision.no(RetryReason.FINAL)
    if attempts > len(delays):
        return Decision.no(RetryReason.TRIES_USED_UP)
    return Decision.yes(reason, Wait(delays[attempts - 1]))


def _patience(error: Exception) -> tuple[RetryReason, Sequence[int]]:
    if isinstance(error, Unavailable) and error.retryable:
        return RetryReason.SOMETHING_IS_DOWN, UNAVAILABLE_DELAYS_S
    if isinstance(error, Conflict):
        return RetryReason.THE_WORLD_MOVED_ON, CONFLICT_DELAYS_S
    if isinstance(error, MainstayError):
        return RetryReason.FINAL, ()
    return RetryReason.DEFECT, DEFECT_DELAYS_S


# --- local times -------------------------------------------------------------------------------------------------------


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which a wall clock first shows a local time; a time that the clock skips is the end of the gap."""
    return _gap_end(local, zone) or local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def last_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which a wall clock shows a local time for the last time; for the end of a window."""
    return _gap_end(local, zone) or local.replace(tzinfo=zone, fold=1).astimezone(UTC)


def window(day: date, start: time, end: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instants of a local window that begins on `day`; an end at or before the start is on the next day."""
    last_day = day if end > start else day + timedelta(days=1)
    return first_instant(datetime.combine(day, start), zone), last_instant(datetime.combine(last_day, end), zone)


def _gap_end(local: datetime, zone: ZoneInfo) -> datetime | None:
    late, early = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if early >= late:
        return None
    # The clock jumps somewhere between the two readings; offsets change on whole seconds.
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


# --- schedules ---------------------------------------------------------------------------------------------------------

ON_TIME = timedelta(seconds=60)
FIRES_MAX = 1000


@dataclass(frozen=True)
class Daily:
    """At a local time on some days of the week (0 = Monday), or on all of them."""

    at: time
    days: frozenset[int] = frozenset(range(7))


@dataclass(frozen=True)
class Every:
    """Every so many minutes, counted from 1970 in UTC, so that clock changes do not matter."""

    minutes: int


Rule: TypeAlias = Daily | Every


def next_fire(rule: Rule, zone: ZoneInfo, after: datetime) -> datetime:
    """Return the first fire later than an instant, in UTC."""
    if isinstance(rule, Every):
        step = rule.minutes * 60
        return datetime.fromtimestamp((int(after.timestamp()) // step + 1) * step, UTC)
    day = after.astimezone(zone).date() - timedelta(days=1)
    while True:
        fire = first_instant(datetime.combine(day, rule.at), zone)
        if day.weekday() in rule.days and fire > after:
            return fire
        day += timedelta(days=1)


class FireOutcome(StrEnum):
    STARTED = "started"
    SKIPPED_MISFIRE = "skipped_misfire"
    COALESCED = "coalesced"


@dataclass(frozen=True)
class FirePlan:
    """What becomes of each fire that is due, oldest first, and when the next one is."""

    fires: tuple[tuple[datetime, FireOutcome], ...]
    next_fire: datetime


def plan_fires(rule: Rule, zone: ZoneInfo, due: datetime, now: datetime, grace: timedelta | None) -> FirePlan:
    """Decide about the fire at `due` and those after it up to `now`.

    A fire is on time within a minute. Late, the newest one starts when `grace` allows it, and the others count as coalesced
    into it; without grace all are skipped. After a very long absence the plan covers the oldest thousand and is asked again.
    """
    times = [due]
    while (following := next_fire(rule, zone, times[-1])) <= now and len(times) < FIRES_MAX:
        times.append(following)
    may_start = following > now and now - times[-1] <= max(ON_TIME, grace or ON_TIME)
    other = FireOutcome.COALESCED if grace is not None or may_start else FireOutcome.SKIPPED_MISFIRE
    newest = FireOutcome.STARTED if may_start else FireOutcome.SKIPPED_MISFIRE if following > now else other
    if newest is FireOutcome.SKIPPED_MISFIRE:
        other = FireOutcome.SKIPPED_MISFIRE
    return FirePlan((*((at, other) for at in times[:-1]), (times[-1], newest)), following)


RuleJson: TypeAlias = "dict[str, str | int | list[int]]"


def to_json(rule: Rule) -> RuleJson:
    """Return a rule as it is stored."""
    if isinstance(rule, Every):
        return {"kind": "every", "minutes": rule.minutes}
    return {"kind": "daily", "at": rule.at.isoformat("minutes"), "days": sorted(rule.days)}


def from_json(value: RuleJson) -> Rule:
    """Read a stored rule. Errors: Invalid("jobs.rule_invalid")."""
    kind: Literal["every", "daily"] | object = value.get("kind")
    minutes, at, days = value.get("minutes"), value.get("at"), value.get("days")
    if kind == "every" and isinstance(minutes, int) and minutes > 0:
        return Every(minutes)
    if kind == "daily" and isinstance(at, str) and isinstance(days, list) and days and set(days) <= set(range(7)):
        return Daily(time.fromisoformat(at), frozenset(days))
    raise Invalid("jobs.rule_invalid", "A schedule is either daily (at, days) or every so many minutes.")
