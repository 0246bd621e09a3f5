"""Maintenance windows and freeze calendars, computed where they apply: on the device, in its own zone (rule U2).

Owns: when a window opens and closes, across clock changes; whether an action may start now.
Does not own: time-zone data (`zone` looks a name up), the device's clock.
Invariant: no clock change makes a window longer than its local edges say, and an action that would overrun does not start.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from mainstay_trust.errors import Rejected
from mainstay_trust.members import Members

P95_S_WITHOUT_HISTORY = 1800
DEVICE_ZONE = "device"
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_ZONE = re.compile(r"device|[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,2}")
_RULE = re.compile(r"FREQ=(?:DAILY|WEEKLY;BYDAY=(?P<days>[A-Z]{2}(?:,[A-Z]{2})*)|MONTHLY;BYDAY=(?P<nth>-?[1-5])(?P<day>[A-Z]{2}))")


@dataclass(frozen=True)
class Window:
    """Opens at local `start` on the days of `rrule`, closes at local `end`, the next day when that is not later.

    `rrule` is one of FREQ=DAILY, FREQ=WEEKLY;BYDAY=SA,SU and FREQ=MONTHLY;BYDAY=2TU (-1 = last); no other rule is accepted.
    """

    id: str
    zone: str
    rrule: str
    start: time
    end: time

    def opens_on(self, day: date) -> bool:
        rule = _RULE.fullmatch(self.rrule)
        if rule is None:
            return False
        if rule["days"] is not None:
            return _DAYS[day.weekday()] in rule["days"].split(",")
        return rule["day"] is None or (_DAYS[day.weekday()] == rule["day"] and int(rule["nth"]) in _places(day))

    def span(self, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
        """Return the instants between which the window that opens on a local day is open."""
        last = day if self.end > self.start else day + timedelta(days=1)
        return opening(datetime.combine(day, self.start), zone), closing(datetime.combine(last, self.end), zone)


@dataclass(frozen=True)
class Freeze:
    """From one Unix second to another (inclusive) the named actions wait; with None all that need a window."""

    id: str
    begin: int
    end: int
    actions: frozenset[str] | None

    def covers(self, action: str, needs_window: bool, at: int) -> bool:
        return self.begin <= at <= self.end and (needs_window if self.actions is None else action in self.actions)


def read_window(value: object) -> Window:
    members = Members(value, code="bad_policy", names=("id", "zone", "rrule", "start", "end"))
    window = Window(
        members.text("id", most=100),
        members.text("zone", form=_ZONE),
        members.text("rrule", form=_RULE),
        time.fromisoformat(members.text("start", form=_CLOCK)),
        time.fromisoformat(members.text("end", form=_CLOCK)),
    )
    if not set(re.findall(r"[A-Z]{2}(?=,|$)", window.rrule.partition("BYDAY=")[2])) <= set(_DAYS):
        raise Rejected("bad_policy", f"window {window.id}: unknown weekday")
    return window


def read_freeze(value: object) -> Freeze:
    members = Members(value, code="bad_policy", names=("id", "from", "to", "actions"))
    actions = members.texts_or_none("actions")
    return Freeze(members.text("id", most=100), members.count("from"), members.count("to"), None if actions is None else frozenset(actions))


def judge(
    windows: Iterable[Window],
    freezes: Iterable[Freeze],
    wanted: str | None,
    action: str,
    *,
    at: int,
    zone: Callable[[str], tzinfo],
    p95_s: int = P95_S_WITHOUT_HISTORY,
) -> str | None:
    """Return None when an action may start now, else window_unknown, window_closed or freeze_calendar.

    `at`: the lower clock, Unix seconds. `action`: its name without version. `zone`: looks up an IANA name or "device".
    """
    window = next((window for window in windows if window.id == wanted), None)
    if wanted is not None and window is None:
        return "window_unknown"
    if window is not None and not is_open(window, at=at, zone=zone(window.zone), p95_s=p95_s):
        return "window_closed"
    return "freeze_calendar" if any(freeze.covers(action, wanted is not None, at) for freeze in freezes) else None


def is_open(window: Window, *, at: int, zone: tzinfo, p95_s: int) -> bool:
    """Tell whether an action of the given 95th percentile may start now and still end inside the window."""
    now = datetime.fromtimestamp(at, UTC)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        if window.opens_on(day):
            opens, closes = window.span(day, zone)
            if opens <= now <= closes - timedelta(seconds=p95_s):
                return True
    return False


def opening(local: datetime, zone: tzinfo) -> datetime:
    """An opening edge: the earlier instant when the hour repeats, the first instant after a gap when it does not exist."""
    earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return _after_gap(later, earlier, zone) if _is_missing(local, zone) else earlier


def closing(local: datetime, zone: tzinfo) -> datetime:
    """A closing edge: the later instant when the hour repeats, the first instant after a gap when it does not exist."""
    earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return _after_gap(later, earlier, zone) if _is_missing(local, zone) else later


def _is_missing(local: datetime, zone: tzinfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != local


def _after_gap(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Find the transition in (low, high] by halving."""
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high


def _places(day: date) -> tuple[int, int]:
    """Return which weekday of its kind a day is within its month, from the beginning and from the end."""
    in_month = ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    return (day.day - 1) // 7 + 1, -((in_month - day.day) // 7 + 1)
