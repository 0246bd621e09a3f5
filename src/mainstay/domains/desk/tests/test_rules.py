"""References, priorities and statuses."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstay.domains.desk.rules.folding import Did
from mainstay.domains.desk.rules.policy import Target, WaitingReason
from mainstay.domains.desk.rules.priority import Impact, Urgency, more_pressing, priority
from mainstay.domains.desk.rules.references import Reference, parse_reference
from mainstay.domains.desk.rules.tickets import (
    JoinReason,
    Move,
    MoveReason,
    RecoveryReason,
    Status,
    join,
    move,
    recovery,
)
from mainstay.domains.desk.rules.wording import line, target_text
from mainstay.kernel.calendars import always_open
from mainstay.kernel.errors import Invalid

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=6)


@pytest.mark.parametrize("text", ["ACME-1042-29", "ACME-1024-83", "ACME-1-32", "NW-999999-84"])
def test_known_references_have_their_check_digits(text):
    assert str(parse_reference(text)) == text


def test_a_reference_is_read_as_people_type_it():
    assert parse_reference(" acme-1042-29 ") == Reference("ACME", 1042)


@given(LETTERS, st.integers(1, 10**9), st.data())
def test_one_mistyped_digit_is_always_noticed(prefix, number, data):
    text = str(Reference(prefix, number))
    place = data.draw(st.sampled_from([index for index, char in enumerate(text) if char.isdigit()]))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != text[place]]))

    with pytest.raises(Invalid, match=r"mistyped|no ticket reference"):
        parse_reference(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "ACME", "ACME-0-11", "ACME-1-3", "ACMEACM-1-32", "ACME-１-32", "ACME-1-32; drop"])
def test_other_text_is_no_reference(text):
    with pytest.raises(Invalid) as problem:
        parse_reference(text)
    assert problem.value.code == "desk.reference_bad"


def test_priority_is_impact_plus_urgency_minus_one():
    assert [[priority(impact, urgency) for urgency in Urgency] for impact in Impact] == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]


def test_a_vip_raises_urgency_by_one_step_and_never_above_the_top():
    assert priority(Impact.PERSON, Urgency.CAN_WAIT, is_vip=True) == 4
    assert priority(Impact.PERSON, Urgency.STOPPED, is_vip=True) == 3


def test_nothing_is_more_pressing_than_priority_one():
    assert [more_pressing(current) for current in (1, 2, 5)] == [1, 1, 4]


ALLOWED = {
    Status.NEW: "open waiting resolved cancelled merged",
    Status.OPEN: "open waiting resolved cancelled merged",
    Status.WAITING: "open waiting resolved cancelled merged",
    Status.RESOLVED: "open closed",
    Status.CLOSED: "open",
    Status.CANCELLED: "open",
    Status.MERGED: "",
}


@pytest.mark.parametrize("source", Status)
@pytest.mark.parametrize("target", Status)
def test_every_transition_is_allowed_or_refused_as_the_table_says(source, target):
    waiting = WaitingReason.VENDOR if target is Status.WAITING else None
    held = WaitingReason.CUSTOMER if source is Status.WAITING else None

    decision = move(source, held, Move(target, waiting, reason="The client called again."), now=NOW)

    allowed = target in ALLOWED[source].split() and (source, held) != (target, waiting)
    assert decision.is_yes is allowed
    if not allowed:
        assert decision.reason in (MoveReason.NOT_FROM_HERE, MoveReason.UNCHANGED)


def test_waiting_names_whom_it_waits_for():
    assert move(Status.OPEN, None, Move(Status.WAITING), now=NOW).reason is MoveReason.WAITING_FOR_WHOM
    assert move(Status.NEW, None, Move(Status.OPEN, WaitingReason.VENDOR), now=NOW).reason is MoveReason.WAITING_FOR_WHOM


def test_scheduled_needs_a_resume_time_that_is_still_to_come():
    wish = Move(Status.WAITING, WaitingReason.SCHEDULED)
    late = Move(Status.WAITING, WaitingReason.SCHEDULED, resume_at=NOW)
    agreed = Move(Status.WAITING, WaitingReason.SCHEDULED, resume_at=NOW + timedelta(hours=1))

    assert move(Status.OPEN, None, wish, now=NOW).reason is MoveReason.RESUME_TIME_MISSING
    assert move(Status.OPEN, None, late, now=NOW).reason is MoveReason.RESUME_TIME_PAST
    assert move(Status.OPEN, None, agreed, now=NOW).fields == agreed


@pytest.mark.parametrize("status", [Status.CLOSED, Status.CANCELLED])
def test_bringing_back_a_closed_ticket_needs_a_sentence(status):
    assert move(status, None, Move(Status.OPEN, reason="  "), now=NOW).reason is MoveReason.REASON_MISSING


def test_a_recovery_resolves_only_what_nobody_touched_and_nothing_else_breaks():
    assert recovery(Status.NEW, is_touched=False, firing_alerts=0).reason is RecoveryReason.NOBODY_TOUCHED_IT
    assert recovery(Status.NEW, is_touched=True, firing_alerts=0).reason is RecoveryReason.SOMEBODY_IS_ON_IT
    assert recovery(Status.NEW, is_touched=False, firing_alerts=1).reason is RecoveryReason.OTHER_ALERT_FIRES
    assert recovery(Status.RESOLVED, is_touched=False, firing_alerts=0).reason is RecoveryReason.ALREADY_DONE


def test_a_recurrence_reopens_within_a_day_and_not_later():
    day = timedelta(hours=24)

    assert join(None, None, fired_at=NOW) is JoinReason.FIRST_OF_ITS_CAUSE
    assert join(Status.WAITING, None, fired_at=NOW) is JoinReason.SAME_CAUSE
    assert join(Status.RESOLVED, NOW - day, fired_at=NOW) is JoinReason.RECURRED
    assert join(Status.RESOLVED, NOW - day - timedelta(microseconds=1), fired_at=NOW) is JoinReason.LAST_ONE_LONG_AGO
    assert join(Status.CLOSED, NOW, fired_at=NOW) is JoinReason.LAST_ONE_LONG_AGO


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(always_open(), seconds=900), "15 business minutes"),
        (Target(always_open(), seconds=3_600), "1 business hour"),
        (Target(always_open(), seconds=5_400), "90 business minutes"),
        (Target(always_open(), days=1), "1 working day"),
        (Target(always_open(), days=5, end_of_day=True), "5 working days, until the end of the day"),
    ],
)
def test_a_promise_is_worded_as_a_contract_would(target, words):
    assert target_text(target) == words


@pytest.mark.parametrize("did", Did)
def test_every_kind_of_event_has_a_sentence(did):
    said = line(did, {"to": "waiting:vendor", "owner": "p:tara", "priority": 2, "reason": "flapping"}, {"p:tara": "Tara"})

    assert said.title[0].isupper()
    assert "_" not in said.title
