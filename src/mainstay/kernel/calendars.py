"""Working calendars: when a promise runs, in exact microseconds.

Owns: windows of a date in a zone, business time between instants, deadlines, working days.
Does not own: pauses, targets, who promised what (desk), or where calendars are stored.
Invariant: edges are converted by zone and subtracted in UTC; local minutes are never stepped.
Unit: every instant and length is an integer of microseconds, instants since 1970 in UTC.
Source: help desk page, section 5.1.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mainstay.kernel.errors import Invalid

SECOND = 1_000_000
CLOSED_DAYS_MAX = 400
_DAY_MINUTES = 24 * 60
_MEMO_DAYS_MAX = 8_192
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Span(NamedTuple):
    """A half-open stretch of time `[start, end)` in microseconds."""

    start: int
    end: int


class Hours(NamedTuple):
    """A window in local wall time: minutes after midnight. `closes` beyond 1,440 lies on the next date."""

    opens: int
    closes: int


@dataclass(frozen=True)
class CalendarVersion:
    """The hours that are valid from a date on. `weekly` has seven entries, Monday first."""

    weekly: tuple[tuple[Hours, ...], ...]
    valid_from: date | None = None
    closed: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    special: Mapping[date, tuple[Hours, ...]] = field(default_factory=dict)

    def special_hours(self, day: date) -> tuple[Hours, ...] | None:
        """Return the hours of a date that does not follow the week, or None when it does."""
        if day in self.special:
            return self.special[day]
        if day in self.closed or (day.month, day.day) in self.yearly:
            return ()
        return None


@dataclass(frozen=True, eq=False)
class WorkCalendar:
    """A zone and its versions, oldest first. Compared by identity; days once computed are remembered."""

    zone: ZoneInfo
    versions: tuple[CalendarVersion, ...]
    _days: dict[int, tuple[Span, ...]] = field(default_factory=dict, repr=False)

    def version_on(self, day: date) -> CalendarVersion:
        """Return the version that owns a date: the last one that had begun by then."""
        owner = self.versions[0]
        for version in self.versions[1:]:
            if version.valid_from is not None and version.valid_from <= day:
                owner = version
        return owner


def to_us(instant: datetime) -> int:
    """Return an aware instant as microseconds since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """Return the aware UTC instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def shown_seconds(us: int) -> int:
    """Return whole seconds for people: rounded toward zero, so that neither use nor lateness is overstated."""
    return us // SECOND if us >= 0 else -(-us // SECOND)


# --- reading a calendar ---------------------------------------------------------------------------------------------


def parse_calendar(data: Mapping[str, object]) -> WorkCalendar:
    """Build a calendar from its stored form: zone, and windows, holidays, yearly, special or a list of versions.

    Errors: Invalid("calendar.zone_unknown" | "calendar.window_bad" | "calendar.date_bad" | "calendar.shape_bad").
    """
    try:
        zone = ZoneInfo(str(data.get("zone", "UTC")))
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise Invalid("calendar.zone_unknown", f"No time zone is called {data.get('zone')!r}. Use an IANA name.") from problem
    versions = [_parse_version(version) for version in _mappings(data.get("versions", [data]))]
    return WorkCalendar(zone, tuple(sorted(versions, key=lambda version: version.valid_from or date.min)))


def always_open(zone: str = "UTC") -> WorkCalendar:
    """Return the calendar that never closes (24x7)."""
    return WorkCalendar(ZoneInfo(zone), (CalendarVersion(weekly=((Hours(0, _DAY_MINUTES),),) * 7),))


def _parse_version(data: Mapping[str, object]) -> CalendarVersion:
    windows = _mapping(data.get("windows", {}))
    if unknown := set(windows) - set(WEEKDAYS):
        raise Invalid("calendar.window_bad", f"{sorted(unknown)[0]!r} is no weekday. Use {', '.join(WEEKDAYS)}.")
    begins = data.get("valid_from")
    return CalendarVersion(
        weekly=tuple(_parse_windows(windows.get(day, ())) for day in WEEKDAYS),
        valid_from=_parse_date(begins) if begins else None,
        closed=frozenset(_parse_date(day) for day in _sequence(data.get("holidays", ()))),
        yearly=frozenset(_parse_yearly(day) for day in _sequence(data.get("yearly", ()))),
        special={_parse_date(day): _parse_windows(windows) for day, windows in _mapping(data.get("special", {})).items()},
    )


def _parse_windows(pairs: object) -> tuple[Hours, ...]:
    hours = []
    for pair in _sequence(pairs):
        opens_text, closes_text = (*_sequence(pair), None, None)[:2]
        opens, closes = _parse_minute(opens_text), _parse_minute(closes_text)
        if opens == closes or opens >= _DAY_MINUTES:
            raise Invalid("calendar.window_bad", f"The window {pair!r} is empty or 24 h long; write 00:00 to 24:00 for a whole day.")
        hours.append(Hours(opens, closes if closes > opens else closes + _DAY_MINUTES))
    return tuple(sorted(hours))


def _parse_minute(text: object) -> int:
    hour, _, minute = str(text).partition(":")
    if not (hour.isdecimal() and minute.isdecimal() and len(hour) == len(minute) == 2):
        raise Invalid("calendar.window_bad", f"{text!r} is no time of day. Use HH:MM.")
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > _DAY_MINUTES:
        raise Invalid("calendar.window_bad", f"{text!r} is no time of day. The last one is 24:00.")
    return value


def _parse_date(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError as problem:
        raise Invalid("calendar.date_bad", f"{text!r} is no date. Use YYYY-MM-DD.") from problem


def _parse_yearly(text: object) -> tuple[int, int]:
    # 2000 was a leap year, so that 02-29 is a yearly date too.
    day = _parse_date(f"2000-{text}")
    return day.month, day.day


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise Invalid("calendar.shape_bad", "A calendar is an object with named fields.")
    return value


def _sequence(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise Invalid("calendar.shape_bad", "Windows and dates of a calendar are lists.")
    return value


def _mappings(value: object) -> list[Mapping[str, object]]:
    items = [_mapping(item) for item in _sequence(value)]
    if not items:
        raise Invalid("calendar.shape_bad", "A calendar has at least one version.")
    return items


# --- windows of a date ----------------------------------------------------------------------------------------------


def windows_on(calendar: WorkCalendar, day: date) -> tuple[Span, ...]:
    """Return the windows that open on a local date, united, in order. A tail past midnight belongs to the opening date."""
    ordinal = day.toordinal()
    known = calendar._days.get(ordinal)
    if known is None:
        if len(calendar._days) >= _MEMO_DAYS_MAX:
            calendar._days.clear()
        known = calendar._days[ordinal] = _compute_day(calendar, day)
    return known


def is_working_day(calendar: WorkCalendar, day: date) -> bool:
    """Tell whether any window opens on a local date."""
    return bool(windows_on(calendar, day))


def _compute_day(calendar: WorkCalendar, day: date) -> tuple[Span, ...]:
    if local_date(calendar, _first_instant(calendar.zone, day)) != day:
        return ()  # the zone skipped this date
    version = calendar.version_on(day)
    special = version.special_hours(day)
    hours = version.weekly[day.weekday()] if special is None else special
    spans = (_to_span(calendar, day, window) for window in hours)
    return unite(span for span in spans if span.end > span.start)


def _to_span(calendar: WorkCalendar, day: date, window: Hours) -> Span:
    opens = _edge(calendar.zone, day, window.opens, fold=0)
    closes = _edge(calendar.zone, day, window.closes, fold=1)
    if window.closes > _DAY_MINUTES and day < date.max:
        # The date after midnight decides over its own instants: closed or special hours cut the tail off.
        tomorrow = day + timedelta(days=1)
        if calendar.version_on(tomorrow).special_hours(tomorrow) is not None:
            closes = min(closes, _first_instant(calendar.zone, tomorrow))
    return Span(opens, closes)


def _first_instant(zone: ZoneInfo, day: date) -> int:
    return _edge(zone, day, 0, fold=0)


@lru_cache(maxsize=16_384)
def _edge(zone: ZoneInfo, day: date, minute: int, *, fold: int) -> int:
    """Convert a wall time. Not there: the first instant after the gap. Twice there: fold 0 the earlier, 1 the later."""
    wall = datetime.combine(day, time.min) + timedelta(minutes=minute)
    return to_us(_resolve(zone, wall, fold=fold))


def _resolve(zone: ZoneInfo, wall: datetime, *, fold: int) -> datetime:
    local = wall.replace(tzinfo=zone, fold=fold)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(zone, wall)


def _end_of_gap(zone: ZoneInfo, wall: datetime) -> datetime:
    """Find the instant at which a gap around `wall` ends, by bisection between the two readings of the wall time."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # read with the offset after the gap: too early
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset_after = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset_after:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


