"""The checks that no single host answers: systems, the tenant, its vendors and domains.

Owns: to whom such a check applies, and what can be said without a source of its own. Does not own: host checks (`rules.checks`).
Invariant: without a source a check has no subject in scope: it does not apply, stands under "not looked at" with the reason of the
catalogue, and is evidence of nothing; never a pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mainstay.domains.assurance.rules import matrix
from mainstay.domains.assurance.rules.automation import Opportunity
from mainstay.domains.assurance.rules.catalogue import Check
from mainstay.domains.assurance.rules.judged import DataClass, Subject
from mainstay.domains.assurance.rules.matrix import System
from mainstay.domains.assurance.rules.results import Result, Verdict

TWO = 2
WITNESSED_FROM = "W2"
# What only systems with data, or ones that the business cannot do without, must have.
FOR_DATA = ("ACC-08", "ACC-09", "BCK-01", "BCK-02", "BCK-03", "BCK-04", "BCK-05", "ENC-03")
BETWEEN_SYSTEMS = ("ITG-04", "ITG-05")


@dataclass(frozen=True)
class Around:
    """What an audit knows beside its hosts. `tenant` is None when the scope is a single device."""

    now: datetime
    systems: tuple[System, ...]
    tenant: Subject | None = None
    vendors: tuple[Subject, ...] = ()
    domains: tuple[Subject, ...] = ()
    witness: str = ""
    opportunities: Mapping[str, tuple[Opportunity, ...]] = field(default_factory=dict)


def answers(check: Check, around: Around) -> tuple[tuple[Subject, Result], ...]:
    """Return the answer of one check for each of its subjects in scope; none in scope, no answer."""
    if check.subject == "system":
        return tuple((one.subject, judge_system(check, one, around)) for one in around.systems)
    if check.subject == "tenant":
        return ((around.tenant, judge_tenant(check, around)),) if around.tenant else ()
    subjects: Sequence[Subject] = {"vendor": around.vendors, "domain": around.domains}.get(check.subject, ())
    return tuple((one, without_source(check)) for one in subjects)


def judge_system(check: Check, system: System, around: Around) -> Result:
    if check.id == "HLT-05":
        return _owned(system)
    if check.id in _OF_THE_MATRIX:
        return _OF_THE_MATRIX[check.id](system, around)
    if check.id in FOR_DATA and system.subject.data is DataClass.OTHER and system.subject.tier not in (1, TWO):
        return Result(check.id, Verdict.NOT_APPLICABLE, "Nobody has said that this system holds data.", (), reason="no_data_class")
    if check.id in BETWEEN_SYSTEMS and len(around.systems) < TWO:
        return Result(check.id, Verdict.NOT_APPLICABLE, "One system alone has nothing to share.", (), reason="one_system")
    return without_source(check)


def judge_tenant(check: Check, around: Around) -> Result:
    """AUT-01 to 04 hold as findings when there is something to automate; the others have no source yet."""
    if check.id == "GOV-09" and around.witness:
        return _witnessed(around.witness)
    if check.id not in around.opportunities:
        return without_source(check)
    found = around.opportunities[check.id]
    if not found:
        return Result(check.id, Verdict.PASS, "Nothing repeats often enough.", (), 1, 1)
    seen = f"{len(found)} to automate; the first: {found[0].title}."
    return Result(check.id, Verdict.FAIL, seen, (), 0, len(found), tuple(one.id for one in found))


def without_source(check: Check) -> Result:
    reason = check.without_source or "no_source"
    return Result(check.id, Verdict.NOT_APPLICABLE, "No source for this is connected.", (), reason=reason)


def _witnessed(level: str) -> Result:
    if level >= WITNESSED_FROM:
        return Result("GOV-09", Verdict.PASS, f"The ledger is witnessed at level {level}.", (), 1, 1)
    return Result("GOV-09", Verdict.FAIL, f"The ledger is at level {level}: nobody outside has seen it.", (), 0, 1, (level,))


def _owned(system: System) -> Result:
    name, owner = system.subject.name, system.subject.owner
    if owner:
        return Result("HLT-05", Verdict.PASS, f"{name} has an owner.", (), 1, 1)
    return Result("HLT-05", Verdict.FAIL, f"Nobody is named as responsible for {name}.", (), 0, 1, (name,))


_OF_THE_MATRIX: Mapping[str, Callable[[System, Around], Result]] = {
    "ITG-01": lambda system, around: matrix.judge_connected(system),
    "ITG-02": lambda system, around: matrix.judge_silent(system, around.now),
    "ITG-03": lambda system, around: matrix.judge_island(system),
    "ITG-06": lambda system, around: matrix.judge_overlap(system),
}
