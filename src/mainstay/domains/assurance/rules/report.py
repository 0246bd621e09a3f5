"""The report: one plain document out of what was judged. Page, CSV and PDF are views of it.

Source: security page, section 5 rules 11 to 14. Invariant: no clock, no order that hangs on chance, integers only: the same
inputs give the same bytes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any  # the report is JSON

from mainstay.domains.assurance.rules import findings as finding_rules
from mainstay.domains.assurance.rules import health, infrastructure, matrix, report_parts, roadmap
from mainstay.domains.assurance.rules import score as scores
from mainstay.domains.assurance.rules.catalogue import VERSION as CATALOGUE_VERSION
from mainstay.domains.assurance.rules.findings import Change
from mainstay.domains.assurance.rules.frameworks import Framework, frameworks
from mainstay.domains.assurance.rules.inputs import Inputs, Scope
from mainstay.domains.assurance.rules.judged import Judgement
from mainstay.domains.assurance.rules.judging import judge_all
from mainstay.domains.assurance.rules.results import Verdict
from mainstay.domains.assurance.rules.score import Score
from mainstay.domains.assurance.rules.summary import summary
from mainstay_trust.canonical import encode

VERSION = 1
KIND = "system_audit"
BEST_OF = 5


@dataclass(frozen=True)
class Composed:
    """A report with what a service must store beside it."""

    document: dict[str, Any]
    score: Score
    with_accepted: Score
    failing: tuple[Judgement, ...]
    fixed: tuple[str, ...]

    @cached_property
    def data(self) -> bytes:
        """Return the canonical bytes (RFC 8785): what is hashed, sent and rendered."""
        return encode(self.document)


def compose(inputs: Inputs) -> Composed:
    """Judge everything in scope and write the report."""
    open_before = {name for name, known in inputs.known.items() if not known.is_fixed}
    judgements = tuple(_kept(one, inputs.scope, open_before) for one in judge_all(inputs.devices, inputs.around))
    failing = tuple(finding_rules.order(one for one in judgements if one.failing))
    total, accepted = scores.score(judgements), scores.score(judgements, waived=finding_rules.waived(failing, inputs.accepted))
    packs = frameworks()
    found = [report_parts.finding(one, inputs, packs) for one in failing]
    steps = roadmap.plan(failing, deadlines=inputs.deadlines, today=inputs.today)
    plan = report_parts.roadmap_rows(steps, judgements, {one["check"]: one for one in found}, inputs)
    fixed = _fixed(inputs, judgements, failing)
    document = {
        "v": VERSION,
        "kind": KIND,
        "run": inputs.run,
        "tenant": inputs.tenant,
        "scope": {"kind": inputs.scope.kind, "id": inputs.scope.id, "name": inputs.scope.name},
        "as_of": report_parts.instant(inputs.as_of),
        "window": {"from": report_parts.instant(inputs.window_from), "to": report_parts.instant(inputs.as_of)},
        "demo": inputs.is_demo,
        "software": {"mainstay": inputs.software, "catalogue": CATALOGUE_VERSION},
        "answer": _answer(inputs, total, accepted, found, plan, fixed),
        "map": infrastructure.draw(inputs.devices, inputs.others),
        "areas": report_parts.areas(judgements, inputs.before.areas if inputs.before else {}),
        "checks": [report_parts.check_row(one) for one in judgements],
        "findings": found,
        "not_looked_at": _not_looked_at(judgements),
        "matrix": {"columns": [str(column) for column in matrix.Column], "rows": matrix.as_rows(inputs.around.systems, inputs.as_of)},
        "frameworks": [report_parts.framework(pack, judgements) for pack in packs],
        "automation": [report_parts.opportunity(one) for one in inputs.opportunities],
        "roadmap": plan,
        "health": [
            {"sign": one.sign, "answer": one.answer, "number": one.number, "of": one.of, "next": one.next}
            for one in health.signs(judgements, inputs.waiting)
        ],
        "changes": {
            "against": inputs.before.run if inputs.before else None,
            "new": _with_change(found, Change.NEW),
            "fixed": list(fixed),
            "returned": _with_change(found, Change.RETURNED),
            "changed": _with_change(found, Change.CHANGED),
        },
        "method": _method(inputs, judgements, total, found, packs),
        "proofs": {"log": inputs.log, "facts": report_parts.facts(inputs.devices), "checkpoint_size": None},
    }
    return Composed(document, total, accepted, failing, fixed)


def _kept(one: Judgement, scope: Scope, open_before: Set[str]) -> Judgement:
    """Return a check whose source is gone while its finding stands open as unknown: taking a source away closes nothing."""
    if not one.unasked or finding_rules.finding_key(one.check.id, scope.id) not in open_before:
        return one
    gone = {subject.id for subject, _ in one.unasked}
    answers = ((who, replace(result, verdict=Verdict.UNKNOWN) if who.id in gone else result) for who, result in one.answers)
    return Judgement(one.check, tuple(answers))


def _fixed(inputs: Inputs, judgements: Sequence[Judgement], failing: Sequence[Judgement]) -> tuple[str, ...]:
    def key(one: Judgement) -> str:
        return finding_rules.finding_key(one.check.id, inputs.scope.id)

    settled = {key(one) for one in judgements if one.judged == len(one.applicable) and not one.unasked}
    open_before = [name for name, known in inputs.known.items() if not known.is_fixed]
    return finding_rules.fixed_keys(open_before, {key(one) for one in failing}, settled)


def _with_change(found: Sequence[Mapping[str, Any]], change: Change) -> list[str]:
    return sorted(one["id"] for one in found if one["change"] == change)


def _answer(
    inputs: Inputs,
    total: Score,
    accepted: Score,
    found: Sequence[Mapping[str, Any]],
    plan: Sequence[Mapping[str, Any]],
    fixed: Sequence[str],
) -> dict[str, Any]:
    return {
        "score": total.points,
        "score_uncapped": total.uncapped,
        "score_with_accepted": accepted.points,
        "previous": inputs.before.score if inputs.before else None,
        "grade": total.grade,
        "coverage": {"judged": total.coverage.judged, "applicable": total.coverage.applicable, "pct": total.coverage.pct},
        "caps": [{"cap": str(cap), "at": scores.CAPS[cap]} for cap in total.caps],
        "witness": inputs.witness,
        "summary": summary(inputs, total, found, plan, fixed),
        "worst": [one["id"] for one in found[:BEST_OF]],
        "first": [one["id"] for one in plan[:BEST_OF]],
        "money": report_parts.money(inputs.money, plan),
    }


def _not_looked_at(judgements: Sequence[Judgement]) -> list[dict[str, Any]]:
    """List what was not judged: unknown subjects by reason, and checks without any subject in scope."""
    rows: list[dict[str, Any]] = []
    for one in judgements:
        if not one.applicable:
            reasons = {result.reason for _, result in one.answers} or {"no_subject"}
            rows += [{"check": one.check.id, "reason": reason, "subjects": 0} for reason in sorted(reasons)]
        unknown = Counter(result.reason for _, result in one.applicable if result.verdict is Verdict.UNKNOWN)
        rows += [{"check": one.check.id, "reason": reason, "subjects": count} for reason, count in sorted(unknown.items())]
    return rows


def _method(
    inputs: Inputs, judgements: Sequence[Judgement], total: Score, found: Sequence[Mapping[str, Any]], packs: Sequence[Framework]
) -> dict[str, Any]:
    unknown = Counter(result.reason for one in judgements for _, result in one.applicable if result.verdict is Verdict.UNKNOWN)
    return {
        "populations": {
            "devices": len(inputs.devices),
            "systems": len(inputs.around.systems),
            "checks": len(judgements),
            "judged": total.coverage.judged,
            "applicable": total.coverage.applicable,
        },
        "unknowns": [{"reason": reason, "count": count} for reason, count in sorted(unknown.items())],
        "exceptions": [{"finding": one["id"], **one["exception"]} for one in found if one["exception"]],
        "assumptions": report_parts.assumptions(inputs, packs),
    }
