"""Windows across clock changes, and what may start inside them."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from mainstay_trust import windows
from mainstay_trust.errors import Rejected
from mainstay_trust.windows import Freeze, Window

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window("night", "Europe/Berlin", "FREQ=DAILY", time(22), time(6))


def instant(text):
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("day", "start", "end", "opens", "closes"),
    [
        ("2027-03-27", time(22), time(6), "2027-03-27T21:00Z", "2027-03-28T04:00Z"),
        ("2026-10-24", time(22), time(6), "2026-10-24T20:00Z", "2026-10-25T05:00Z"),
        ("2027-03-28", time(2), time(4), "2027-03-28T01:00Z", "2027-03-28T02:00Z"),
        ("2027-03-28", time(2, 30), time(4), "2027-03-28T01:00Z", "2027-03-28T02:00Z"),
        ("2026-10-25", time(1), time(2, 30), "2026-10-24T23:00Z", "2026-10-25T01:30Z"),
    ],
)
def test_a_window_keeps_its_local_edges_across_clock_changes(day, start, end, opens, closes):
    span = Window("w", "Europe/Berlin", "FREQ=DAILY", start, end).span(date.fromisoformat(day), BERLIN)

    assert span == (datetime.fromisoformat(opens), datetime.fromisoformat(closes))


def judge(at, *, window="night", freezes=(), action="reboot", p95_s=1800, listed=(NIGHT,)):
    return windows.judge(listed, freezes, window, action, at=instant(at), zone=lambda name: BERLIN, p95_s=p95_s)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-06-01T19:59:59Z", "window_closed"),
        ("2026-06-01T20:00:00Z", None),
        ("2026-06-02T03:30:00Z", None),
        ("2026-06-02T03:30:01Z", "window_closed"),
        ("2026-06-02T12:00:00Z", "window_closed"),
    ],
)
def test_an_action_starts_only_if_it_can_also_end_inside(at, code):
    assert judge(at) == code


def test_a_window_that_the_policy_does_not_hold_is_unknown():
    assert judge("2026-06-01T21:00:00Z", window="invented") == "window_unknown"


def test_a_freeze_calendar_holds_what_needs_a_window_and_what_it_names():
    everything = Freeze("year end", instant("2026-06-01T00:00Z"), instant("2026-06-30T00:00Z"), None)
    restarts = Freeze("go-live", everything.begin, everything.end, frozenset({"service.restart"}))
    at = "2026-06-01T21:00:00Z"

    assert judge(at, freezes=[everything]) == "freeze_calendar"
    assert judge(at, freezes=[everything], window=None, action="service.restart") is None
    assert judge(at, freezes=[restarts], window=None, action="service.restart") == "freeze_calendar"
    assert judge("2026-07-01T21:00:00Z", freezes=[everything]) is None


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=DAILY", range(1, 31)),
        ("FREQ=WEEKLY;BYDAY=SA,SU", [6, 7, 13, 14, 20, 21, 27, 28]),
        ("FREQ=MONTHLY;BYDAY=2TU", [9]),
        ("FREQ=MONTHLY;BYDAY=-1SU", [28]),
        ("FREQ=MONTHLY;BYDAY=5MO", [29]),
    ],
)
def test_a_rule_names_days_of_june_2026(rule, days):
    window = Window("w", "device", rule, time(1), time(2))

    assert [day for day in range(1, 31) if window.opens_on(date(2026, 6, day))] == list(days)


@pytest.mark.parametrize(
    "change",
    [
        {"rrule": "FREQ=HOURLY"},
        {"rrule": "FREQ=WEEKLY;BYDAY=XX"},
        {"rrule": "FREQ=DAILY;COUNT=3"},
        {"zone": "../etc"},
        {"start": "24:00"},
        {"more": 1},
    ],
    ids=str,
)
def test_a_window_that_would_be_guessed_at_is_refused(change):
    given = {"id": "w", "zone": "device", "rrule": "FREQ=DAILY", "start": "01:00", "end": "02:00"}

    assert windows.read_window(given).start == time(1)
    with pytest.raises(Rejected, match="bad_policy"):
        windows.read_window(given | change)
