"""Reading calendars, the edges of dates, and what may carry no promise. (The vectors run with the desk's rules.)"""

from datetime import UTC, date, datetime

import pytest

from mainstay.kernel.calendars import (
    SECOND,
    Span,
    always_open,
    crosses_midnight,
    deadline,
    elapsed,
    from_us,
    is_open,
    is_working_day,
    never_opens,
    next_open,
    open_between,
    parse_calendar,
    shift_by_days,
    shown_seconds,
    to_us,
    unite,
    windows_on,
    working_day,
)
from mainstay.kernel.errors import Invalid

OFFICE = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
HOUR = 3_600 * SECOND


def at(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"zone": "Mars/Olympus"}, "calendar.zone_unknown"),
        ({"zone": "../etc/passwd"}, "calendar.zone_unknown"),
        ({"windows": {"funday": []}}, "calendar.window_bad"),
        ({"windows": {"mon": [["9:00", "17:00"]]}}, "calendar.window_bad"),
        ({"windows": {"mon": [["09:00", "25:00"]]}}, "calendar.window_bad"),
        ({"windows": {"mon": [["09:00", "17:60"]]}}, "calendar.window_bad"),
        ({"windows": {"mon": [["09:00", "09:00"]]}}, "calendar.window_bad"),
        ({"windows": {"mon": [["24:00", "06:00"]]}}, "calendar.window_bad"),
        ({"windows": {"mon": [["09:00"]]}}, "calendar.window_bad"),
        ({"windows": {"mon": "09:00-17:00"}}, "calendar.shape_bad"),
        ({"windows": [], "zone": "UTC"}, "calendar.shape_bad"),
        ({"versions": []}, "calendar.shape_bad"),
        ({"holidays": ["2026-02-30"]}, "calendar.date_bad"),
        ({"yearly": ["13-01"]}, "calendar.date_bad"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused_with_its_reason(data, code):
    with pytest.raises(Invalid) as problem:
        parse_calendar(data)
    assert problem.value.code == code


def test_the_29th_of_february_can_be_closed_every_leap_year():
    calendar = parse_calendar({"windows": OFFICE, "yearly": ["02-29"]})

    assert not is_working_day(calendar, date(2024, 2, 29))
    assert is_working_day(calendar, date(2024, 2, 28))


def test_special_hours_win_over_a_closed_date():
    calendar = parse_calendar({"windows": OFFICE, "holidays": ["2026-01-15"], "special": {"2026-01-15": [["10:00", "11:00"]]}})

    assert elapsed(calendar, at("2026-01-15"), at("2026-01-16")) == HOUR


def test_special_hours_cut_off_the_night_shift_of_the_evening_before():
    nights = {day: [["22:00", "06:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    calendar = parse_calendar({"windows": nights, "special": {"2026-01-15": [["10:00", "11:00"]]}})

    assert elapsed(calendar, at("2026-01-14T12:00"), at("2026-01-15T12:00")) == 3 * HOUR


def test_a_special_night_shift_lasts_into_an_ordinary_date():
    calendar = parse_calendar({"windows": OFFICE, "special": {"2026-01-14": [["20:00", "04:00"]]}})

    assert elapsed(calendar, at("2026-01-14T00:00"), at("2026-01-15T08:00")) == 8 * HOUR


def test_a_midnight_that_comes_twice_is_counted_once():
    # Havana sets its clocks back from 01:00 to 00:00 on 2024-11-03.
    calendar = parse_calendar({"zone": "America/Havana", "windows": {day: [["00:00", "24:00"]] for day in ("sat", "sun")}})

    assert elapsed(calendar, at("2024-11-02T04:00"), at("2024-11-04T05:00")) == 49 * HOUR


def test_overlapping_shifts_of_two_days_count_once():
    calendar = parse_calendar({"windows": {"mon": [["20:00", "06:00"]], "tue": [["04:00", "08:00"]]}})

    assert elapsed(calendar, at("2026-01-12"), at("2026-01-14")) == 12 * HOUR
    assert [span.end - span.start for span in open_between(calendar, at("2026-01-12"), at("2026-01-14"))] == [10 * HOUR, 2 * HOUR]


def test_the_calendar_that_never_closes_is_always_open():
    calendar = always_open()

    assert is_open(calendar, at("2026-01-17T03:00"))
    assert deadline(calendar, at("2026-01-17T03:00"), 100 * HOUR) == at("2026-01-17T03:00") + 100 * HOUR


def test_a_calendar_that_never_opens_ends_every_search():
    calendar = parse_calendar({"windows": {}})

    assert never_opens(calendar, at("2026-01-15"))
    assert next_open(calendar, at("2026-01-15")) is None
    assert deadline(calendar, at("2026-01-15"), 1) is None
    assert working_day(calendar, date(2026, 1, 15), 1) is None


def test_a_calendar_that_opens_after_400_days_opens_too_late():
    calendar = parse_calendar({"special": {"2027-06-01": [["09:00", "10:00"]]}})

    assert never_opens(calendar, at("2026-01-15"))
    assert not never_opens(calendar, at("2026-12-15"))


def test_night_shifts_have_no_working_days_to_promise():
    assert crosses_midnight(parse_calendar({"windows": {"mon": [["22:00", "06:00"]]}}))
    assert crosses_midnight(parse_calendar({"windows": OFFICE, "special": {"2026-01-15": [["22:00", "06:00"]]}}))
    assert not crosses_midnight(parse_calendar({"windows": {"mon": [["00:00", "24:00"]]}}))


def test_an_instant_on_a_close_belongs_to_the_day_that_it_ends():
    calendar = parse_calendar({"windows": {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}})

    assert from_us(shift_by_days(calendar, at("2026-01-15T00:00"), 2)) == datetime(2026, 1, 17, tzinfo=UTC)  # Wednesday, 24:00


def test_working_days_are_counted_back_too():
    calendar = parse_calendar({"windows": OFFICE, "holidays": ["2026-01-14"]})

    assert working_day(calendar, date(2026, 1, 15), -2) == date(2026, 1, 12)


def test_days_are_remembered_without_changing_the_answer():
    calendar = parse_calendar({"zone": "Europe/Berlin", "windows": OFFICE})

    assert windows_on(calendar, date(2026, 1, 15)) is windows_on(calendar, date(2026, 1, 15))


def test_touching_spans_become_one():
    assert unite([Span(5, 7), Span(1, 3), Span(3, 5), Span(9, 11)]) == (Span(1, 7), Span(9, 11))


def test_shown_seconds_round_toward_zero():
    assert [shown_seconds(us) for us in (1_999_999, -1_999_999, 0)] == [1, -1, 0]
