"""What automation tells an incident: a step on its timeline, that it let go, or that a person must take over."""

import re
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.desk.models import Ticket, TicketEvent
from mainstay.domains.desk.queries.incidents import lock_incident
from mainstay.domains.desk.rules.folding import Did
from mainstay.domains.desk.rules.priority import more_pressing
from mainstay.domains.desk.rules.tickets import LIVE, PERSON_QUEUE, Status
from mainstay.domains.desk.services.alerts import announce_resolved, decide_recovery, payload_of, resolve_recovered
from mainstay.domains.desk.services.incidents import append_priority
from mainstay.domains.desk.services.journal import append, settle
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.kernel.json import Json

TEXT_MAX = 2_000
_REASON = re.compile(r"[a-z0-9_.:-]{1,64}")


@transaction.atomic
def record_automation(*, actor: Actor, incident_id: UUID, run_id: UUID, step: str, text: str, outcome: str = "", clock: Clock) -> Ticket:
    """Put a step of a run on the timeline. From the first one on, the run holds the incident and decides about its end."""
    require(actor, "desk.incident.automate")
    ticket = lock_incident(actor.tenant, incident_id)
    if ticket.status in LIVE:
        _hold(ticket, run_id)
    data: dict[str, Json] = {"run": str(run_id), "step": step[:80], "text": text[:TEXT_MAX], "outcome": outcome[:40]}
    append(ticket, actor, Did.AUTOMATION, data, clock=clock)
    settle(ticket, actor, clock=clock)
    ledger.record(actor, "desk.incident.automated", ticket.id, clock=clock, body=data)
    return ticket


@transaction.atomic
def release_automation(*, actor: Actor, incident_id: UUID, run_id: UUID, clock: Clock) -> Ticket:
    """Let an incident go that a run held; if meanwhile all is well and nobody touched it, it resolves as recovered."""
    require(actor, "desk.incident.automate")
    ticket = lock_incident(actor.tenant, incident_id)
    if ticket.incident.healing_run != run_id:
        return ticket
    _hold(ticket, None)
    append(ticket, actor, Did.RELEASED, {"run": str(run_id)}, clock=clock)
    decision = decide_recovery(ticket)
    if decision.is_yes:
        resolve_recovered(ticket, actor, clock)
    settle(ticket, actor, clock=clock)
    ledger.record(actor, "desk.incident.released", ticket.id, clock=clock, body={"run": str(run_id), "because": decision.reason})
    if decision.is_yes:
        announce_resolved(ticket, actor, clock)
    return ticket


@transaction.atomic
def hand_to_person(*, actor: Actor, incident_id: UUID, reason: str, text: str, run_id: UUID | None = None, clock: Clock) -> Ticket:
    """Say that automation could not or may not heal, with its typed reason, and bring the incident before a person.

    The incident waits for nobody and stands in the queue of people; once a run has failed, one priority higher. The same
    reason of the same run again changes nothing. A resolved incident is reopened: a run found that it is not well after all.
    Errors: Invalid("desk.reason_bad") when the reason is no code.
    """
    require(actor, "desk.incident.hand_over")
    ticket = lock_incident(actor.tenant, incident_id)
    if not _REASON.fullmatch(reason):
        raise Invalid("desk.reason_bad", "A reason is a code such as budget_used_up.", reason=reason[:80])
    data: dict[str, Json] = {"reason": reason, "run": str(run_id) if run_id else None, "text": text[:TEXT_MAX], "queue": PERSON_QUEUE}
    earlier = _handed_over(ticket)
    if any(event.data["reason"] == reason and event.data["run"] == data["run"] for event in earlier):
        return ticket
    _hold(ticket, None)
    append(ticket, actor, Did.HANDED_OVER, data, clock=clock)
    if ticket.status != Status.OPEN:
        append(ticket, actor, Did.STATUS, {"to": Status.OPEN, "reason": reason}, clock=clock)
    # What no runbook covers is no worse for it; what a run tried in vain to repair is.
    is_worse = run_id is not None and not any(event.data["run"] for event in earlier)
    if is_worse and more_pressing(ticket.priority) != ticket.priority:
        append_priority(ticket, actor, more_pressing(ticket.priority), reason, clock)
    settle(ticket, actor, clock=clock)
    ledger.record(actor, "desk.incident.handed_over", ticket.id, clock=clock, body=data)
    outbox.publish(actor, "incident.handed_over", ticket.id, payload_of(ticket, reason=reason, run=data["run"]), clock=clock)
    return ticket


def _handed_over(ticket: Ticket) -> list[TicketEvent]:
    return list(TicketEvent.objects.filter(tenant=ticket.tenant, ticket=ticket, type=Did.HANDED_OVER))


def _hold(ticket: Ticket, run_id: UUID | None) -> None:
    if ticket.incident.healing_run != run_id:
        ticket.incident.healing_run = run_id
        ticket.incident.save(update_fields=["healing_run"])
