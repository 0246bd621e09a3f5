"""Properties of business time and of clock histories that hold for every input."""

from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mainstay.domains.desk.rules import sla, targets
from mainstay.domains.desk.rules.policy import ClockName, Policy, Target, pause_reasons
from mainstay.domains.desk.rules.targets import Gap, unite_gaps
from mainstay.domains.desk.rules.timeline import Event
from mainstay.kernel.calendars import SECOND, deadline, elapsed, is_open, next_open, open_between, parse_calendar

OFFICE = ("mon", "tue", "wed", "thu", "fri")
WEEK = (*OFFICE, "sat", "sun")


def _hours(days, *windows):
    return {day: [list(window) for window in windows] for day in days}


CALENDARS = tuple(
    parse_calendar(data)
    for data in (
        {"zone": "UTC", "windows": _hours(OFFICE, ("09:00", "17:00"))},
        {
            "zone": "America/New_York",
            "windows": _hours(OFFICE, ("09:00", "12:00"), ("13:00", "17:00")),
            "holidays": ["2024-07-04"],
            "yearly": ["12-25"],
        },
        {"zone": "Europe/Berlin", "windows": _hours(WEEK, ("22:00", "06:00"))},
        {"zone": "Australia/Lord_Howe", "windows": _hours(("mon", "wed", "sun"), ("00:00", "24:00"))},
        {"zone": "America/Havana", "windows": _hours(("sat", "sun"), ("20:00", "04:00"), ("00:30", "05:00"))},
    )
)
YEAR_2024 = 1_704_067_200 * SECOND
DAY = 86_400 * SECOND
calendars = st.sampled_from(CALENDARS)
instants = st.integers(YEAR_2024, YEAR_2024 + 366 * DAY)
lengths = st.integers(0, 60 * 3_600 * SECOND)
gap_lists = st.lists(st.tuples(instants, st.integers(0, 5 * DAY)), max_size=4).map(
    lambda pairs: [Gap(start, start + length) for start, length in pairs]
)


@given(calendars, instants, lengths)
def test_a_deadline_is_the_earliest_instant_with_that_much_business_time(calendar, start, length):
    due = deadline(calendar, start, length)

    assert elapsed(calendar, start, due) == length
    if length:
        assert elapsed(calendar, start, due - 1) == length - 1


@given(calendars, instants, lengths, lengths)
def test_a_longer_promise_is_never_due_earlier(calendar, start, length, more):
    assert deadline(calendar, start, length) <= deadline(calendar, start, length + more)


@given(calendars, instants, st.integers(0, 30 * DAY), lengths)
def test_a_later_start_is_never_due_earlier(calendar, start, later, length):
    assert deadline(calendar, start, length) <= deadline(calendar, start + later, length)


@given(calendars, instants, st.integers(0, 30 * DAY), st.integers(0, 30 * DAY))
def test_business_time_adds_up_over_a_split(calendar, start, first, second):
    middle, end = start + first, start + first + second

    assert elapsed(calendar, start, end) == elapsed(calendar, start, middle) + elapsed(calendar, middle, end)


@given(calendars, instants, st.integers(1, 30 * DAY))
def test_open_stretches_are_disjoint_in_order_and_open(calendar, start, length):
    spans = list(open_between(calendar, start, start + length))

    assert all(first.end <= second.start for first, second in pairwise(spans))
    assert all(start <= span.start < span.end <= start + length for span in spans)
    assert all(is_open(calendar, span.start) and is_open(calendar, span.end - 1) for span in spans)


