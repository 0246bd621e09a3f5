"""The sentences that open the report read well for none, one and many."""

import pytest

from mainstay.domains.assurance.rules.inputs import Before
from mainstay.domains.assurance.rules.report import compose
from mainstay.domains.assurance.rules.score import Coverage, Score
from mainstay.domains.assurance.rules.summary import ahead, gone, judged, worse
from mainstay.domains.assurance.tests.builders import inputs


def found(severity="high", change="known", title="Swap is not encrypted"):
    return {"severity": severity, "change": change, "title": title}


def step(effort_min, title="Swap is encrypted or absent"):
    return {"title": title, "effort_min": effort_min}


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "No finding has gone since the audit before."),
        (1, "1 finding has gone since the audit before."),
        (3, "3 findings have gone since the audit before."),
    ],
)
def test_what_has_gone_is_counted_in_words_that_agree(count, said):
    assert gone(count) == said


@pytest.mark.parametrize(
    ("seen", "of", "said"),
    [(0, 4, "0 of 4 points were judged"), (1, 1, "1 of 1 point was judged"), (231, 264, "231 of 264 points were judged")],
)
def test_the_score_says_on_how_much_it_rests(seen, of, said):
    assert judged(Score(59, 70, (), Coverage(seen, of), "D")) == f"The score is 59 of 100, D; {said}."


def test_without_a_score_nothing_is_claimed():
    assert judged(Score(None, None, (), Coverage(0, 0), "not enough seen")) == "Nothing could be judged yet."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "Nothing that was looked at is wrong."),
        ([found()], "1 finding is open: Swap is not encrypted."),
        ([found("critical")], "1 finding is open: Swap is not encrypted. It is critical."),
        ([found("critical", "new")], "1 finding is open: Swap is not encrypted. It is critical and new."),
        ([found(change="returned")], "1 finding is open: Swap is not encrypted. It is back."),
        (
            [found(), found()],
            "2 findings are open, none of them critical. None is new, none came back. The worst: Swap is not encrypted.",
        ),
        (
            [found("critical", "new"), found(change="returned")],
            "2 findings are open, 1 of them critical. 1 is new, 1 came back. The worst: Swap is not encrypted.",
        ),
        (
            [found(change="new"), found(change="new"), found()],
            "3 findings are open, none of them critical. 2 are new, none came back. The worst: Swap is not encrypted.",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_problem_and_counted_in_words_that_agree(given, said):
    assert worse(given, is_compared=True) == said


def test_a_first_audit_calls_nothing_new():
    assert worse([found(change="new")], is_compared=False) == "1 finding is open: Swap is not encrypted."
    assert worse([found(change="new")] * 2, is_compared=False) == (
        "2 findings are open, none of them critical. The worst: Swap is not encrypted."
    )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([], "Nothing is to be done."),
        ([step(20)], "Next step: Swap is encrypted or absent (20 min)."),
        ([step(20), step(60)], "Next step: Swap is encrypted or absent (20 min). Both steps together take 1 h 20 min."),
        ([step(23), step(500), step(0)], "Next step: Swap is encrypted or absent (23 min). All 3 steps together take 8 h 43 min."),
    ],
)
def test_the_next_step_is_named_by_its_goal_and_all_work_by_its_length(plan, said):
    assert ahead(plan) == said


def test_a_report_that_follows_another_says_what_has_gone_and_what_the_score_was():
    better, worst, following = compose(inputs(before=Before("run-0", 40, {}))).document["answer"]["summary"]

    assert better.startswith("No finding has gone since the audit before. The score is ")
    assert better.endswith(" judged. The score was 40 before.")
    assert "Nobody is responsible for a system" in worst
    assert following.startswith("Next step: ")
