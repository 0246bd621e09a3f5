"""Issued audits, their reports and their proofs."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any  # a report is JSON
from uuid import UUID

from django.db.models import QuerySet

from mainstay.core.ledger import queries as ledger_queries
from mainstay.domains.assurance.models import AuditFinding, AuditReport, AuditRun, Finding
from mainstay.domains.assurance.rules import compare as compare_rules
from mainstay.domains.assurance.rules.findings_csv import HEADER, csv_rows
from mainstay.domains.assurance.rules.judged import Severity
from mainstay.kernel.actors import Actor
from mainstay.kernel.errors import Conflict, NotFound
from mainstay.kernel.json import Json


def runs(actor: Actor) -> QuerySet[AuditRun]:
    """Return the audits that an actor may read, newest first."""
    return AuditRun.objects.filter(tenant__in=actor.readable).order_by("-as_of", "-id")


def run(actor: Actor, run_id: UUID) -> AuditRun:
    """Return an audit. Errors: NotFound."""
    found = runs(actor).filter(id=run_id).first()
    if found is None:
        raise NotFound("assurance.run_unknown", "There is no such audit.")
    return found


def latest(actor: Actor, kind: str, scope_id: UUID) -> AuditRun | None:
    """Return the newest audit of a scope, or None."""
    return runs(actor).filter(kind=kind, scope_id=scope_id).first()


def report_bytes(actor: Actor, run_id: UUID) -> bytes:
    """Return the report as it was issued: the bytes whose SHA-256 is in the ledger. Errors: NotFound."""
    document = AuditReport.objects.filter(tenant__in=actor.readable, run_id=run_id).values_list("document", flat=True).first()
    if document is None:
        raise NotFound("assurance.run_unknown", "There is no such audit.")
    return str(document).encode()


def report(actor: Actor, run_id: UUID) -> dict[str, Any]:
    """Return the report of an audit as a document. Errors: NotFound."""
    document: dict[str, Any] = json.loads(report_bytes(actor, run_id))
    return document


def compare(actor: Actor, old_run_id: UUID, new_run_id: UUID) -> dict[str, Any]:
    """Return what changed from one audit of a scope to another. Errors: NotFound; Conflict for audits of two scopes."""
    old, new = report(actor, old_run_id), report(actor, new_run_id)
    if old["scope"]["id"] != new["scope"]["id"]:
        raise Conflict("assurance.other_scope", "Only two audits of the same scope can be compared.")
    return compare_rules.compare(old, new)


def findings_of(actor: Actor, run_id: UUID) -> QuerySet[AuditFinding]:
    """Return the findings of one audit, the worst first."""
    own = AuditFinding.objects.filter(tenant__in=actor.readable, run_id=run_id).select_related("finding")
    return own.order_by("finding__severity", "finding__check_id")


def finding(actor: Actor, finding_id: UUID) -> Finding:
    """Return a finding. Errors: NotFound."""
    found = Finding.objects.filter(tenant__in=actor.readable, id=finding_id).first()
    if found is None:
        raise NotFound("assurance.finding_unknown", "There is no such finding.")
    return found


def lock_finding(tenant: UUID, finding_id: UUID) -> Finding:
    """Return a finding, locked until the transaction ends. Errors: NotFound."""
    found = Finding.objects.select_for_update().filter(tenant=tenant, id=finding_id).first()
    if found is None:
        raise NotFound("assurance.finding_unknown", "There is no such finding.")
    return found


def proofs(actor: Actor, run_id: UUID) -> dict[str, Json]:
    """Return which entry of the ledger holds the hash of the report and of each of its findings; seq is None until sequenced."""
    one = run(actor, run_id)
    sightings = findings_of(actor, run_id)
    return {
        "run": str(one.id),
        "sha256": one.sha256,
        "entry": one.ledger_entry,
        "seq": _seq(one.tenant, one.ledger_entry),
        "findings": [
            {"key": each.finding.key, "sha256": each.sha256, "entry": each.ledger_entry, "seq": _seq(one.tenant, each.ledger_entry)}
            for each in sightings
        ],
    }


def findings_csv(actor: Actor, run_id: UUID) -> str:
    """Return the findings of an audit as CSV that no spreadsheet takes for a formula."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerows((HEADER, *csv_rows(report(actor, run_id)["findings"])))
    return target.getvalue()


def audit_json(one: AuditRun) -> dict[str, Json]:
    """Return the head of an audit: what a caller of the API needs to go on."""
    return {
        "id": str(one.id),
        "kind": one.kind,
        "scope_id": str(one.scope_id),
        "scope_name": one.scope_name,
        "trigger": one.trigger,
        "as_of": one.as_of.isoformat(),
        "score": one.score,
        "score_with_accepted": one.score_with_accepted,
        "grade": one.grade,
        "coverage_pct": one.coverage_pct,
        "devices": one.devices,
        "findings_open": one.findings_open,
        "findings_new": one.findings_new,
        "findings_fixed": one.findings_fixed,
        "sha256": one.sha256,
        "previous": str(one.previous) if one.previous else None,
    }


def finding_json(one: Finding) -> dict[str, Json]:
    return {
        "id": str(one.id),
        "key": one.key,
        "check": one.check_id,
        "scope_name": one.scope_name,
        "severity": _severity_word(one.severity),
        "title": one.title,
        "state": one.state,
        "owner": one.owner or None,
        "due": one.due.isoformat(),
        "exception": {"reason": one.exception_reason, "until": one.exception_until.isoformat()} if one.exception_until else None,
        "ticket": str(one.ticket) if one.ticket else None,
        "ticket_asked_at": one.ticket_asked_at.isoformat() if one.ticket_asked_at else None,
        "last_run": str(one.last_run),
    }


def _severity_word(rank: int) -> str:
    words: Sequence[str] = tuple(Severity)
    return words[rank - 1]


def _seq(tenant: UUID, entry_id: int) -> int | None:
    leaf = ledger_queries.leaf_of(tenant, entry_id)
    return int(leaf.seq) if leaf else None