def local_date(calendar: WorkCalendar, us: int) -> date:
    """Return the local date of an instant."""
    return from_us(us).astimezone(calendar.zone).date()


def unite(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the union of spans in time order; touching spans become one."""
    united: list[Span] = []
    for span in sorted(spans):
        if united and span.start <= united[-1].end:
            united[-1] = Span(united[-1].start, max(united[-1].end, span.end))
        else:
            united.append(span)
    return tuple(united)


# --- business time --------------------------------------------------------------------------------------------------


def open_spans(calendar: WorkCalendar, start: int) -> Iterator[Span]:
    """Yield open stretches from an instant on, disjoint and in order; ends when nothing opens for 400 days.

    They follow the windows of each date, so two may touch at midnight.
    """
    # A shift of the evening before may still be open, and a zone can skip the date between.
    day = local_date(calendar, start) - timedelta(days=2)
    reached, idle = start, 0
    while idle <= CLOSED_DAYS_MAX + 2 and day < date.max:
        found = False
        for window in windows_on(calendar, day):
            if window.end > reached:
                yield Span(max(window.start, reached), window.end)
                reached, found = window.end, True
        idle = 0 if found else idle + 1
        day += timedelta(days=1)


def is_open(calendar: WorkCalendar, at: int) -> bool:
    """Tell whether an instant lies inside a window; the closing instant does not."""
    return next_open(calendar, at) == at


def next_open(calendar: WorkCalendar, at: int) -> int | None:
    """Return the first open instant at or after `at`, or None when there is none within 400 days."""
    return next((span.start for span in open_spans(calendar, at)), None)


def elapsed(calendar: WorkCalendar, start: int, until: int) -> int:
    """Return the business time between two instants; 0 when they are reversed."""
    return sum(span.end - span.start for span in open_between(calendar, start, until))


def open_between(calendar: WorkCalendar, start: int, until: int) -> Iterator[Span]:
    """Yield the open stretches inside `[start, until)`."""
    if until <= start:
        return
    for span in open_spans(calendar, start):
        if span.start >= until:
            return
        yield Span(span.start, min(span.end, until))


def deadline(calendar: WorkCalendar, start: int, length: int) -> int | None:
    """Return the earliest instant at which `length` of business time has passed since `start`; None when never.

    A length of 0 has passed at once, also outside hours.
    """
    if length <= 0:
        return start
    for span in open_spans(calendar, start):
        if length <= span.end - span.start:
            return span.start + length
        length -= span.end - span.start
    return None


# --- working days ---------------------------------------------------------------------------------------------------


def deadline_in_days(calendar: WorkCalendar, start: int, days: int, *, end_of_day: bool = False) -> int | None:
    """Return the instant `days` working days after the first open instant from `start` on; None when never.

    The wall time is kept; where it is closed, the next opening of that day counts, else its last close.
    """
    opened = next_open(calendar, start)
    if opened is None:
        return None
    day = working_day(calendar, local_date(calendar, opened), days)
    if day is None:
        return None
    if end_of_day:
        return windows_on(calendar, day)[-1].end
    return _wall_time_on(calendar, day, _wall_of(calendar, local_date(calendar, opened), opened))


def shift_by_days(calendar: WorkCalendar, at: int, days: int) -> int | None:
    """Move an instant by working days, forwards or back, keeping its wall time. A close belongs to the day it ends."""
    own = _day_of(calendar, at)
    day = working_day(calendar, own, days)
    return None if day is None else _wall_time_on(calendar, day, _wall_of(calendar, own, at))


def working_day(calendar: WorkCalendar, day: date, count: int) -> date | None:
    """Return the working day `count` working days after (or, if negative, before) a date; None when there is none."""
    step = timedelta(days=1 if count >= 0 else -1)
    left, idle = abs(count), 0
    while left and idle <= CLOSED_DAYS_MAX and date.min < day < date.max:
        day += step
        found = is_working_day(calendar, day)
        left, idle = (left - 1, 0) if found else (left, idle + 1)
    return day if not left and is_working_day(calendar, day) else None


def _day_of(calendar: WorkCalendar, at: int) -> date:
    day = local_date(calendar, at)
    yesterday = day - timedelta(days=1)
    return yesterday if any(window.end == at for window in windows_on(calendar, yesterday)) else day


def _wall_of(calendar: WorkCalendar, day: date, at: int) -> timedelta:
    wall = from_us(at).astimezone(calendar.zone).replace(tzinfo=None)
    return wall - datetime.combine(day, time.min)


def _wall_time_on(calendar: WorkCalendar, day: date, wall: timedelta) -> int:
    windows = windows_on(calendar, day)
    at = to_us(_resolve(calendar.zone, datetime.combine(day, time.min) + wall, fold=0))
    if any(window.start <= at <= window.end for window in windows):
        return at
    return next((window.start for window in windows if window.start >= at), windows[-1].end)


# --- may a policy use it? -------------------------------------------------------------------------------------------


def never_opens(calendar: WorkCalendar, after: int) -> bool:
    """Tell whether nothing opens within 400 days; such a calendar may carry no promise."""
    opened = next_open(calendar, after)
    return opened is None or opened - after > CLOSED_DAYS_MAX * _DAY_MINUTES * 60 * SECOND


def crosses_midnight(calendar: WorkCalendar) -> bool:
    """Tell whether any shift lasts into the next date; working-day targets have no meaning there."""
    return any(
        window.closes > _DAY_MINUTES
        for version in calendar.versions
        for hours in (*version.weekly, *version.special.values())
        for window in hours
    )
