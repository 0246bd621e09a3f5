"""The roadmap: steps in the order of risk removed per minute, what must come first, and the score after each.

Source: security page, section 5 rule 12, vectors in 6.4. Invariant: a prerequisite never stands after what needs it, and
money that nobody gave is not invented.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from mainstay.domains.assurance.rules.catalogue import Check
from mainstay.domains.assurance.rules.judged import DataClass, Exposure, Judgement, Severity, Subject
from mainstay.domains.assurance.rules.score import Waived, score

EXPOSURE_FACTOR: Mapping[Exposure, int] = {Exposure.INTERNET: 3, Exposure.INTERNAL: 2, Exposure.ISOLATED: 1}
DATA_FACTOR: Mapping[DataClass, int] = {DataClass.REGULATED: 3, DataClass.CONFIDENTIAL: 2, DataClass.OTHER: 1}
EFFORT_MIN = 5
LEGAL_WITHIN = timedelta(days=30)
KNOWN_EXPLOITED = "PAT-03"


class Stage(StrEnum):
    NOW = "now"
    NEXT = "next"
    THEN = "then"
    LATER = "later"

    @property
    def rank(self) -> int:
        return tuple(Stage).index(self)

    @property
    def days(self) -> int:
        """Return within how many days a step of this stage should be done."""
        return (7, 30, 90, 180)[self.rank]


_STAGE_OF: Mapping[Severity, Stage] = {Severity.CRITICAL: Stage.NOW, Severity.HIGH: Stage.NEXT, Severity.MEDIUM: Stage.THEN}


@dataclass(frozen=True, slots=True)
class Deadline:
    """A date that law or contract sets, and where that is written."""

    on: date
    source: str


@dataclass(frozen=True, slots=True)
class Money:
    """What somebody said that work and licences cost, in minor units. Anything missing stays missing."""

    currency: str = ""
    rate_per_hour: int | None = None
    downtime_per_hour: int | None = None
    licences: Mapping[str, int] = field(default_factory=dict)

    def cost_of(self, check_id: str, minutes: int) -> int | None:
        """Return the cost of a step, or None when nobody gave the rate."""
        if self.rate_per_hour is None:
            return None
        return minutes * self.rate_per_hour // 60 + self.licences.get(check_id, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: it closes the finding of one check."""

    check: Check
    severity: Severity
    subjects: tuple[Subject, ...]
    stage: Stage
    risk: int
    effort_min: int
    key: int
    after: tuple[str, ...]
    deadline: Deadline | None


def risk(severity: Severity, subjects: Sequence[Subject]) -> int:
    """Return R: weight x exposure x data x bit length of the affected count, each by the worst of the subjects."""
    exposure = max((EXPOSURE_FACTOR[one.exposure] for one in subjects), default=1)
    data = max((DATA_FACTOR[one.data] for one in subjects), default=1)
    return severity.weight * exposure * data * len(subjects).bit_length()


def effort_min(check: Check, count: int) -> int:
    """Return the minutes of a step; what a runbook does costs nothing for each subject."""
    return check.effort_base_min + (0 if check.runbook else check.effort_each_min * count)


def priority_key(removed: int, minutes: int) -> int:
    """Return floor(1000 R / max(M, 5))."""
    return 1000 * removed // max(minutes, EFFORT_MIN)


def stage(check_id: str, severity: Severity, deadline: Deadline | None, today: date) -> Stage:
    if check_id == KNOWN_EXPLOITED or (deadline is not None and deadline.on - today <= LEGAL_WITHIN):
        return Stage.NOW
    return _STAGE_OF.get(severity, Stage.LATER)


def plan(failing: Iterable[Judgement], *, deadlines: Mapping[str, Deadline], today: date) -> tuple[Step, ...]:
    """Return the steps in the order in which they should be done."""
    steps = [_step(one, deadlines.get(one.check.id), today) for one in failing]
    steps.sort(key=lambda step: (step.stage.rank, -step.key, step.check.id))
    return _prerequisites_first(steps)


def scores_after(steps: Sequence[Step], judgements: Sequence[Judgement]) -> tuple[int | None, ...]:
    """Return the score after each step, when all steps before it are done too."""
    done: set[tuple[str, str]] = set()
    found: list[int | None] = []
    for step in steps:
        done.update((step.check.id, subject.id) for subject in step.subjects)
        waived: Waived = frozenset(done)
        found.append(score(judgements, waived=waived).points)
    return tuple(found)


def _step(one: Judgement, deadline: Deadline | None, today: date) -> Step:
    subjects = tuple(subject for subject, _ in one.failing)
    removed, minutes = risk(one.severity, subjects), effort_min(one.check, len(subjects))
    return Step(
        one.check,
        one.severity,
        subjects,
        stage(one.check.id, one.severity, deadline, today),
        removed,
        minutes,
        priority_key(removed, minutes),
        (),
        deadline,
    )


def _prerequisites_first(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Pull what a step needs in front of it; what is pulled takes over its stage, so that stages stay in order."""
    by_id = {step.check.id: step for step in steps}
    placed: dict[str, Step] = {}

    def place(step: Step, at: Stage, above: tuple[str, ...]) -> None:
        if step.check.id in placed or step.check.id in above:
            return
        needed = tuple(sorted(one for one in step.check.after if one in by_id))
        for one in needed:
            place(by_id[one], at, (*above, step.check.id))
        earlier = min(at, step.stage, key=lambda each: each.rank)
        placed[step.check.id] = _at(step, earlier, needed)

    for step in steps:
        place(step, step.stage, ())
    return tuple(placed.values())


def _at(step: Step, at: Stage, after: tuple[str, ...]) -> Step:
    return Step(step.check, step.severity, step.subjects, at, step.risk, step.effort_min, step.key, after, step.deadline)
