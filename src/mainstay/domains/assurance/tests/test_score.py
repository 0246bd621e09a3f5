"""The score: the vectors of the security page, section 6.4, and what must never raise it."""

from fractions import Fraction

import pytest

from mainstay.domains.assurance.rules.facts import Role
from mainstay.domains.assurance.rules.judged import Exposure, Judgement, Severity, Subject
from mainstay.domains.assurance.rules.results import Verdict
from mainstay.domains.assurance.rules.score import NOT_ENOUGH, Cap, Coverage, grade, passed_share, points, score
from mainstay.domains.assurance.tests.builders import answer, check, judgement

PASS, FAIL, PARTIAL, UNKNOWN, NA = Verdict.PASS, Verdict.FAIL, Verdict.PARTIAL, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE


def vector(critical: tuple[Verdict, ...]) -> list[Judgement]:
    return [
        judgement(check("C", severity="critical"), *critical),
        judgement(check("H", severity="high"), *[PASS] * 9, FAIL),
        judgement(check("M", severity="medium"), *[PASS] * 4, FAIL, UNKNOWN),
        judgement(check("L", severity="low"), NA),
    ]


def test_the_vector_without_a_critical_finding_is_91_with_16_of_17_seen():
    total = score(vector((PASS,)))

    assert (total.points, total.grade, total.coverage, total.caps) == (91, "A", Coverage(16, 17), ())


def test_one_of_ten_critical_subjects_caps_86_to_59():
    total = score(vector((*[PASS] * 9, FAIL)))

    assert (total.uncapped, total.points, total.grade, total.caps) == (86, 59, "D", (Cap.CRITICAL_OPEN,))


def test_a_partial_answer_counts_by_its_parts():
    one = Judgement(check(), ((Subject("a", "a"), answer("TST-01", PARTIAL, 3, 4)), (Subject("b", "b"), answer("TST-01", PASS))))

    assert passed_share(one) == Fraction(7, 8)


def test_what_is_unknown_counts_as_not_passed():
    assert points([judgement(check(), PASS, UNKNOWN)]) == points([judgement(check(), PASS, FAIL)]) == 50


def test_a_check_that_does_not_apply_leaves_the_score_alone():
    assert points([judgement(check(), PASS, FAIL), judgement(check("X", severity="critical"), NA)]) == 50


def test_nothing_that_applies_gives_no_score():
    total = score([judgement(check(), NA)])

    assert (total.points, total.grade) == (None, NOT_ENOUGH)


def test_an_accepted_risk_stands_in_the_other_score_only():
    judged = [judgement(check("C", severity="critical"), FAIL), judgement(check("H"), PASS)]

    assert score(judged).points == 37
    assert score(judged, waived=frozenset({("C", "dev-1")})).points == 100


def test_a_known_exploited_hole_on_an_exposed_host_caps_at_39():
    internet = (Subject("d", "d", exposure=Exposure.INTERNET),)
    judged = [judgement(check("PAT-03", severity="high"), FAIL, on=internet), judgement(check("H"), *[PASS] * 30)]

    assert score(judged).caps == (Cap.KEV_EXPOSED,)
    assert score([judgement(check("H", severity="critical"), *[PASS] * 30), *judged]).points == 39


def test_the_same_hole_inside_does_not_cap():
    assert score([judgement(check("PAT-03", severity="high"), FAIL)]).caps == ()


def test_a_tier_one_system_without_a_restorable_point_caps_at_39():
    judged = [judgement(check("BCK-02"), FAIL, on=(Subject("d", "d", tier=1),)), *[judgement(check(f"H{n}"), PASS) for n in range(9)]]

    assert (score(judged).points, score(judged).uncapped) == (39, 90)


def test_a_laptop_makes_a_check_weigh_what_the_catalogue_says_for_laptops():
    disk = check("ENC-01", severity_by_role={"laptop": "critical"})

    assert judgement(disk, FAIL).severity is Severity.HIGH
    assert judgement(disk, FAIL, on=(Subject("l", "l", role=Role.LAPTOP),)).severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("total", "letter"), [(100, "A"), (90, "A"), (89, "B"), (80, "B"), (79, "C"), (70, "C"), (69, "D"), (50, "D"), (49, "E"), (0, "E")]
)
def test_grades_change_at_their_edges(total: int, letter: str):
    assert grade(total, Coverage(80, 100)) == letter


def test_below_eighty_per_cent_seen_there_is_no_letter():
    assert grade(99, Coverage(79, 100)) == NOT_ENOUGH
