"""What alerts do to incidents: open, join, bring back, recover (help desk page, section 3 rule 13)."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.db import connection, transaction

from mainstay.core.access import queries as access
from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.desk.models import IncidentAlert, IncidentRecord, Ticket
from mainstay.domains.desk.queries.incidents import firing_alerts, lock_incident, newest_of_cause
from mainstay.domains.desk.queries.incidents import incident_of_alert as find_incident_of_alert
from mainstay.domains.desk.rules import tickets as rules
from mainstay.domains.desk.rules.folding import Did
from mainstay.domains.desk.rules.priority import URGENCY_OF, Impact, priority
from mainstay.domains.desk.rules.references import Reference
from mainstay.domains.desk.rules.tickets import FIRST_QUEUE, CauseCode, JoinReason, Kind, ResolutionCode, Source, Status
from mainstay.domains.desk.services.journal import append, settle
from mainstay.domains.desk.services.policies import bind, ensure_default_policy
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.decisions import Decision
from mainstay.kernel.json import Json
from mainstay.kernel.severity import Severity

TITLE_MAX = 300


class AlertNews(Protocol):
    """What the desk must know of a firing alert. `fingerprint` names its root cause for as long as the cause exists."""

    @property
    def id(self) -> UUID: ...
    @property
    def fold_id(self) -> UUID | None: ...
    @property
    def device_id(self) -> UUID | None: ...
    @property
    def rule(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def severity(self) -> int | Severity: ...
    @property
    def summary(self) -> str: ...
    @property
    def fired_at(self) -> datetime: ...
    @property
    def resolved_at(self) -> datetime | None: ...
    @property
    def fingerprint(self) -> str: ...


@transaction.atomic
def open_incident(*, actor: Actor, alert: AlertNews, clock: Clock, impact: Impact = Impact.TEAM) -> Ticket:
    """Open an incident for a firing alert, or join the one that its root cause already has.

    `impact`: how many people it concerns, where the caller knows more than the alert says.
    The same alert firing at the same instant twice changes nothing. One incident of a cause that was resolved within a day
    is reopened instead. The clocks start when the alert fired. News of an alert that has recovered meanwhile (a worker that
    stood still hears of both at once, in any order) is followed by its recovery.
    """
    require(actor, "desk.incident.open")
    number = _lock_numbers(actor)
    known = IncidentAlert.objects.filter(tenant=actor.tenant, alert_id=alert.id).first()
    if known is not None and known.fired_at >= alert.fired_at:
        return lock_incident(actor.tenant, known.ticket_id)
    previous = known.ticket if known else newest_of_cause(actor.tenant, cause_key=alert.fingerprint, fold_id=alert.fold_id)
    reason = rules.join(Status(previous.status) if previous else None, previous.resolved_at if previous else None, fired_at=alert.fired_at)
    if previous is None or reason is JoinReason.LAST_ONE_LONG_AGO:
        ticket = _open(actor, alert, reason, number + 1, impact, clock)
    else:
        ticket = _join(actor, alert, lock_incident(actor.tenant, previous.id), reason, clock)
    if alert.resolved_at is not None and alert.resolved_at >= alert.fired_at:
        return recover_incident(actor=actor, alert_id=alert.id, recovered_at=alert.resolved_at, clock=clock) or ticket
    return ticket


@transaction.atomic
def recover_incident(
    *, actor: Actor, alert_id: UUID, clock: Clock, recovered_at: datetime | None = None, condition_text: str = ""
) -> Ticket | None:
    """Note that an alert recovered; resolve its incident if nobody touched it, nothing else fires and no run holds it.

    Returns None when no incident stands for the alert. A recovery that was noted before changes nothing, nor does one from
    before the alert fired again (`recovered_at` tells).
    """
    require(actor, "desk.incident.recover")
    found = find_incident_of_alert(actor.tenant, alert_id)
    if found is None:
        return None
    ticket = lock_incident(actor.tenant, found.id)
    firing = IncidentAlert.objects.filter(tenant=actor.tenant, alert_id=alert_id, recovered_at=None)
    if not firing.filter(fired_at__lte=recovered_at or clock.now()).update(recovered_at=recovered_at or clock.now()):
        return ticket
    decision = decide_recovery(ticket)
    facts: dict[str, Json] = {"alert": str(alert_id), "text": condition_text, "because": decision.reason}
    append(ticket, actor, Did.RECOVERED, facts, clock=clock)
    if decision.is_yes:
        resolve_recovered(ticket, actor, clock)
    settle(ticket, actor, clock=clock)
    ledger.record(actor, "desk.incident.recovered", ticket.id, clock=clock, body=facts)
    outbox.publish(actor, "incident.recovered", ticket.id, payload_of(ticket, alert=str(alert_id)), clock=clock)
    if decision.is_yes:
        announce_resolved(ticket, actor, clock)
    return ticket


def incident_of_alert(*, actor: Actor, alert_id: UUID) -> UUID | None:
    """Return the id of the incident that stands for an alert, or None."""
    require(actor, "desk.incident.read")
    ticket = find_incident_of_alert(actor.tenant, alert_id)
    return ticket.id if ticket else None


def decide_recovery(ticket: Ticket) -> Decision[None]:
    """Ask the rule whether the recovery of its alerts resolves a locked incident."""
    return rules.recovery(
        Status(ticket.status),
        is_touched=ticket.is_touched,
        firing_alerts=firing_alerts(ticket),
        is_held=ticket.incident.healing_run is not None,
    )


def resolve_recovered(ticket: Ticket, actor: Actor, clock: Clock) -> None:
    """Append the resolution of an incident that became well by itself."""
    data: dict[str, Json] = {"to": Status.RESOLVED, "resolution": ResolutionCode.RECOVERED, "cause": CauseCode.UNKNOWN}
    append(ticket, actor, Did.STATUS, data, clock=clock)


def announce_resolved(ticket: Ticket, actor: Actor, clock: Clock) -> None:
    """Write the evidence and the event of a resolution, after the ticket was settled."""
    facts: dict[str, Json] = {"resolution": ticket.resolution_code, "cause": ticket.cause_code}
    ledger.record(actor, "desk.incident.resolved", ticket.id, clock=clock, body={**facts, "reference": ticket.reference})
    outbox.publish(actor, "incident.resolved", ticket.id, payload_of(ticket, **facts), clock=clock)


def payload_of(ticket: Ticket, **more: Json) -> dict[str, Json]:
    """Return what every event of an incident carries: ids only."""
    device_id = ticket.incident.device_id
    return {"incident": str(ticket.id), "device": str(device_id) if device_id else None, **more}


def _lock_numbers(actor: Actor) -> int:
    """Lock the tenant's numbering and return the last number given; incidents of a tenant open one after another."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO desk_ticketnumber (id, tenant, last) VALUES (%s, %s, 0)"
            " ON CONFLICT (tenant) DO UPDATE SET last = desk_ticketnumber.last RETURNING last",
            [new_id(), actor.tenant],
        )
        (last,) = cursor.fetchone()
    return int(last)


