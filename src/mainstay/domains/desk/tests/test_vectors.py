"""The 162 vectors of the SLA engine, by their meaning."""

from collections import Counter

from mainstay.domains.desk.rules import sla, targets
from mainstay.domains.desk.rules.targets import Gap, unite_gaps
from mainstay.domains.desk.tests import vectors
from mainstay.kernel.calendars import Span, elapsed, is_open, next_open, shown_seconds, windows_on


def _gaps(case):
    if case.get("clock") == "first_response":
        return ()
    gaps = [Gap(vectors.instant(start), vectors.us(end)) for start, end in case["pauses"]]
    return unite_gaps(gaps, since=vectors.instant(case["start"]))


def test_there_are_162_vectors_of_five_kinds():
    assert Counter(case["kind"] for case in vectors.load()) == {
        "deadline": 90,
        "clocks": 34,
        "windows": 17,
        "elapsed": 16,
        "open": 5,
    }


def test_windows_of_a_date_follow_the_zone():
    cases = vectors.of_kind("windows")
    for case in cases:
        found = windows_on(vectors.calendar_of(case), vectors.day(case["day"]))
        expected = tuple(Span(vectors.instant(start), vectors.instant(end)) for start, end in case["expect"]["windows"])
        assert found == expected, case["id"]
        assert shown_seconds(sum(span.end - span.start for span in found)) == case["expect"]["seconds"], case["id"]
    assert len(cases) == 17


def test_a_window_is_half_open():
    cases = vectors.of_kind("open")
    for case in cases:
        assert is_open(vectors.calendar_of(case), vectors.instant(case["at"])) is case["expect"]["open"], case["id"]
    assert len(cases) == 5


def test_due_instants_pauses_and_thresholds_are_exact():
    cases = vectors.of_kind("deadline")
    for case in cases:
        calendar, start, expect = vectors.calendar_of(case), vectors.instant(case["start"]), case["expect"]
        assert next_open(calendar, start) == vectors.us(expect["effective_start"]), case["id"]
        if "due" not in expect:
            continue
        target, gaps = vectors.target_of(case, calendar), _gaps(case)
        due = targets.due_at(target, start, gaps)
        assert due == vectors.us(expect["due"]), case["id"]
        if "paused_s" in expect:
            assert shown_seconds(targets.business_within(target, gaps, due)) == expect["paused_s"], case["id"]
        if "escalate" in case:
            threshold = vectors.threshold_of(case["escalate"])
            assert targets.threshold_at(target, threshold, start, gaps) == vectors.us(expect["escalation_at"]), case["id"]
    assert len(cases) == 90


def test_elapsed_business_time_is_exact():
    cases = vectors.of_kind("elapsed")
    for case in cases:
        calendar, start, until, expect = (
            vectors.calendar_of(case),
            vectors.instant(case["start"]),
            vectors.instant(case["until"]),
            case["expect"],
        )
        target, gaps = vectors.target_of(case, calendar), _gaps(case)
        paused = targets.business_within(target, gaps, until)
        used = elapsed(calendar, start, until) - paused
        assert next_open(calendar, start) == vectors.us(expect["effective_start"]), case["id"]
        assert shown_seconds(used) == expect["elapsed_s"], case["id"]
        assert shown_seconds(paused) == expect.get("paused_s", shown_seconds(paused)), case["id"]
        if "target_s" in case:
            assert targets.due_at(target, start, gaps) == vectors.us(expect["due"]), case["id"]
            assert shown_seconds(target.length_us - used) == expect["remaining_s"], case["id"]
    assert len(cases) == 16


def _shown(state: sla.ClockState):
    return {
        "clock": state.clock,
        "cycle": state.cycle,
        "start": state.start,
        "due": state.due,
        "stopped_at": state.stopped_at,
        "consumed_s": shown_seconds(state.consumed),
        "paused_s": shown_seconds(state.paused),
        "breached_at": state.breached_at,
        "result": state.result,
        "state": state.state,
        "flags": sorted(state.flags),
    } | ({"result_before": state.result_before} if state.result_before else {})


def _expected(clock):
    instants = ("start", "due", "stopped_at", "breached_at")
    return {name: vectors.us(value) if name in instants else value for name, value in clock.items()} | {"flags": sorted(clock["flags"])}


def test_histories_give_exactly_the_expected_clocks():
    cases = vectors.of_kind("clocks")
    for case in cases:
        calendar = vectors.calendar_of(case)
        states = sla.evaluate(
            vectors.policy_of(case["policy"], calendar), list(vectors.events_of(case, calendar)), vectors.instant(case["now"])
        )
        assert [_shown(state) for state in states] == [_expected(clock) for clock in case["expect"]["clocks"]], case["id"]
    assert len(cases) == 34


def test_the_explanation_of_every_history_adds_up():
    for case in vectors.of_kind("clocks"):
        calendar = vectors.calendar_of(case)
        for state in sla.evaluate(
            vectors.policy_of(case["policy"], calendar), list(vectors.events_of(case, calendar)), vectors.instant(case["now"])
        ):
            lengths = Counter()
            for segment in sla.segments(state):
                lengths[segment.kind] += segment.length
            assert lengths[sla.SegmentKind.RUNNING] == state.consumed, case["id"]
            assert lengths[sla.SegmentKind.PAUSED] == state.paused, case["id"]
            assert sum(lengths.values()) == state.end - state.start, case["id"]