@given(calendars, instants, lengths, gap_lists, st.tuples(instants, st.integers(0, 5 * DAY)))
def test_a_pause_never_makes_a_due_instant_earlier(calendar, start, length, gaps, further):
    target = Target(calendar, seconds=length // SECOND)
    more = [*gaps, Gap(further[0], sum(further))]

    before = targets.due_at(target, start, unite_gaps(gaps, since=start))

    assert before <= targets.due_at(target, start, unite_gaps(more, since=start))


@given(calendars, instants, lengths, instants, st.integers(1, 3 * DAY))
def test_a_pause_outside_windows_changes_nothing(calendar, start, length, at, size):
    assume(not elapsed(calendar, at, at + size))
    target = Target(calendar, seconds=length // SECOND)

    assert targets.due_at(target, start, unite_gaps([Gap(at, at + size)], since=start)) == targets.due_at(target, start, ())


@given(instants, gap_lists, st.randoms(use_true_random=False))
def test_order_and_duplicates_of_pauses_do_not_matter(start, gaps, random):
    shuffled = [*gaps, *gaps]
    random.shuffle(shuffled)

    assert unite_gaps(shuffled, since=start) == unite_gaps(gaps, since=start)


@given(calendars, instants, st.integers(1, 60), gap_lists, st.integers(1, 99))
def test_thresholds_pass_in_order_and_consume_their_share(calendar, start, hours, gaps, percent):
    target = Target(calendar, seconds=hours * 3_600)
    united = unite_gaps(gaps, since=start)

    shares = [targets.threshold_at(target, sla.Threshold(percent=share), start, united) for share in (percent, 100, 100 + percent)]

    assert shares == sorted(shares)
    used = elapsed(calendar, start, shares[0]) - targets.business_within(target, united, shares[0])
    assert used == -(-hours * 3_600 * percent // 100) * SECOND


@given(calendars, instants)
def test_the_next_opening_is_open_and_nothing_before_it_is(calendar, at):
    opened = next_open(calendar, at)

    assert is_open(calendar, opened)
    assert elapsed(calendar, at, opened) == 0


# --- histories ------------------------------------------------------------------------------------------------------

POLICY = Policy(
    {
        clock: Target(CALENDARS[0], seconds=seconds, pause_on=pause_reasons(clock))
        for clock, seconds in (
            (ClockName.ASSIGNMENT, 1_800),
            (ClockName.FIRST_RESPONSE, 3_600),
            (ClockName.NEXT_RESPONSE, 7_200),
            (ClockName.UPDATE, 14_400),
            (ClockName.RESOLUTION, 28_800),
            (ClockName.UNDERPINNING, 28_800),
        )
    }
)
SHORTER = Policy({ClockName.RESOLUTION: Target(CALENDARS[0], seconds=3_600, pause_on=pause_reasons(ClockName.RESOLUTION))})
LONGER = Policy({ClockName.RESOLUTION: Target(CALENDARS[0], seconds=90_000, pause_on=pause_reasons(ClockName.RESOLUTION))})

BODIES = (
    ("message", {"side": "client"}),
    ("message", {"side": "client", "class": "hard"}),
    ("message", {"side": "staff", "public": True, "human": True}),
    ("message", {"side": "staff", "public": False, "human": True}),
    ("assigned", {"by": "human"}),
    ("assigned", {"by": "rule"}),
    ("status", {"to": "open"}),
    ("status", {"to": "waiting:customer"}),
    ("status", {"to": "waiting:vendor"}),
    ("status", {"to": "resolved"}),
    ("reason", {"reason": "approval", "on": True}),
    ("reason", {"reason": "approval", "on": False}),
    ("policy", {"mode": "retroactive"}),
    ("policy", {"mode": "from_now"}),
    ("bounced", {"of": 3}),
    ("bounced", {"of": 4}),
)
MONDAY = 1_717_405_200 * SECOND  # 2024-06-03T09:00:00Z


@st.composite
def histories(draw):
    """A created ticket and what happened to it, each event known at once or somewhat later."""
    at, events = MONDAY, [Event(MONDAY, 1, "created", {"by": draw(st.sampled_from(["requester", "staff", "alert"]))}, MONDAY)]
    steps = draw(st.lists(st.tuples(st.sampled_from(BODIES), st.integers(0, 20), st.integers(0, 6), st.booleans()), max_size=10))
    for seq, ((kind, data), wait, delay, is_shorter) in enumerate(steps, start=2):
        at += wait * 1_800 * SECOND
        late = delay * 3_600 * SECOND if kind == "message" and delay > 4 else 0
        policy = (SHORTER if is_shorter else LONGER) if kind == "policy" else None
        events.append(Event(at, seq, kind, {**data, "id": seq}, at + late, policy))
    return events


@given(histories(), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_a_recorded_breach_is_never_lost_as_time_goes_on(events, hours):
    end = max(event.known_at for event in events) + hours * 900 * SECOND
    instants = sorted({event.known_at for event in events} | {end})

    seen = {}
    for now in instants:
        for state in sla.evaluate(POLICY, events, now):
            if state.breached_at is not None:
                seen.setdefault((state.clock, state.breached_at), now)
    final = {(state.clock, state.breached_at) for state in sla.evaluate(POLICY, events, end)}

    assert set(seen) <= final
    assert all(at <= known for (_, at), known in seen.items())


@given(histories())
@settings(max_examples=150, deadline=None)
def test_evaluating_after_each_event_equals_evaluating_once(events):
    end = max(event.known_at for event in events) + 7 * DAY

    known = []
    for event in sorted(events, key=lambda event: event.known_at):
        known.append(event)
        partial = sla.evaluate(POLICY, known, event.known_at)
        if event is not events[-1]:
            assert partial == sla.evaluate(POLICY, events, event.known_at) or _ties(events, event)

    assert sla.evaluate(POLICY, known, end) == sla.evaluate(POLICY, events, end)


def _ties(events, event):
    return sum(other.known_at == event.known_at for other in events) > 1


@given(histories(), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_every_second_of_every_clock_is_explained(events, quarters):
    now = max(event.known_at for event in events) + quarters * 900 * SECOND

    for state in sla.evaluate(POLICY, events, now):
        lengths = dict.fromkeys(sla.SegmentKind, 0)
        for segment in sla.segments(state):
            lengths[segment.kind] += segment.length
        assert (lengths[sla.SegmentKind.RUNNING], lengths[sla.SegmentKind.PAUSED]) == (state.consumed, state.paused)
        assert sum(lengths.values()) == max(0, state.end - state.start)


@given(histories(), st.integers(0, 200))
@settings(max_examples=150, deadline=None)
def test_met_and_breached_exclude_each_other(events, quarters):
    now = max(event.known_at for event in events) + quarters * 900 * SECOND

    for state in sla.evaluate(POLICY, events, now):
        if state.result is sla.Result.MET:
            assert state.breached_at is None
            assert state.due is None or state.stopped_at <= state.due or sla.Flag.CREATED_CLOSED in state.flags
        if state.result is sla.Result.BREACHED:
            assert state.breached_at is not None
            assert state.breached_at <= now