def _give_number(actor: Actor, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE desk_ticketnumber SET last = %s WHERE tenant = %s", [number, actor.tenant])


def _open(actor: Actor, alert: AlertNews, reason: JoinReason, number: int, impact: Impact, clock: Clock) -> Ticket:
    _give_number(actor, number)
    ensure_default_policy(actor=actor, clock=clock)
    ticket, data = _new_ticket(actor, alert, number, impact, clock)
    ticket.save(force_insert=True)
    record = IncidentRecord.objects.create(
        tenant=actor.tenant,
        ticket=ticket,
        detected_at=min(alert.fired_at, clock.now()),
        cause_key=alert.fingerprint[:200],
        device_id=alert.device_id,
        rule=alert.rule[:80],
        subject=alert.subject[:200],
    )
    ticket.incident = record
    append(ticket, actor, Did.CREATED, data, clock=clock, since=alert.fired_at)
    _refer(ticket, actor, alert, reason, clock)
    settle(ticket, actor, clock=clock)
    body: dict[str, Json] = {"reference": ticket.reference, "alert": str(alert.id), "priority": ticket.priority, "because": reason}
    ledger.record(actor, "desk.incident.opened", ticket.id, clock=clock, body=body)
    outbox.publish(actor, "incident.opened", ticket.id, payload_of(ticket, alert=str(alert.id)), clock=clock)
    return ticket


def _new_ticket(actor: Actor, alert: AlertNews, number: int, impact: Impact, clock: Clock) -> tuple[Ticket, dict[str, Json]]:
    urgency = URGENCY_OF[Severity(alert.severity)]
    level = priority(impact, urgency)
    bound = bind(actor, min(alert.fired_at, clock.now()))
    title = alert.summary[:TITLE_MAX]
    data: dict[str, Json] = {
        "by": "alert",
        "title": title,
        "impact": int(impact),
        "urgency": int(urgency),
        "priority": level,
        "queue": FIRST_QUEUE,
        **bound.as_data(level),
    }
    ticket = Ticket(
        tenant=actor.tenant,
        kind=Kind.INCIDENT,
        number=number,
        reference=str(Reference(access.tenant(actor.tenant).prefix, number)),
        source=Source.ALERT,
        binding=bound.binding,
        binding_reason=bound.why,
        title=title,
        status=Status.NEW,
        impact=int(impact),
        urgency=int(urgency),
        priority=level,
        queue=FIRST_QUEUE,
        started_at=alert.fired_at,
        updated_at=clock.now(),
        evaluated_at=clock.now(),
    )
    return ticket, data


def _join(actor: Actor, alert: AlertNews, ticket: Ticket, reason: JoinReason, clock: Clock) -> Ticket:
    _refer(ticket, actor, alert, reason, clock)
    if reason is JoinReason.RECURRED:
        append(ticket, actor, Did.STATUS, {"to": Status.OPEN, "reason": reason}, clock=clock)
    settle(ticket, actor, clock=clock)
    verb = "reopened" if reason is JoinReason.RECURRED else "joined"
    act = "desk.incident.reopened" if reason is JoinReason.RECURRED else "desk.incident.joined"
    ledger.record(actor, act, ticket.id, clock=clock, body={"alert": str(alert.id), "because": reason})
    outbox.publish(actor, f"incident.{verb}", ticket.id, payload_of(ticket, alert=str(alert.id)), clock=clock)
    return ticket


def _refer(ticket: Ticket, actor: Actor, alert: AlertNews, reason: JoinReason, clock: Clock) -> None:
    """Keep the reference to a firing alert; one that recovered and fires again is firing again."""
    IncidentAlert.objects.update_or_create(
        tenant=actor.tenant,
        alert_id=alert.id,
        defaults={"ticket": ticket, "fold_id": alert.fold_id, "fired_at": alert.fired_at, "recovered_at": None},
    )
    data: dict[str, Json] = {"alert": str(alert.id), "summary": alert.summary[:TITLE_MAX], "because": reason}
    append(ticket, actor, Did.ALERT, data, clock=clock)
