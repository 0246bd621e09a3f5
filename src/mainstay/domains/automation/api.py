"""The API of automation: runs, self-healing, trust documents."""

from typing import Any  # a schema member that holds any JSON value
from uuid import UUID

from ninja import Router, Schema

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.automation import queries, services
from mainstay.domains.automation.models import TrustDocument, TrustOrder
from mainstay.domains.automation.rules.definitions import RUNBOOKS
from mainstay.domains.automation.rules.healing import Mode
from mainstay.kernel.errors import Invalid
from mainstay.kernel.json import Json
from mainstay.ui.lists import add_list

router = Router(tags=["automation"])
add_list(router, "/runs", queries.RUNS)


class DocumentsIn(Schema):
    """Signed documents in the order in which they are to be taken in: roots by version, then the policy, then orders."""

    envelopes: list[dict[str, Any]]


class ModeIn(Schema):
    mode: str


@router.get("/runs/{run_id}", operation_id="automation_run_read")
def read_run(request: Request, run_id: UUID) -> dict[str, Json]:
    """Return one run with its trace."""
    require(request.actor, "automation.run.read")
    return queries.trace_json(queries.trace(queries.run(request.actor.readable, run_id)))


@router.post("/runs/{run_id}/cancel", operation_id="automation_run_cancel")
def cancel_run(request: Request, run_id: UUID) -> dict[str, Json]:
    """Ask a run to stop between two steps."""
    run = services.ask_cancel(actor=request.actor, run_id=run_id, clock=request.clock)
    return {"id": str(run.id), "state": run.state, "is_cancel_asked": run.is_cancel_asked}


@router.get("/runbooks", operation_id="automation_runbook_list")
def list_runbooks(request: Request) -> list[dict[str, Json]]:
    """Return the shipped runbooks and how far each may go."""
    require(request.actor, "automation.runbook.read")
    tenant = request.actor.tenant
    return [
        {"name": one.name, "title": one.title, "trigger": one.trigger, "mode": queries.heal_mode(tenant, one.trigger)}
        for one in RUNBOOKS.values()
    ]


@router.put("/runbooks/{name}/mode", operation_id="automation_heal_rule_edit")
def put_mode(request: Request, name: str, body: ModeIn) -> dict[str, Json]:
    """Choose how far a runbook may go."""
    runbook = RUNBOOKS.get(name)
    if runbook is None or body.mode not in set(Mode):
        raise Invalid("automation.bad_mode", "Choose off, shadow, suggest, ask or act.", pointer="mode")
    rule = services.set_heal_mode(actor=request.actor, trigger=runbook.trigger, mode=Mode(body.mode), clock=request.clock)
    return {"name": name, "mode": rule.mode}


@router.get("/trust", operation_id="automation_trust_read")
def read_trust(request: Request) -> dict[str, Json]:
    """Return what a trust ceremony needs: tenant, devices, the server's public keys, and the documents in force."""
    require(request.actor, "automation.trust.read")
    return queries.ceremony(request.actor.tenant)


@router.post("/trust/documents", operation_id="automation_trust_import")
def import_documents(request: Request, body: DocumentsIn) -> list[dict[str, Json]]:
    """Take in signed documents; the server stores them and can make none."""
    rows = services.adopt_documents(actor=request.actor, envelopes=body.envelopes, clock=request.clock)
    return [_kept(row) for row in rows]


def _kept(row: TrustDocument | TrustOrder) -> dict[str, Json]:
    kept: dict[str, Json] = {"kind": row.kind, "version": None, "sha256": row.payload_sha256, "reduced": None}
    # An order has no version: what it may do is judged by when it was signed.
    return kept | {"version": row.version, "reduced": row.is_reduced} if isinstance(row, TrustDocument) else kept
