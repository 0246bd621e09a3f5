"""What the checks say about the requirements of a framework: met, partly, not met, or no evidence.

Source: security page, section 4 rules 1, 7 and 8. Invariant: a requirement without a judged check is "no evidence", never met; one
with a check that has no source is at best partly met; an accepted risk is a fail with an exception beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mainstay.domains.assurance.rules.catalogue import Check
from mainstay.domains.assurance.rules.frameworks import Framework, Requirement
from mainstay.domains.assurance.rules.judged import Judgement
from mainstay.domains.assurance.rules.results import Verdict


class RequirementState(StrEnum):
    MET = "met"
    PARTLY = "partly"
    NOT_MET = "not_met"
    NO_EVIDENCE = "no_evidence"


class Strength(StrEnum):
    """`direct`: the check names the requirement. `hub`: both name the same control of NIST SP 800-53."""

    DIRECT = "direct"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A requirement that a check speaks to."""

    framework: str
    id: str
    kind: str
    strength: Strength


def mapped(check: Check, frameworks: Iterable[Framework]) -> tuple[Mapped, ...]:
    """Return every requirement that a check speaks to, in the order of the packs."""
    return tuple(
        Mapped(pack.id, requirement.id, requirement.kind, strength)
        for pack in frameworks
        for requirement in pack.requirements
        if (strength := strength_of(check, requirement)) is not None
    )


def strength_of(check: Check, requirement: Requirement) -> Strength | None:
    """Say how a check speaks to a requirement: it names it, it names its standard and a control of it, or only a control."""
    shares = any(control in requirement.controls for control in check.controls)
    if requirement.id in check.hipaa or (shares and requirement.standard in check.hipaa):
        return Strength.DIRECT
    return Strength.HUB if shares else None


def state(verdicts: Sequence[Verdict]) -> RequirementState:
    """Return the state of a requirement from the verdicts of the checks that speak to it."""
    counted = [one for one in verdicts if one is not Verdict.NOT_APPLICABLE]
    passing = sum(one is Verdict.PASS for one in counted)
    failing = sum(one in (Verdict.FAIL, Verdict.PARTIAL) for one in counted)
    if not passing and not failing:
        return RequirementState.NO_EVIDENCE
    if passing == len(counted):
        return RequirementState.MET
    partly = passing or Verdict.PARTIAL in counted
    return RequirementState.PARTLY if partly else RequirementState.NOT_MET


def exposure(framework: Framework, judgements: Sequence[Judgement]) -> list[tuple[Requirement, RequirementState, tuple[str, ...]]]:
    """Return each requirement of a framework with its state and the checks behind it."""
    verdicts: Mapping[str, Verdict] = {one.check.id: _verdict(one) for one in judgements}
    rows = []
    for requirement in framework.requirements:
        checks = tuple(sorted(one.check.id for one in judgements if strength_of(one.check, requirement) is not None))
        rows.append((requirement, state([verdicts[check] for check in checks]), checks))
    return rows


def _verdict(one: Judgement) -> Verdict:
    """Return what a check says about requirements: what nobody looked at says nothing, and so keeps a requirement from being met."""
    return Verdict.UNKNOWN if one.unasked and one.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE) else one.verdict
