"""An audit: read everything, judge it, issue the report, and let the ledger hold its hash and that of each finding.

Source: security page, section 5. Invariant: what was issued is never changed; a report and its entries come together or not at all.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any  # findings of a report, as JSON
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import LedgerEntry
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.assurance.models import AuditCheck, AuditFinding, AuditReport, AuditRun, Finding
from mainstay.domains.assurance.queries import audits as queries
from mainstay.domains.assurance.queries import inputs as reading
from mainstay.domains.assurance.rules import schedule
from mainstay.domains.assurance.rules.inputs import Inputs
from mainstay.domains.assurance.rules.judged import Severity
from mainstay.domains.assurance.rules.report import Composed, compose
from mainstay.domains.assurance.services.known import keep_fixed, keep_found
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay_trust.canonical import encode

WINDOW_DAYS = 30
WINDOW_DAYS_MAX = 366
_SHA256 = re.compile(r"[0-9a-f]{64}")


@transaction.atomic
def start_audit(
    *, actor: Actor, kind: str, clock: Clock, scope_id: UUID | None = None, window_days: int = WINDOW_DAYS, trigger: str = "asked"
) -> AuditRun:
    """Audit a device, a site or the whole client (`scope_id` None) from the facts that are here, and issue the report.

    Nothing is waited for: what has not come yet is unknown with its reason. Errors: NotFound; Invalid("assurance.scope_unknown" |
    "assurance.window").
    """
    require(actor, "assurance.audit.start")
    if not 1 <= window_days <= WINDOW_DAYS_MAX:
        raise Invalid("assurance.window", f"A window has 1 to {WINDOW_DAYS_MAX} days.", pointer="/window_days")
    scope = reading.scope_rows(actor.tenant, kind, scope_id)
    inputs = reading.inputs(actor.tenant, new_id(), scope, as_of=clock.now().replace(microsecond=0), window=timedelta(days=window_days))
    composed = compose(inputs)
    run = _issue(actor, scope, inputs, composed, trigger, clock)
    outbox.publish(actor, "audit.issued", run.id, {"audit": str(run.id), "kind": kind, "scope": str(scope.id)}, clock=clock)
    return run


@transaction.atomic
def note_rendered(*, actor: Actor, run_id: UUID, pdf_sha256: str, renderer: str, clock: Clock) -> LedgerEntry:
    """Write down that an audit was rendered: the hash of the PDF and the versions that made it. Errors: NotFound; Invalid."""
    require(actor, "assurance.audit.render")
    if not _SHA256.fullmatch(pdf_sha256):
        raise Invalid("assurance.hash", "A SHA-256 is 64 lower-case hexadecimal digits.", pointer="/pdf_sha256")
    run = queries.run(actor, run_id)
    body = {"pdf_sha256": pdf_sha256, "renderer": renderer[:200], "report_sha256": run.sha256}
    return ledger.record(actor, "assurance.audit.rendered", run.id, clock=clock, body=body)


def _issue(actor: Actor, scope: reading.ScopeRows, inputs: Inputs, composed: Composed, trigger: str, clock: Clock) -> AuditRun:
    run = _run(actor, scope, inputs, composed, trigger, clock)
    AuditReport.objects.create(tenant=actor.tenant, run=run, document=composed.data.decode())
    AuditCheck.objects.bulk_create([_check(run, row) for row in composed.document["checks"]])
    kept = keep_found(run, composed)
    keep_fixed(run, composed.fixed)
    _prove_findings(actor, run, composed, kept, clock)
    return run


def _run(actor: Actor, scope: reading.ScopeRows, inputs: Inputs, composed: Composed, trigger: str, clock: Clock) -> AuditRun:
    answer, changes, digest = composed.document["answer"], composed.document["changes"], hashlib.sha256(composed.data).hexdigest()
    body = {
        "sha256": digest, "kind": scope.kind, "scope": str(scope.id), "as_of": composed.document["as_of"], "trigger": trigger,
        "score": answer["score"], "grade": answer["grade"], "findings": len(composed.failing), "software": inputs.software,
    }  # fmt: skip
    entry = ledger.record(actor, "assurance.audit.issued", UUID(inputs.run), clock=clock, body=body)
    return AuditRun.objects.create(
        id=UUID(inputs.run), tenant=actor.tenant, kind=scope.kind, scope_id=scope.id, scope_name=scope.name, trigger=trigger,
        as_of=inputs.as_of, window_from=inputs.window_from, issued_by=actor.ref, score=answer["score"],
        score_with_accepted=answer["score_with_accepted"], grade=answer["grade"], coverage_pct=answer["coverage"]["pct"],
        devices=len(scope.devices), findings_open=len(composed.failing),
        findings_critical=sum(one.severity is Severity.CRITICAL for one in composed.failing), findings_new=len(changes["new"]),
        findings_fixed=len(changes["fixed"]), areas={row["area"]: row["score"] for row in composed.document["areas"]},
        pending=_pending(inputs), sha256=digest, bytes=len(composed.data), ledger_entry=entry.id,
        previous=UUID(inputs.before.run) if inputs.before else None,
    )  # fmt: skip


def _pending(inputs: Inputs) -> list[str]:
    """Return the groups that a run of one device had to do without; a wider run waits for nothing."""
    if inputs.scope.kind != reading.DEVICE:
        return []
    groups = inputs.devices[0].host.groups
    return list(schedule.pending({name: group.unknown for name, group in groups.items()}, groups.keys()))


def _check(run: AuditRun, row: Mapping[str, Any]) -> AuditCheck:
    verdicts = [each["verdict"] for each in row["subjects"]]
    reasons = sorted({each["reason"] for each in row["subjects"] if each["verdict"] == "unknown"})
    return AuditCheck(
        tenant=run.tenant, run=run, check_id=row["id"], area=row["area"], title=row["title"][:200],
        severity=Severity(row["severity"]).rank + 1, verdict=row["verdict"], subjects=len(verdicts) - verdicts.count("not_applicable"),
        failed=verdicts.count("fail") + verdicts.count("partial"), unknown=verdicts.count("unknown"), reason=", ".join(reasons)[:60],
    )  # fmt: skip


def _prove_findings(actor: Actor, run: AuditRun, composed: Composed, kept: Mapping[str, Finding], clock: Clock) -> None:
    """Write one entry for each finding, with the hash of the finding as it stands in the report."""
    sightings = []
    for row in composed.document["findings"]:
        finding, digest = kept[row["id"]], hashlib.sha256(encode(row)).hexdigest()
        body = {"audit": str(run.id), "finding": row["id"], "severity": row["severity"], "change": row["change"], "sha256": digest}
        entry = ledger.record(actor, "assurance.finding.issued", finding.id, clock=clock, body=body)
        sightings.append(AuditFinding(tenant=run.tenant, run=run, finding=finding, sha256=digest, ledger_entry=entry.id))
    AuditFinding.objects.bulk_create(sightings)
