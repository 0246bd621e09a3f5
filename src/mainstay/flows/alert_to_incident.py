"""A firing alert opens an incident, or joins the one that its cause already has. Its recovery resolves what nobody holds."""

from mainstay.core.jobs.outbox import Event
from mainstay.domains.alerting import queries as alerting
from mainstay.domains.desk import services as desk
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


def open_or_join_incident(event: Event, actor: Actor, clock: Clock) -> None:
    desk.open_incident(actor=actor, alert=alerting.alert_brief(event.tenant, event.subject_id), clock=clock)


def recover_incident(event: Event, actor: Actor, clock: Clock) -> None:
    alert = alerting.alert_brief(event.tenant, event.subject_id)
    desk.recover_incident(actor=actor, alert_id=alert.id, recovered_at=alert.resolved_at, clock=clock)
