"""The API of the help desk: incidents, their events and clocks, and what may be done to them.

Owns: the shapes that go in and out. Does not own: any decision (services, rules).
"""

from datetime import datetime
from uuid import UUID

from ninja import Router, Schema

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.desk import queries, services
from mainstay.domains.desk.models import Ticket
from mainstay.kernel.errors import Conflict
from mainstay.kernel.json import Json
from mainstay.ui.lists import add_list

router = Router(tags=["desk"])
add_list(router, "/incidents", queries.INCIDENTS)


class NoteIn(Schema):
    text: str
    visibility: str = "internal"


class AssignIn(Schema):
    owner: str | None = None


class ResolveIn(Schema):
    resolution_code: str
    cause_code: str = "unknown"
    note: str = ""


class StatusIn(Schema):
    to: str
    waiting_for: str | None = None
    resume_at: datetime | None = None
    reason: str = ""


class PriorityIn(Schema):
    priority: int
    reason: str


class RebuildIn(Schema):
    """`incident_id` absent: every incident."""

    incident_id: UUID | None = None
    check: bool = False


class ReasonIn(Schema):
    reason: str


@router.get("/incidents/{incident_id}", operation_id="desk_incident_read")
def read_incident(request: Request, incident_id: UUID) -> dict[str, Json]:
    """Return an incident with its timeline, clocks and alerts. `version` is its ETag for If-Match."""
    require(request.actor, "desk.incident.read")
    return queries.page_json(queries.incident_page(request.actor, incident_id, request.clock.now()))


@router.get("/incidents/{incident_id}/clocks", operation_id="desk_clock_read")
def read_clocks(request: Request, incident_id: UUID) -> list[dict[str, Json]]:
    """Return every clock with the stretches that add up to its consumed and paused time."""
    require(request.actor, "desk.clock.read")
    return queries.explanation_json(queries.sla_explanation(request.actor, incident_id, request.clock.now()))


@router.post("/clocks/rebuild", operation_id="desk_clock_rebuild")
def rebuild_clocks(request: Request, body: RebuildIn) -> dict[str, Json]:
    """Compute clocks and columns anew from the events and say what differed. With `check` nothing is written."""
    report = services.rebuild_clocks(actor=request.actor, clock=request.clock, incident_id=body.incident_id, check=body.check)
    return {"tickets": report.tickets, "differences": list(report.differences), "written": not body.check and bool(report.differences)}


@router.post("/incidents/{incident_id}/notes", operation_id="desk_incident_note")
def post_note(request: Request, incident_id: UUID, body: NoteIn) -> dict[str, Json]:
    """Add a note or a reply."""
    ticket = services.add_note(
        actor=request.actor, incident_id=incident_id, text=body.text, visibility=body.visibility, clock=request.clock
    )
    return _shown(ticket)


@router.post("/incidents/{incident_id}/assign", operation_id="desk_incident_assign")
def post_assign(request: Request, incident_id: UUID, body: AssignIn) -> dict[str, Json]:
    """Give an incident to somebody, or back to its queue."""
    _match(request, incident_id)
    return _shown(services.assign_incident(actor=request.actor, incident_id=incident_id, owner=body.owner, clock=request.clock))


@router.post("/incidents/{incident_id}/take", operation_id="desk_incident_take")
def post_take(request: Request, incident_id: UUID) -> dict[str, Json]:
    """Make the caller the owner."""
    return _shown(services.take_incident(actor=request.actor, incident_id=incident_id, clock=request.clock))


@router.post("/incidents/{incident_id}/resolve", operation_id="desk_incident_resolve")
def post_resolve(request: Request, incident_id: UUID, body: ResolveIn) -> dict[str, Json]:
    """Resolve an incident with a resolution code and a cause code."""
    _match(request, incident_id)
    ticket = services.resolve_incident(
        actor=request.actor,
        incident_id=incident_id,
        resolution_code=body.resolution_code,
        cause_code=body.cause_code,
        note=body.note,
        clock=request.clock,
    )
    return _shown(ticket)


@router.post("/incidents/{incident_id}/reopen", operation_id="desk_incident_reopen")
def post_reopen(request: Request, incident_id: UUID, body: ReasonIn) -> dict[str, Json]:
    """Bring a resolved, closed or cancelled incident back."""
    _match(request, incident_id)
    return _shown(services.reopen_incident(actor=request.actor, incident_id=incident_id, reason=body.reason, clock=request.clock))


@router.post("/incidents/{incident_id}/status", operation_id="desk_incident_status")
def post_status(request: Request, incident_id: UUID, body: StatusIn) -> dict[str, Json]:
    """Let an incident wait, go on, close or be cancelled."""
    _match(request, incident_id)
    ticket = services.change_status(
        actor=request.actor,
        incident_id=incident_id,
        to=body.to,
        waiting_for=body.waiting_for,
        resume_at=body.resume_at,
        reason=body.reason,
        clock=request.clock,
    )
    return _shown(ticket)


@router.post("/incidents/{incident_id}/priority", operation_id="desk_incident_priority")
def post_priority(request: Request, incident_id: UUID, body: PriorityIn) -> dict[str, Json]:
    """Override the priority, with a reason."""
    _match(request, incident_id)
    ticket = services.change_priority(
        actor=request.actor, incident_id=incident_id, priority=body.priority, reason=body.reason, clock=request.clock
    )
    return _shown(ticket)


def _match(request: Request, incident_id: UUID) -> None:
    """Honour If-Match: a caller who looked at an older version is told, and changes nothing."""
    wanted = request.headers.get("If-Match", "").strip('" ')
    if not wanted:
        return
    version = str(queries.lock_incident(request.actor.tenant, incident_id).version)
    if wanted not in (version, "*"):
        raise Conflict("desk.stale_version", "The incident has changed since you looked. Load it again.", version=version)


def _shown(ticket: Ticket) -> dict[str, Json]:
    return queries.ticket_json(ticket)
