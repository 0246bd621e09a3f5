"""When to try again and when to fire: the vectors of the specification."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.core.jobs import rules
from mainstay.core.jobs.rules import Daily, Every, FireOutcome, RetryReason
from mainstay.kernel.errors import Conflict, Invalid, NotFound, Refused, Unavailable

BERLIN, NEW_YORK, LORD_HOWE, UTC_ZONE = (ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        (BERLIN, "2027-03-28T02:30", "2027-03-28T01:00"),
        (BERLIN, "2026-10-25T02:30", "2026-10-25T00:30"),
        (NEW_YORK, "2027-03-14T02:30", "2027-03-14T07:00"),
        (NEW_YORK, "2026-11-01T01:30", "2026-11-01T05:30"),
        (LORD_HOWE, "2026-10-04T02:15", "2026-10-03T15:30"),
        (LORD_HOWE, "2027-04-04T01:45", "2027-04-03T14:45"),
        (BERLIN, "2027-03-28T03:00", "2027-03-28T01:00"),
        (BERLIN, "2026-07-01T12:00", "2026-07-01T10:00"),
    ],
)
def test_a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_its_first_occurrence(zone, local, instant) -> None:
    assert rules.first_instant(datetime.fromisoformat(local), zone) == utc(instant)


@pytest.mark.parametrize(
    ("zone", "local"),
    [(BERLIN, "2027-03-28T02:30"), (BERLIN, "2026-10-25T02:30"), (NEW_YORK, "2026-11-01T01:30"), (LORD_HOWE, "2027-04-04T01:45")],
)
def test_a_schedule_fires_once_on_the_day_of_a_clock_change(zone, local) -> None:
    at = datetime.fromisoformat(local)
    begin = datetime.combine(at.date() - timedelta(days=1), at.time(), zone).astimezone(UTC)

    first = rules.next_fire(Daily(at.time()), zone, begin)
    second = rules.next_fire(Daily(at.time()), zone, first)

    assert first == rules.first_instant(at, zone)
    assert second.astimezone(zone).date() == at.date() + timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "start", "end", "begins", "ends"),
    [
        ("2027-03-27", "22:00", "06:00", "2027-03-27T21:00", "2027-03-28T04:00"),
        ("2026-10-24", "22:00", "06:00", "2026-10-24T20:00", "2026-10-25T05:00"),
        ("2027-03-28", "02:00", "04:00", "2027-03-28T01:00", "2027-03-28T02:00"),
        ("2026-10-25", "01:00", "02:30", "2026-10-24T23:00", "2026-10-25T01:30"),
    ],
)
def test_a_window_over_a_clock_change_has_its_true_length(day, start, end, begins, ends) -> None:
    window = rules.window(date.fromisoformat(day), time.fromisoformat(start), time.fromisoformat(end), BERLIN)

    assert window == (utc(begins), utc(ends))


def planned(rule, due: str, now: str, grace_h: int | None):
    grace = None if grace_h is None else timedelta(hours=grace_h)
    plan = rules.plan_fires(rule, UTC_ZONE, utc(due), utc(now), grace)
    return [(at.strftime("%H:%M"), str(outcome)) for at, outcome in plan.fires], plan.next_fire


@pytest.mark.parametrize(("grace_h", "outcome"), [(None, "skipped_misfire"), (4, "started"), (2, "skipped_misfire")])
def test_a_missed_fire_starts_late_only_within_its_grace(grace_h, outcome) -> None:
    fires, following = planned(Daily(time(2)), "2026-05-05T02:00", "2026-05-05T05:00", grace_h)

    assert fires == [("02:00", outcome)]
    assert following == utc("2026-05-06T02:00")


def test_of_several_missed_fires_the_newest_starts_and_the_others_are_coalesced() -> None:
    fires, following = planned(Every(60), "2026-05-05T02:00", "2026-05-05T04:10", 4)

    assert fires == [("02:00", "coalesced"), ("03:00", "coalesced"), ("04:00", "started")]
    assert following == utc("2026-05-05T05:00")


def test_without_grace_all_missed_fires_are_skipped() -> None:
    fires, _ = planned(Every(60), "2026-05-05T02:00", "2026-05-05T04:10", None)

    assert [outcome for _, outcome in fires] == ["skipped_misfire"] * 3


def test_a_fire_within_a_minute_is_on_time() -> None:
    assert planned(Daily(time(2)), "2026-05-05T02:00", "2026-05-05T02:01", None)[0] == [("02:00", "started")]
    late = rules.plan_fires(Daily(time(2)), UTC_ZONE, utc("2026-05-05T02:00"), utc("2026-05-05T02:01") + timedelta(seconds=1), None)
    assert late.fires[0][1] is FireOutcome.SKIPPED_MISFIRE


def test_after_a_very_long_absence_the_oldest_thousand_are_settled_first_and_none_of_them_starts() -> None:
    fires, following = planned(Every(1), "2026-05-01T00:00", "2026-05-05T00:00", 1)

    assert len(fires) == 1000
    assert {outcome for _, outcome in fires} == {"coalesced"}
    assert following == utc("2026-05-01T00:00") + timedelta(minutes=1000)


@given(
    st.datetimes(datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2035-01-01")),
    st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE]),
    st.times(),
)
def test_the_next_fire_is_later_and_at_most_two_days_away(after, zone, at) -> None:
    at = at.replace(second=0, microsecond=0)

    fire = rules.next_fire(Daily(at), zone, after.replace(tzinfo=UTC))

    assert timedelta(0) < fire - after.replace(tzinfo=UTC) <= timedelta(hours=49)


@pytest.mark.parametrize("rule", [Every(5), Daily(time(2, 30)), Daily(time(23), frozenset({0, 4}))])
def test_a_rule_is_read_back_as_it_was_stored(rule) -> None:
    assert rules.from_json(rules.to_json(rule)) == rule


@pytest.mark.parametrize("value", [{}, {"kind": "every", "minutes": 0}, {"kind": "daily", "at": "02:00", "days": [7]}, {"kind": "cron"}])
def test_a_rule_of_another_form_is_refused(value) -> None:
    with pytest.raises(Invalid):
        rules.from_json(value)


def test_what_is_down_is_tried_for_nearly_sixteen_hours() -> None:
    waits = [rules.after_failure(Unavailable("x.down"), tries) for tries in range(1, 13)]

    assert [wait.fields.seconds for wait in waits[:4]] == [1, 5, 15, 60]
    assert sum(wait.fields.seconds for wait in waits[:11]) == 57_081
    assert (waits[11].is_yes, waits[11].reason) == (False, RetryReason.TRIES_USED_UP)


@pytest.mark.parametrize(
    ("error", "tries", "reason"),
    [
        (Unavailable("x.gone", retryable=False), 1, RetryReason.FINAL),
        (Refused("x"), 1, RetryReason.FINAL),
        (NotFound("x"), 1, RetryReason.FINAL),
        (Invalid("x"), 1, RetryReason.FINAL),
        (Conflict("x"), 2, RetryReason.TRIES_USED_UP),
        (ValueError("a defect"), 5, RetryReason.TRIES_USED_UP),
    ],
)
def test_what_cannot_get_better_is_given_up(error, tries, reason) -> None:
    verdict = rules.after_failure(error, tries)

    assert (verdict.is_yes, verdict.reason) == (False, reason)


def test_a_conflict_is_tried_once_more_and_a_defect_four_times() -> None:
    assert rules.after_failure(Conflict("x"), 1).reason is RetryReason.THE_WORLD_MOVED_ON
    assert [rules.after_failure(ValueError(), tries).fields.seconds for tries in range(1, 5)] == [1, 5, 30, 120]
