"""Findings: one per check that fails in a scope, with a name that stays, a due date, and what changed since the last audit.

Source: security page, section 4 rule 7 and section 5 rules 4, 5 and 11.
Invariant: the key of a finding is made of the check and the scope alone, so that repeated audits speak of the same thing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from mainstay.domains.assurance.rules.judged import Judgement, Severity, Subject
from mainstay.domains.assurance.rules.results import Result

DUE_DAYS: Mapping[Severity, int] = {Severity.CRITICAL: 7, Severity.HIGH: 30, Severity.MEDIUM: 90, Severity.LOW: 180, Severity.INFO: 365}
EXCEPTION_DAYS_MAX = 366


class Change(StrEnum):
    NEW = "new"
    KNOWN = "known"
    RETURNED = "returned"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A risk that somebody took, with a reason and an end. It never hides the finding."""

    reason: str
    by: str
    at: str
    until: date

    def holds(self, on: date) -> bool:
        return on <= self.until


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a finding between audits."""

    first_seen: str
    failing: tuple[str, ...]
    severity: str
    is_fixed: bool
    due: date
    owner: str = ""
    ticket: str | None = None
    exception: Accepted | None = None


def finding_key(check_id: str, scope_id: str) -> str:
    """Return the stable name of a finding."""
    return f"f:{check_id}:{scope_id}"


def due_on(severity: Severity, first_seen: date) -> date:
    """Return the day by which a finding should be closed."""
    return first_seen + timedelta(days=DUE_DAYS[severity])


def change(known: Known | None, one: Judgement) -> Change:
    """Say what a failing check is against what was known of it."""
    if known is None:
        return Change.NEW
    if known.is_fixed:
        return Change.RETURNED
    same = known.failing == failing_ids(one) and known.severity == one.severity
    return Change.KNOWN if same else Change.CHANGED


def failing_ids(one: Judgement) -> tuple[str, ...]:
    """Return the subjects that fail, with the parts inside them: what makes two runs of a finding equal or not."""
    return tuple(sorted(part for subject, result in one.failing for part in parts_of(subject, result)))


def parts_of(subject: Subject, result: Result) -> tuple[str, ...]:
    """Return what fails of one subject: each part by its name, or the subject itself where there are no parts."""
    return tuple(f"{subject.id}/{part}" for part in result.failing) or (subject.id,)


def waived(judgements: Iterable[Judgement], accepted: Mapping[str, frozenset[str]]) -> frozenset[tuple[str, str]]:
    """Return the pairs of check and subject whose risk was taken. A part that failed after it was taken is not covered."""
    return frozenset(
        (one.check.id, subject.id)
        for one in judgements
        for subject, result in one.failing
        if accepted.get(one.check.id, frozenset()) >= set(parts_of(subject, result))
    )


def order(findings: Iterable[Judgement]) -> list[Judgement]:
    """Return failing checks, the worst first, then those of more subjects, then by id: a total order."""
    return sorted(findings, key=lambda one: (one.severity.rank, -len(one.failing), one.check.id))


def fixed_keys(open_before: Collection[str], open_now: Collection[str], judged_now: Collection[str]) -> tuple[str, ...]:
    """Return the findings that are gone. One whose check could not be judged this time is not fixed; it stays open."""
    return tuple(sorted(key for key in open_before if key not in open_now and key in judged_now))
