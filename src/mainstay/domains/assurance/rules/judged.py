"""What was judged: the subjects of an audit, and what each check answered about each of them.

Owns: the words that the score, the findings and the roadmap share. Does not own: how a check judges (`rules.checks`).
Invariant: a subject that could not be judged stays in every count; only "not applicable" leaves it. What has no source at all does not
apply, yet whoever concludes something from the checks (a requirement, a sign of health) must count it as not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property

from mainstay.domains.assurance.rules.catalogue import Check
from mainstay.domains.assurance.rules.facts import Role
from mainstay.domains.assurance.rules.results import Result, Verdict


class Severity(StrEnum):
    """How much a failing check matters, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def weight(self) -> int:
        return WEIGHTS[self]

    @property
    def rank(self) -> int:
        """Return 0 for the worst."""
        return tuple(Severity).index(self)


WEIGHTS: Mapping[Severity, int] = {Severity.CRITICAL: 10, Severity.HIGH: 6, Severity.MEDIUM: 3, Severity.LOW: 1, Severity.INFO: 0}


class Exposure(StrEnum):
    """From where a subject can be reached."""

    INTERNET = "internet"
    INTERNAL = "internal"
    ISOLATED = "isolated"


class DataClass(StrEnum):
    """What a subject holds."""

    REGULATED = "regulated"
    CONFIDENTIAL = "confidential"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Subject:
    """A device, a system without an agent, or the tenant itself. `assumed` names the answers that nobody gave."""

    id: str
    name: str
    role: Role = Role.SERVER
    exposure: Exposure = Exposure.INTERNAL
    data: DataClass = DataClass.OTHER
    tier: int | None = None
    owner: str = ""
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """One check over all its subjects in scope."""

    check: Check
    answers: tuple[tuple[Subject, Result], ...]

    @cached_property
    def applicable(self) -> tuple[tuple[Subject, Result], ...]:
        return tuple(pair for pair in self.answers if pair[1].verdict is not Verdict.NOT_APPLICABLE)

    @cached_property
    def failing(self) -> tuple[tuple[Subject, Result], ...]:
        return tuple(pair for pair in self.answers if pair[1].verdict in (Verdict.FAIL, Verdict.PARTIAL))

    @cached_property
    def judged(self) -> int:
        return sum(result.verdict is not Verdict.UNKNOWN for _, result in self.applicable)

    @cached_property
    def unasked(self) -> tuple[tuple[Subject, Result], ...]:
        """Return the subjects that nobody looked at, because no source of this check is connected."""
        reason = self.check.without_source
        return tuple(pair for pair in self.answers if reason and pair[1].verdict is Verdict.NOT_APPLICABLE and pair[1].reason == reason)

    @cached_property
    def severity(self) -> Severity:
        """Return the severity for the worst of the subjects that fail, else of those it applies to."""
        subjects = self.failing or self.applicable
        return min((severity_for(self.check, subject.role) for subject, _ in subjects), key=_rank, default=Severity(self.check.severity))

    @cached_property
    def verdict(self) -> Verdict:
        """Return one word for all subjects: the worst that is known; unknown only when nothing is."""
        verdicts = {result.verdict for _, result in self.applicable}
        if not verdicts:
            return Verdict.NOT_APPLICABLE
        if self.failing:
            return Verdict.FAIL if verdicts == {Verdict.FAIL} else Verdict.PARTIAL
        return Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else Verdict.PASS


def severity_for(check: Check, role: Role) -> Severity:
    """Return how much a check matters on a host of a role (a laptop without encryption is worse than a server)."""
    return Severity(check.severity_by_role.get(role, check.severity))


def share(result: Result) -> Fraction:
    """Return the passed part of one subject: a partial answer counts by its parts, an unknown one as nothing."""
    if result.verdict is Verdict.PASS:
        return Fraction(1)
    if result.verdict is Verdict.PARTIAL and result.total > 0:
        return Fraction(result.passed, result.total)
    return Fraction(0)


def _rank(severity: Severity) -> int:
    return severity.rank
