"""Reading one value of a filter: numbers, choices, times relative to the viewer.

Owns: the spelling of values. Pure: the viewer brings the instant and the zone.
Source: experience page, section 3.3 and its vectors.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from mainstay.ui.lists.spec import Column, Kind

_RELATIVE = re.compile(r"^([-+ ])(\d{1,6})([mhdw])$")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True)
class Viewer:
    """Who looks: decides `@me`, `today` and every relative time."""

    now: datetime
    zone: ZoneInfo
    ref: str = ""
    person_id: UUID | None = None


@dataclass(frozen=True)
class Span:
    """Half-open: an exact instant is a span without length, a day is as long as it is in that zone."""

    start: datetime
    end: datetime


def read(column: Column, text: str, viewer: Viewer) -> object:
    """Return the value that a filter compares with. Errors: ValueError with a sentence for people."""
    if text == "@me" and column.me:
        return viewer.person_id if column.kind is Kind.ID else viewer.ref
    return _READERS[column.kind](column, text, viewer)


def _text(_column: Column, text: str, _viewer: Viewer) -> str:
    if "\x00" in text:
        raise ValueError("a text without a NUL character is expected")
    return text


def _number(_column: Column, text: str, _viewer: Viewer) -> int | float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError("a number is expected") from None
    if not math.isfinite(value):
        raise ValueError("a finite number is expected")
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def _bool(_column: Column, text: str, _viewer: Viewer) -> bool:
    return read_bool(text)


def read_bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("true or false is expected")
    return text == "true"


def _choice(column: Column, text: str, _viewer: Viewer) -> str:
    if column.choices and text not in column.choices:
        raise ValueError(f"one of {', '.join(column.choices)} is expected")
    return text


def _id(_column: Column, text: str, _viewer: Viewer) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("an id is expected") from None


def _time(_column: Column, text: str, viewer: Viewer) -> Span:
    relative = _RELATIVE.match(text)
    if relative:
        return _instant(viewer.now + _offset(*relative.groups()))
    if text in ("today", "yesterday"):
        today = viewer.now.astimezone(viewer.zone).date()
        return _day(today - timedelta(days=text == "yesterday"), viewer.zone)
    try:
        if len(text) == 10:
            return _day(date.fromisoformat(text), viewer.zone)
        instant = datetime.fromisoformat(text.replace(" ", "+"))
        return _instant(instant if instant.tzinfo else instant.replace(tzinfo=viewer.zone))
    except (ValueError, OverflowError):
        raise ValueError("a time is expected: 2026-03-29, 2026-03-29T10:00Z, -7d, today") from None


def _offset(sign: str, count: str, unit: str) -> timedelta:
    # A plus sign arrives as a space when nobody escaped it.
    seconds = int(count) * _SECONDS[unit]
    return timedelta(seconds=-seconds if sign == "-" else seconds)


def _instant(at: datetime) -> Span:
    at = at.astimezone(UTC)
    return Span(at, at)


def _day(day: date, zone: ZoneInfo) -> Span:
    """Return the local day: 23, 24 or 25 hours, as the zone has it."""
    start = datetime.combine(day, time.min, zone)
    end = datetime.combine(day + timedelta(days=1), time.min, zone)
    return Span(start.astimezone(UTC), end.astimezone(UTC))


_READERS: dict[Kind, Callable[[Column, str, Viewer], object]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.DURATION: _number,
    Kind.BOOL: _bool,
    Kind.CHOICE: _choice,
    Kind.ID: _id,
    Kind.TIME: _time,
}
