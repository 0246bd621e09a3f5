"""The rows of the report: a finding with its evidence, a check, an area, a step, a framework.

Owns: how each thing is written down. Does not own: what is judged, the order of the whole (`report`), its sentences (`summary`).
Invariant: a finding is named by its problem, a check and a step by the goal.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any  # the report is JSON

from mainstay.domains.assurance.rules import findings as finding_rules
from mainstay.domains.assurance.rules import requirements, roadmap
from mainstay.domains.assurance.rules.automation import MEASURES, Opportunity, minutes_per_year
from mainstay.domains.assurance.rules.catalogue import AREAS
from mainstay.domains.assurance.rules.facts import Group, Host
from mainstay.domains.assurance.rules.findings import Accepted, Change, Known
from mainstay.domains.assurance.rules.frameworks import Framework
from mainstay.domains.assurance.rules.infrastructure import Mapped
from mainstay.domains.assurance.rules.inputs import Inputs
from mainstay.domains.assurance.rules.judged import Judgement
from mainstay.domains.assurance.rules.results import Result, Verdict
from mainstay.domains.assurance.rules.roadmap import Money, Step
from mainstay.domains.assurance.rules.score import points

EVIDENCE_MAX = 25
NAMED_MAX = 200
PARTS_MAX = 200


def instant(at: datetime) -> str:
    """Return an instant in UTC as the report writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def finding(one: Judgement, inputs: Inputs, packs: Sequence[Framework]) -> dict[str, Any]:
    key = finding_rules.finding_key(one.check.id, inputs.scope.id)
    known = inputs.known.get(key)
    first_seen = known.first_seen if known and not known.is_fixed else instant(inputs.as_of)
    due = known.due if known and not known.is_fixed else finding_rules.due_on(one.severity, inputs.today)
    owner = known.owner if known else ""
    return {
        "id": key,
        "check": one.check.id,
        "version": one.check.version,
        "area": one.check.area,
        "severity": str(one.severity),
        "title": one.check.problem,
        "subjects": {
            "count": len(one.failing),
            "of": len(one.applicable),
            "list": [subject.name for subject, _ in one.failing][:NAMED_MAX],
        },
        "seen": _seen(one),
        "failing": list(finding_rules.failing_ids(one))[:PARTS_MAX],
        "evidence": _evidence(one, {each.subject.id: each.host for each in inputs.devices}),
        "why": one.check.why,
        "fix": list(one.check.fix),
        "runbook": one.check.runbook,
        "effort_min": roadmap.effort_min(one.check, len(one.failing)),
        "controls": list(one.check.controls),
        "requirements": [
            {"framework": each.framework, "id": each.id, "kind": each.kind, "strength": str(each.strength)}
            for each in requirements.mapped(one.check, packs)
        ],
        "first_seen": first_seen,
        "owner": owner,
        "owner_name": inputs.names.get(owner, owner),
        "due": due.isoformat(),
        "exception": _exception(known.exception if known else None, inputs),
        "ticket": known.ticket if known else None,
        "change": str(inputs.kept_change.get(key) or _change(known, one)),
    }


def check_row(one: Judgement) -> dict[str, Any]:
    return {
        "id": one.check.id,
        "version": one.check.version,
        "area": one.check.area,
        "title": one.check.title,
        "severity": str(one.severity),
        "verdict": str(one.verdict),
        "subjects": [
            {
                "device": subject.id,
                "name": subject.name,
                "verdict": str(result.verdict),
                "passed": result.passed,
                "total": result.total,
                "reason": result.reason,
                "seen": result.seen,
            }
            for subject, result in one.answers
        ],
    }


