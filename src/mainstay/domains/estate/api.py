"""The API of the estate."""

from datetime import datetime
from uuid import UUID

from ninja import Router, Schema

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.estate import queries, services
from mainstay.ui.lists import add_list

router = Router(tags=["estate"])
add_list(router, "/devices", queries.DEVICES)


class FactOut(Schema):
    """A fact group: its value, or why it is unknown; `state` is fresh, stale or unknown."""

    group: str
    state: str
    unknown: str
    collected_at: datetime
    value: dict[str, object] | None


class DeviceOut(Schema):
    """One device with everything that is known of it."""

    id: UUID
    name: str
    state: str
    state_reason: str
    os: str
    last_seen_at: datetime | None
    is_silent: bool
    has_helper: bool
    agent_version: str
    facts: list[FactOut]
    units: dict[str, str]


class CodeIn(Schema):
    uses: int = 1
    valid_for_s: int = 3600
    needs_approval: bool = False


class CodeOut(Schema):
    """The code is shown this once."""

    code: str
    id: UUID
    expires_at: datetime


class WatchIn(Schema):
    units: list[str]


class Changed(Schema):
    changed: bool


@router.get("/devices/{device_id}", response=DeviceOut, operation_id="estate_device_read")
def device(request: Request, device_id: UUID) -> DeviceOut:
    """Return one device."""
    found = queries.find_device(request.actor.readable, device_id)
    require(request.actor, "estate.device.read", found.tenant)
    panel = queries.device_panel(found.tenant, found.id, at=request.clock.now())
    facts = [
        FactOut(
            group=one.name, state=one.state, unknown=one.unknown, collected_at=one.collected_at, value=dict(one.body) if one.body else None
        )
        for one in panel.groups.values()
    ]
    return DeviceOut(
        id=found.id, name=found.name, state=found.state, state_reason=found.state_reason, os=found.os_name, last_seen_at=found.last_seen_at,
        is_silent=panel.is_silent, has_helper=found.has_helper, agent_version=found.agent_version, facts=facts,
        units={one.unit: one.state for one in panel.units},
    )  # fmt: skip


@router.post("/enrol-codes", response=CodeOut, operation_id="estate_enrol_code_create")
def create_code(request: Request, body: CodeIn) -> CodeOut:
    """Make an enrolment code."""
    made = services.create_enrol_token(
        actor=request.actor, clock=request.clock, uses=body.uses, valid_for_s=body.valid_for_s, needs_approval=body.needs_approval
    )
    return CodeOut(code=made.code, id=made.token_id, expires_at=made.expires_at)


@router.post("/devices/{device_id}/approve", response=Changed, operation_id="estate_device_approve")
def approve(request: Request, device_id: UUID) -> Changed:
    """Let a pending device take part."""
    return Changed(changed=services.approve_device(actor=request.actor, device_id=device_id, clock=request.clock))


@router.post("/devices/{device_id}/quarantine", response=Changed, operation_id="estate_device_quarantine")
def quarantine(request: Request, device_id: UUID) -> Changed:
    """Reduce a device to observation."""
    return Changed(changed=services.quarantine_device(actor=request.actor, device_id=device_id, reason="person", clock=request.clock))


@router.post("/devices/{device_id}/release", response=Changed, operation_id="estate_device_release")
def release(request: Request, device_id: UUID) -> Changed:
    """End a quarantine."""
    return Changed(changed=services.release_device(actor=request.actor, device_id=device_id, clock=request.clock))


@router.post("/devices/{device_id}/revoke", response=Changed, operation_id="estate_device_revoke")
def revoke(request: Request, device_id: UUID) -> Changed:
    """End a device's membership."""
    return Changed(changed=services.revoke_device(actor=request.actor, device_id=device_id, reason="person", clock=request.clock))


@router.put("/devices/{device_id}/watch", response=Changed, operation_id="estate_device_watch")
def watch(request: Request, device_id: UUID, body: WatchIn) -> Changed:
    """Name the units that a device watches."""
    return Changed(changed=services.set_watch(actor=request.actor, device_id=device_id, units=body.units, clock=request.clock))
