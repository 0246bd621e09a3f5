"""An incident that came from an alert is considered for self-healing; whoever declines says why to a person."""

from uuid import UUID

from mainstay.core.jobs.outbox import Event
from mainstay.domains.alerting import queries as alerting
from mainstay.domains.automation import services as automation
from mainstay.domains.automation.rules.healing import SENTENCES, HealReason
from mainstay.domains.desk import services as desk
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


def consider_healing(event: Event, actor: Actor, clock: Clock) -> None:
    alert = event.payload.get("alert")
    if alert is None or not alerting.is_alert(event.tenant, UUID(str(alert))):
        return  # opened by a person or by a finding: there is no signal that a runbook could answer
    considered = automation.consider_healing(actor=actor, incident_id=event.subject_id, alert_id=UUID(str(alert)), clock=clock)
    if considered.run_id is not None:
        # In the same transaction as the run: a recovery that arrives a moment later must find the incident held by it.
        desk.record_automation(
            actor=actor,
            incident_id=event.subject_id,
            run_id=considered.run_id,
            step="started",
            text=SENTENCES[HealReason.ACTING],
            clock=clock,
        )


def hand_over_declined(event: Event, actor: Actor, clock: Clock) -> None:
    reason = HealReason(str(event.payload["reason"]))
    incident_id = UUID(str(event.payload["incident_id"]))
    desk.hand_to_person(actor=actor, incident_id=incident_id, reason=reason, text=SENTENCES[reason], clock=clock)