def areas(judgements: Sequence[Judgement], before: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Return the score of each area that has anything in scope."""
    rows = []
    for area in AREAS:
        own = [one for one in judgements if one.check.area == area and one.applicable]
        if own:
            counts = [one.verdict for one in own]
            rows.append(
                {
                    "area": area,
                    "score": points(own),
                    "previous": before.get(area),
                    "checks": len(own),
                    "passed": counts.count(Verdict.PASS),
                    "failed": counts.count(Verdict.FAIL) + counts.count(Verdict.PARTIAL),
                    "unknown": counts.count(Verdict.UNKNOWN),
                }
            )
    return rows


def roadmap_rows(
    steps: Sequence[Step], judgements: Sequence[Judgement], found: Mapping[str, Mapping[str, Any]], inputs: Inputs
) -> list[dict[str, Any]]:
    after = roadmap.scores_after(steps, judgements)
    return [_step(step, found[step.check.id], score_after, inputs) for step, score_after in zip(steps, after, strict=True)]


def framework(pack: Framework, judgements: Sequence[Judgement]) -> dict[str, Any]:
    rows = requirements.exposure(pack, judgements)
    return {
        "id": pack.id,
        "name": pack.name,
        "version": pack.version,
        "requirements": [
            {"id": row.id, "kind": row.kind, "title": row.title, "state": str(state), "checks": list(checks), "tbc": row.tbc}
            for row, state, checks in rows
        ],
        "counts": {str(state): sum(each is state for _, each, _ in rows) for state in requirements.RequirementState},
    }


def opportunity(one: Opportunity) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": one.kind,
        "title": one.title,
        "cases": one.cases,
        "minutes_per_year": one.minutes_per_year,
        "upper_bound": one.is_upper_bound,
        "measured": MEASURES[one.kind],
        "runbook": one.runbook,
    }


def facts(devices: Sequence[Mapped]) -> list[dict[str, Any]]:
    """List the hash of every fact group that the audit could read: what ties the report to the devices' own reports."""
    rows = [
        {"device": one.subject.id, "group": group.name, "sha256": group.sha256, "collected_at": instant(group.collected_at)}
        for one in devices
        for group in one.host.groups.values()
    ]
    return sorted(rows, key=lambda row: (row["device"], row["group"]))


def money(given: Money, plan: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the roadmap costs, or why nobody can say."""
    costs = [step["cost"]["amount_minor"] for step in plan if step["cost"]]
    why = "" if given.rate_per_hour is not None else "Nobody has given an hourly rate, so no cost is shown."
    total = {"amount_minor": sum(costs), "currency": given.currency} if given.rate_per_hour is not None else None
    return {"roadmap_cost": total, "effort_min": sum(step["effort_min"] for step in plan), "why": why}


def assumptions(inputs: Inputs, packs: Sequence[Framework]) -> list[str]:
    """List everything that was taken for granted because nobody said otherwise."""
    assumed = sorted({(name, one.subject.name) for one in inputs.devices for name in one.subject.assumed})
    lines = [f"{device}: {_ASSUMED.get(name, name)}" for name, device in assumed]
    lines += [
        f"{pack.name}: rows marked tbc await a second reading of the source." for pack in packs if any(row.tbc for row in pack.requirements)
    ]
    if inputs.money.rate_per_hour is None:
        lines.append("No hourly rate was given: costs are empty.")
    if not inputs.deadlines:
        lines.append("No date of a law or contract was given: stages follow from severity alone.")
    return lines


_ASSUMED = {
    "data": "what data it holds was not said; taken as other, or confidential where a data store was seen.",
    "exposure": "from where it can be reached was not said; taken as internal, or internet where the inventory says so.",
    "tier": "how critical it is was not said.",
    "role": "what it is for was not said; taken from its chassis.",
}


def _seen(one: Judgement) -> str:
    if len(one.failing) == 1:
        return one.failing[0][1].seen
    return f"On {len(one.failing)} of {len(one.applicable)}: {one.failing[0][1].seen} ({one.failing[0][0].name})"


def _change(known: Known | None, one: Judgement) -> Change:
    return finding_rules.change(known, one)


def _exception(accepted: Accepted | None, inputs: Inputs) -> dict[str, Any] | None:
    if accepted is None or not accepted.holds(inputs.today):
        return None
    return {
        "reason": accepted.reason,
        "by": accepted.by,
        "by_name": inputs.names.get(accepted.by, accepted.by),
        "at": accepted.at,
        "until": accepted.until.isoformat(),
    }


def _evidence(one: Judgement, hosts: Mapping[str, Host]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for subject, result in one.failing:
        host = hosts.get(subject.id)
        if host is not None:
            rows += [row for group in _groups(host, result) for row in _sources(group, subject.name, one.check.measured)]
    return rows[:EVIDENCE_MAX]


def _groups(host: Host, result: Result) -> list[Group]:
    return [host.groups[name] for name in result.groups if name in host.groups]


def _sources(group: Group, device: str, measured: str) -> list[dict[str, Any]]:
    base = {
        "collected_at": instant(group.collected_at),
        "collector": group.collector,
        "group": group.name,
        "group_sha256": group.sha256,
        "device": device,
    }
    if not group.sources:
        return [{"command": measured, "raw_sha256": group.sha256, "excerpt": "", **base}]
    return [{"command": one.command, "raw_sha256": one.raw_sha256, "excerpt": one.excerpt, **base} for one in group.sources]


def _step(step: Step, found: Mapping[str, Any], score_after: int | None, inputs: Inputs) -> dict[str, Any]:
    cost = inputs.money.cost_of(step.check.id, step.effort_min)
    return {
        "id": f"r:{step.check.id}",
        "check": step.check.id,
        "stage": str(step.stage),
        "title": step.check.title,
        "severity": str(step.severity),
        "steps": list(step.check.fix),
        "owner": found["owner"],
        "owner_name": found["owner_name"],
        "effort_min": step.effort_min,
        "cost": None if cost is None else {"amount_minor": cost, "currency": inputs.money.currency},
        "gain": {"minutes_per_year": _gain(step, inputs.opportunities)},
        "closes": [found["id"]],
        "requirements": [f"{each['framework']}:{each['id']}" for each in found["requirements"]],
        "after": [f"r:{one}" for one in step.after],
        "lifecycle": step.check.stage,
        "deadline": None if step.deadline is None else {"date": step.deadline.on.isoformat(), "source": step.deadline.source},
        "due": found["due"],
        "risk": step.risk,
        "key": step.key,
        "score_after": score_after,
    }


def _gain(step: Step, opportunities: Sequence[Opportunity]) -> int | None:
    own = [one for one in opportunities if one.kind == step.check.id]
    return minutes_per_year(own) if own else None
