"""The API of alerting."""

from datetime import datetime
from uuid import UUID

from ninja import Router, Schema

from mainstay.core.access.requests import Request
from mainstay.core.access.services import require
from mainstay.domains.alerting import queries, services
from mainstay.ui.lists import add_list

router = Router(tags=["alerting"])
add_list(router, "/alerts", queries.ALERTS)


class WhyOut(Schema):
    """One change of an alert with its typed reason."""

    at: datetime
    from_phase: str
    to_phase: str
    reason: str
    sentence: str
    held_back: str
    is_told: bool
    condition: str
    severity: int
    actor: str
    evidence: dict[str, object]


class AckIn(Schema):
    alerts: list[UUID]
    note: str = ""


class AckOut(Schema):
    acknowledged: int


class SnoozeIn(Schema):
    until: datetime
    reason: str


class Changed(Schema):
    changed: bool


class RuleIn(Schema):
    """`levels`: severity name to {fire, recover}. `device_id` absent: for all devices."""

    reason: str
    device_id: UUID | None = None
    is_enabled: bool = True
    levels: dict[str, dict[str, float]] = {}
    wait_s: int | None = None


@router.get("/why/{alert_id}", response=list[WhyOut], operation_id="alerting_alert_why")
def why(request: Request, alert_id: UUID) -> list[WhyOut]:
    """Say why an alert is as it is, and why somebody was told or not."""
    found = queries.find_alert(request.actor.readable, alert_id)
    require(request.actor, "alerting.alert.read", found.tenant)
    return [
        WhyOut(**{**vars(line), "severity": int(line.severity), "evidence": dict(line.evidence)})
        for line in queries.why(found.tenant, alert_id)
    ]


@router.post("/alerts/acknowledge", response=AckOut, operation_id="alerting_alert_acknowledge")
def acknowledge(request: Request, body: AckIn) -> AckOut:
    """Take alerts, each with its whole fold, until they recover."""
    count = services.acknowledge_alerts(actor=request.actor, alert_ids=body.alerts, note=body.note, clock=request.clock)
    return AckOut(acknowledged=count)


@router.post("/alerts/{alert_id}/snooze", response=Changed, operation_id="alerting_alert_snooze")
def snooze(request: Request, alert_id: UUID, body: SnoozeIn) -> Changed:
    """Hear of an alert again at a time."""
    changed = services.snooze_alert(actor=request.actor, alert_id=alert_id, until=body.until, reason=body.reason, clock=request.clock)
    return Changed(changed=changed)


@router.post("/alerts/{alert_id}/unsnooze", response=Changed, operation_id="alerting_alert_unsnooze")
def unsnooze(request: Request, alert_id: UUID) -> Changed:
    """End a snooze now."""
    return Changed(changed=services.unsnooze_alert(actor=request.actor, alert_id=alert_id, clock=request.clock))


@router.put("/rules/{rule_id}", response=Changed, operation_id="alerting_rule_change")
def change_rule(request: Request, rule_id: str, body: RuleIn) -> Changed:
    """Change a rule for all devices or for one."""
    services.change_rule(
        actor=request.actor, rule_id=rule_id, clock=request.clock, reason=body.reason, device_id=body.device_id,
        is_enabled=body.is_enabled, levels=body.levels, wait_s=body.wait_s,
    )  # fmt: skip
    return Changed(changed=True)
