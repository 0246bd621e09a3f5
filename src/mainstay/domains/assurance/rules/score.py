"""The score: exact integers, caps that a good average cannot outweigh, and how much was seen at all.

Source: security page, section 5, rule 10. Invariant: what is unknown counts as not passed, and an exception never raises the
score; the score "with accepted risks" stands beside it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from mainstay.domains.assurance.rules.judged import Exposure, Judgement, Severity, Subject, share
from mainstay.domains.assurance.rules.results import Result

COVERAGE_MIN_PCT = 80
GRADES = ((90, "A"), (80, "B"), (70, "C"), (50, "D"))
LOWEST_GRADE = "E"
NOT_ENOUGH = "not enough seen"
TIER_ONE = 1

# A pair of check id and subject id that counts as passed: fixed by a step of the roadmap, or an accepted risk.
Waived = frozenset[tuple[str, str]]
NOBODY: Waived = frozenset()


class Cap(StrEnum):
    """Why a total may not be higher."""

    CRITICAL_OPEN = "critical_open"
    KEV_EXPOSED = "kev_exposed"
    NO_RESTORE_POINT = "no_restore_point"


CAPS: Mapping[Cap, int] = {Cap.CRITICAL_OPEN: 59, Cap.KEV_EXPOSED: 39, Cap.NO_RESTORE_POINT: 39}


@dataclass(frozen=True, slots=True)
class Coverage:
    judged: int
    applicable: int

    @property
    def pct(self) -> int:
        return 100 * self.judged // self.applicable if self.applicable else 0


@dataclass(frozen=True, slots=True)
class Score:
    """`points` after the caps, `uncapped` before them; None when nothing with a weight applies."""

    points: int | None
    uncapped: int | None
    caps: tuple[Cap, ...]
    coverage: Coverage
    grade: str


def score(judgements: Iterable[Judgement], *, waived: Waived = NOBODY) -> Score:
    """Return the total of some checks. `waived` pairs count as passed and lift their caps."""
    counted = tuple(judgements)
    uncapped = points(counted, waived=waived)
    caps = tuple(cap for cap in Cap if _applies(cap, counted, waived))
    capped = None if uncapped is None else min([uncapped, *(CAPS[cap] for cap in caps)])
    seen = coverage(counted)
    return Score(capped, uncapped, caps, seen, grade(capped, seen))


def points(judgements: Iterable[Judgement], *, waived: Waived = NOBODY) -> int | None:
    """Return floor(100 x sum(w p) / sum(w)) in rational arithmetic, or None when no check with a weight applies."""
    got, possible = Fraction(0), 0
    for one in judgements:
        if one.applicable:
            got += one.severity.weight * passed_share(one, waived)
            possible += one.severity.weight
    return int(100 * got / possible) if possible else None


def passed_share(one: Judgement, waived: Waived = NOBODY) -> Fraction:
    """Return p of one check: its passed subjects over all but those to which it does not apply."""
    shares = (Fraction(1) if (one.check.id, subject.id) in waived else share(result) for subject, result in one.applicable)
    return sum(shares, Fraction(0)) / len(one.applicable)


def coverage(judgements: Iterable[Judgement]) -> Coverage:
    counted = tuple(judgements)
    return Coverage(sum(one.judged for one in counted), sum(len(one.applicable) for one in counted))


def grade(total: int | None, seen: Coverage) -> str:
    """Return the letter, or that too little was seen to give one."""
    if total is None or seen.pct < COVERAGE_MIN_PCT:
        return NOT_ENOUGH
    return next((letter for least, letter in GRADES if total >= least), LOWEST_GRADE)


def _applies(cap: Cap, judgements: Sequence[Judgement], waived: Waived) -> bool:
    return any(_CAUSES[cap](one, subject) for one in judgements for subject, _ in _open(one, waived))


def _open(one: Judgement, waived: Waived) -> Iterable[tuple[Subject, Result]]:
    return (pair for pair in one.failing if (one.check.id, pair[0].id) not in waived)


def _is_critical(one: Judgement, subject: Subject) -> bool:
    return one.severity is Severity.CRITICAL


def _is_exploited_from_outside(one: Judgement, subject: Subject) -> bool:
    return one.check.id == "PAT-03" and subject.exposure is Exposure.INTERNET


def _has_no_restore_point(one: Judgement, subject: Subject) -> bool:
    return one.check.id == "BCK-02" and subject.tier == TIER_ONE


_CAUSES: Mapping[Cap, Callable[[Judgement, Subject], bool]] = {
    Cap.CRITICAL_OPEN: _is_critical,
    Cap.KEV_EXPOSED: _is_exploited_from_outside,
    Cap.NO_RESTORE_POINT: _has_no_restore_point,
}
