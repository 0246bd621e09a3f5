"""The API of assurance: audits, findings, what people say of systems, and what things cost.

Owns: the shapes that go in and out. Does not own: any decision (services, rules).
"""

import hashlib
from datetime import date
from uuid import UUID

from django.http import HttpResponse
from ninja import Router, Schema
from pydantic import JsonValue

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.assurance import queries, services
from mainstay.domains.assurance.models import Economics, SystemAnswer
from mainstay.domains.assurance.rules.document import compose
from mainstay.domains.assurance.services.answers import ImportPreview
from mainstay.kernel.json import Json
from mainstay.ui import documents
from mainstay.ui.lists import add_list

router = Router(tags=["assurance"])
add_list(router, "/audits", queries.RUNS)
add_list(router, "/findings", queries.FINDINGS)
add_list(router, "/checks", queries.CHECKS)
add_list(router, "/systems", queries.SYSTEMS)


class AuditIn(Schema):
    kind: str = "client"
    scope_id: UUID | None = None
    window_days: int = 30


class AcceptIn(Schema):
    reason: str
    until: date


class OwnerIn(Schema):
    owner: str | None = None


class ImportIn(Schema):
    text: str
    confirm: str = ""


class AnswerIn(Schema):
    owner: str | None = None
    data_class: str | None = None
    exposure: str | None = None
    tier: int | None = None
    role: str | None = None
    declared: dict[str, JsonValue] | None = None


class DeadlineIn(Schema):
    date: str
    source: str


class EconomicsIn(Schema):
    currency: str
    rate_per_hour_minor: int | None = None
    downtime_per_hour_minor: int | None = None
    licences: dict[str, int] = {}
    deadlines: dict[str, DeadlineIn] = {}


@router.post("/audits", operation_id="assurance_audit_start")
def post_audit(request: Request, body: AuditIn) -> dict[str, Json]:
    """Audit a device, a site or the whole client now, and return the head of the report."""
    run = services.start_audit(
        actor=request.actor, kind=body.kind, scope_id=body.scope_id, window_days=body.window_days, clock=request.clock
    )
    return queries.audit_json(run)


@router.get("/audits/{audit_id}", operation_id="assurance_audit_read")
def read_audit(request: Request, audit_id: UUID) -> HttpResponse:
    """Return the report: exactly the bytes whose SHA-256 is in the ledger."""
    require(request.actor, "assurance.audit.read")
    return HttpResponse(queries.report_bytes(request.actor, audit_id), content_type="application/json")


@router.get("/audits/{audit_id}/findings.csv", operation_id="assurance_audit_csv")
def read_csv(request: Request, audit_id: UUID) -> HttpResponse:
    """Return the findings of an audit as CSV that no spreadsheet takes for a formula."""
    require(request.actor, "assurance.audit.read")
    return HttpResponse(queries.findings_csv(request.actor, audit_id), content_type="text/csv; charset=utf-8")


@router.get("/audits/{audit_id}/pdf", operation_id="assurance_audit_pdf")
def read_pdf(request: Request, audit_id: UUID) -> HttpResponse:
    """Return the PDF, drawn from the report: the same bytes each time."""
    require(request.actor, "assurance.audit.read")
    return HttpResponse(_pdf(request, audit_id), content_type="application/pdf")


@router.post("/audits/{audit_id}/render", operation_id="assurance_audit_render")
def post_render(request: Request, audit_id: UUID) -> dict[str, Json]:
    """Draw the PDF and put its hash into the ledger."""
    require(request.actor, "assurance.audit.render")
    digest, renderer = hashlib.sha256(_pdf(request, audit_id)).hexdigest(), documents.renderer()
    services.note_rendered(actor=request.actor, run_id=audit_id, pdf_sha256=digest, renderer=renderer, clock=request.clock)
    return {"pdf_sha256": digest, "renderer": renderer}


@router.get("/audits/{audit_id}/proofs", operation_id="assurance_audit_proofs")
def read_proofs(request: Request, audit_id: UUID) -> dict[str, Json]:
    """Return which entry of the ledger holds the hash of the report and of each of its findings."""
    require(request.actor, "assurance.audit.read")
    return queries.proofs(request.actor, audit_id)


@router.get("/audits/{audit_id}/compare/{other_id}", operation_id="assurance_audit_compare")
def read_comparison(request: Request, audit_id: UUID, other_id: UUID) -> dict[str, Json]:
    """Return what changed from another audit of the same scope (`other_id`) to this one."""
    require(request.actor, "assurance.audit.read")
    return queries.compare(request.actor, other_id, audit_id)


