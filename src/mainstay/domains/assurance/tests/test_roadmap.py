"""The roadmap: the vectors of the security page, section 6.4, the order, and the score after each step."""

from datetime import date, timedelta

import pytest

from mainstay.domains.assurance.rules.judged import DataClass, Exposure, Severity
from mainstay.domains.assurance.rules.results import Verdict
from mainstay.domains.assurance.rules.roadmap import Deadline, Money, Stage, effort_min, plan, priority_key, risk, scores_after, stage
from mainstay.domains.assurance.tests.builders import check, judgement, subjects

FAIL, PASS = Verdict.FAIL, Verdict.PASS
TODAY = date(2026, 11, 19)


def ids(*judgements, deadlines=()):
    return [(step.check.id, step.stage) for step in plan(judgements, deadlines=dict(deadlines), today=TODAY)]


def test_the_vector_of_a_critical_hole_on_the_internet():
    affected = subjects(1, Exposure.INTERNET, DataClass.REGULATED)
    one = check(severity="critical", effort_base_min=30, effort_each_min=0)

    (step,) = plan([judgement(one, FAIL, on=affected)], deadlines={}, today=TODAY)

    assert (step.risk, step.key, step.stage) == (90, 3000, Stage.NOW)


def test_the_vector_of_twelve_hosts_inside():
    affected = subjects(12, Exposure.INTERNAL, DataClass.REGULATED)
    one = check(effort_base_min=60, effort_each_min=10)

    (step,) = plan([judgement(one, *[FAIL] * 12, on=affected)], deadlines={}, today=TODAY)

    assert (step.risk, step.effort_min, step.key, step.stage) == (144, 180, 800, Stage.NEXT)


def test_a_runbook_costs_no_minutes_for_each_subject():
    assert effort_min(check(effort_base_min=10, effort_each_min=5, runbook="restart_service"), 12) == 10


def test_minutes_below_five_count_as_five():
    assert priority_key(10, 1) == priority_key(10, 5) == 2000


def test_the_worst_subject_sets_exposure_and_data():
    mixed = (*subjects(2, Exposure.ISOLATED), *subjects(1, Exposure.INTERNET, DataClass.CONFIDENTIAL))

    assert risk(Severity.LOW, mixed) == 1 * 3 * 2 * 2


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (Severity.CRITICAL, Stage.NOW),
        (Severity.HIGH, Stage.NEXT),
        (Severity.MEDIUM, Stage.THEN),
        (Severity.LOW, Stage.LATER),
        (Severity.INFO, Stage.LATER),
    ],
)
def test_severity_sets_the_stage(severity: Severity, expected: Stage):
    assert stage("X", severity, None, TODAY) is expected


def test_a_known_exploited_hole_is_now_whatever_its_severity():
    assert stage("PAT-03", Severity.MEDIUM, None, TODAY) is Stage.NOW


def test_a_legal_date_within_thirty_days_is_now_and_one_later_is_not():
    assert stage("X", Severity.LOW, Deadline(TODAY + timedelta(days=30), "contract 7"), TODAY) is Stage.NOW
    assert stage("X", Severity.LOW, Deadline(TODAY + timedelta(days=31), "contract 7"), TODAY) is Stage.LATER


def test_inside_a_stage_the_greater_key_stands_first_then_the_id():
    quick, slow = check("B", effort_base_min=5), check("A", effort_base_min=500)
    same = check("C", effort_base_min=500)

    assert ids(judgement(same, FAIL), judgement(slow, FAIL), judgement(quick, FAIL)) == [("B", "next"), ("A", "next"), ("C", "next")]


def test_a_prerequisite_stands_before_what_needs_it_and_takes_its_stage():
    needs, needed = check("A", severity="critical", after=("Z",)), check("Z", severity="low", after=("Y",))
    deeper = check("Y", severity="medium")

    assert ids(judgement(needs, FAIL), judgement(needed, FAIL), judgement(deeper, FAIL)) == [("Y", "now"), ("Z", "now"), ("A", "now")]


def test_a_prerequisite_that_is_well_is_no_step():
    (step,) = plan([judgement(check("A", after=("Z",)), FAIL)], deadlines={}, today=TODAY)

    assert step.after == ()


def test_two_checks_that_need_each_other_both_stand_once():
    assert len(ids(judgement(check("A", after=("B",)), FAIL), judgement(check("B", after=("A",)), FAIL))) == 2


def test_the_score_after_each_step_rises_to_what_is_left():
    judged = [judgement(check("A", severity="critical"), FAIL), judgement(check("B"), FAIL), judgement(check("C", severity="medium"), PASS)]
    steps = plan(judged[:2], deadlines={}, today=TODAY)

    assert scores_after(steps, judged) == (68, 100)


def test_without_a_rate_nothing_costs_anything_that_was_said():
    assert Money().cost_of("A", 60) is None
    assert Money("EUR", 9_000, licences={"A": 500}).cost_of("A", 20) == 3_500