@router.get("/findings/{finding_id}", operation_id="assurance_finding_read")
def read_finding(request: Request, finding_id: UUID) -> dict[str, Json]:
    """Return a finding as it stands now."""
    require(request.actor, "assurance.finding.read")
    return queries.finding_json(queries.finding(request.actor, finding_id))


@router.post("/findings/{finding_id}/accept", operation_id="assurance_finding_accept")
def post_accept(request: Request, finding_id: UUID, body: AcceptIn) -> dict[str, Json]:
    """Take the risk of a finding, with a reason, until the end of a day."""
    one = services.accept_finding(actor=request.actor, finding_id=finding_id, reason=body.reason, until=body.until, clock=request.clock)
    return queries.finding_json(one)


@router.post("/findings/{finding_id}/withdraw", operation_id="assurance_finding_withdraw")
def post_withdraw(request: Request, finding_id: UUID) -> dict[str, Json]:
    """End a taken risk before its day."""
    return queries.finding_json(services.withdraw_exception(actor=request.actor, finding_id=finding_id, clock=request.clock))


@router.post("/findings/{finding_id}/assign", operation_id="assurance_finding_assign")
def post_assign(request: Request, finding_id: UUID, body: OwnerIn) -> dict[str, Json]:
    """Name who cares for a finding, or nobody."""
    return queries.finding_json(services.assign_finding(actor=request.actor, finding_id=finding_id, owner=body.owner, clock=request.clock))


@router.post("/findings/{finding_id}/ticket", operation_id="assurance_finding_ticket")
def post_ticket(request: Request, finding_id: UUID) -> dict[str, Json]:
    """Make a ticket of a finding; it is there a moment later, and asking twice makes one."""
    return queries.finding_json(services.ask_for_ticket(actor=request.actor, finding_id=finding_id, clock=request.clock))


@router.post("/systems/import", operation_id="assurance_systems_import")
def post_import(request: Request, body: ImportIn) -> dict[str, Json]:
    """Show what a CSV of systems would bring; with the preview's digest as `confirm`, bring it, whole or not at all."""
    return _preview(services.import_systems(actor=request.actor, text=body.text, confirm=body.confirm, clock=request.clock))


@router.put("/devices/{device_id}/answers", operation_id="assurance_device_describe")
def put_answers(request: Request, device_id: UUID, body: AnswerIn) -> dict[str, Json]:
    """Say what a device is for, what it holds and who owns it; what is left out stays as it was."""
    return _answer(services.describe_device(actor=request.actor, device_id=device_id, clock=request.clock, **body.model_dump()))


@router.get("/economics", operation_id="assurance_economics_read")
def read_economics(request: Request) -> dict[str, Json]:
    """Return what an hour costs here; every member is null while nobody has said."""
    require(request.actor, "assurance.economics.read")
    return _economics(queries.economics(request.actor.tenant))


@router.put("/economics", operation_id="assurance_economics_set")
def put_economics(request: Request, body: EconomicsIn) -> dict[str, Json]:
    """Say what an hour costs, what licences a check needs, and the dates of law and contract."""
    return _economics(services.set_economics(actor=request.actor, clock=request.clock, **body.model_dump()))


def _pdf(request: Request, audit_id: UUID) -> bytes:
    report, found = queries.report(request.actor, audit_id), queries.run(request.actor, audit_id)
    return documents.render_pdf(compose(report, sha256=found.sha256))


def _preview(one: ImportPreview) -> dict[str, Json]:
    return {
        "digest": one.digest,
        "done": one.is_done,
        "rows": [
            {"line": row.line, "name": row.name, "owner": row.owner, "data_class": row.data_class, "tier": row.tier} for row in one.rows
        ],
        "faults": [{"line": fault.line, "column": fault.column, "reason": fault.reason} for fault in one.faults],
        "new": list(one.new),
        "changed": list(one.changed),
    }


def _answer(one: SystemAnswer) -> dict[str, Json]:
    return {
        "device_id": str(one.device_id),
        "owner": one.owner or None,
        "data_class": one.data_class or None,
        "exposure": one.exposure or None,
        "tier": one.tier,
        "role": one.role or None,
        "declared": one.declared,
    }


def _economics(one: Economics | None) -> dict[str, Json]:
    return {
        "currency": one.currency if one else None,
        "rate_per_hour_minor": one.rate_per_hour_minor if one else None,
        "downtime_per_hour_minor": one.downtime_per_hour_minor if one else None,
        "licences": one.licences if one else {},
        "deadlines": one.deadlines if one else {},
    }
