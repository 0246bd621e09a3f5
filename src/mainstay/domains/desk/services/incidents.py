"""What people (and, where the policy lets them, parts of the system) do to an incident."""

import re
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import Erasable
from mainstay.domains.desk.models import Ticket
from mainstay.domains.desk.queries.incidents import lock_incident
from mainstay.domains.desk.rules.folding import Did
from mainstay.domains.desk.rules.policy import WaitingReason
from mainstay.domains.desk.rules.priority import PRIORITY_LOWEST
from mainstay.domains.desk.rules.tickets import DONE, LIVE, CauseCode, Move, MoveReason, ResolutionCode, Status, Visibility, move
from mainstay.domains.desk.services.alerts import announce_resolved, payload_of
from mainstay.domains.desk.services.journal import append, settle
from mainstay.kernel.actors import Actor, ActorKind
from mainstay.kernel.clock import Clock
from mainstay.kernel.decisions import Decision
from mainstay.kernel.errors import Conflict, Invalid
from mainstay.kernel.json import Json

_Choice = TypeVar("_Choice", bound=StrEnum)
NOTE_MAX = 20_000
_REF = re.compile(r"[a-z]:[0-9a-zA-Z_-]{1,36}")
_SENTENCES = {
    MoveReason.NOT_FROM_HERE: "A ticket that is {status} cannot become {to}.",
    MoveReason.UNCHANGED: "Nothing to change: the ticket is {status}.",
    MoveReason.WAITING_FOR_WHOM: "Say whom the ticket waits for, and only when it waits.",
    MoveReason.RESUME_TIME_MISSING: "Scheduled work needs the time that was agreed with the requester.",
    MoveReason.RESUME_TIME_PAST: "The time to go on lies in the past.",
    MoveReason.REASON_MISSING: "Bringing back a ticket that is {status} needs a reason.",
}
_ABOUT_INPUT = frozenset(
    {MoveReason.WAITING_FOR_WHOM, MoveReason.RESUME_TIME_MISSING, MoveReason.RESUME_TIME_PAST, MoveReason.REASON_MISSING}
)


@transaction.atomic
def add_note(*, actor: Actor, incident_id: UUID, text: str, visibility: str = Visibility.INTERNAL, clock: Clock) -> Ticket:
    """Add a message of staff to an incident. A public one answers the client, which the clocks count.

    Errors: Invalid("desk.note_bad") for an empty or very long text.
    """
    require(actor, "desk.incident.note")
    ticket = lock_incident(actor.tenant, incident_id)
    body = _checked_text(text)
    shown_to = _one_of(Visibility, visibility, "desk.visibility_unknown")
    data: dict[str, Json] = {
        "side": "staff",
        "human": actor.kind is ActorKind.PERSON,
        "public": shown_to is Visibility.PUBLIC,
        "visibility": shown_to,
        "text": body,
    }
    event = append(ticket, actor, Did.MESSAGE, data, clock=clock)
    settle(ticket, actor, clock=clock)
    evidence: dict[str, Json | Erasable] = {"visibility": shown_to, "seq": event.seq, "text": ledger.erasable(body)}
    ledger.record(actor, "desk.incident.noted", ticket.id, clock=clock, body=evidence)
    outbox.publish(actor, "incident.noted", ticket.id, payload_of(ticket, seq=event.seq), clock=clock)
    return ticket


@transaction.atomic
def assign_incident(*, actor: Actor, incident_id: UUID, owner: str | None, clock: Clock) -> Ticket:
    """Give an incident to somebody (a reference such as `p:...`), or back to its queue with None."""
    require(actor, "desk.incident.assign")
    return _assign(actor, incident_id, owner, clock)


@transaction.atomic
def take_incident(*, actor: Actor, incident_id: UUID, clock: Clock) -> Ticket:
    """Make the actor the owner."""
    require(actor, "desk.incident.take")
    return _assign(actor, incident_id, actor.ref, clock)


@transaction.atomic
def change_priority(*, actor: Actor, incident_id: UUID, priority: int, reason: str, clock: Clock) -> Ticket:
    """Override the priority, with a reason. The targets of the new one count from the original start."""
    require(actor, "desk.incident.priority")
    ticket = lock_incident(actor.tenant, incident_id)
    if not 1 <= priority <= PRIORITY_LOWEST:
        raise Invalid("desk.priority_unknown", f"Priorities go from 1 to {PRIORITY_LOWEST}.", priority=priority)
    if not reason.strip():
        raise Invalid("desk.reason_missing", "Say why the priority differs from impact and urgency.")
    if priority == ticket.priority:
        return ticket
    append_priority(ticket, actor, priority, reason.strip()[:300], clock)
    settle(ticket, actor, clock=clock)
    evidence: dict[str, Json | Erasable] = {"priority": priority, "reason": ledger.erasable(reason.strip()[:300])}
    ledger.record(actor, "desk.incident.prioritised", ticket.id, clock=clock, body=evidence)
    outbox.publish(actor, "incident.prioritised", ticket.id, payload_of(ticket, priority=priority), clock=clock)
    return ticket


@transaction.atomic
def change_status(
    *,
    actor: Actor,
    incident_id: UUID,
    to: str,
    waiting_for: str | None = None,
    resume_at: datetime | None = None,
    reason: str = "",
    clock: Clock,
) -> Ticket:
    """Move an incident to another status; resolving has a service of its own.

    Errors: Conflict("desk.transition") when it cannot go there from where it is, Invalid("desk.transition") when something
    is missing; both carry the typed reason.
    """
    require(actor, "desk.incident.status")
    ticket = lock_incident(actor.tenant, incident_id)
    status = _one_of(Status, to, "desk.status_unknown")
    if status in (Status.RESOLVED, Status.MERGED):
        raise Invalid("desk.transition", "Resolving and merging need more than a status.", to=to)
    waiting = _one_of(WaitingReason, waiting_for, "desk.waiting_reason_unknown") if waiting_for else None
    _move(ticket, actor, Move(status, waiting, resume_at, reason), clock)
    settle(ticket, actor, clock=clock)
    body: dict[str, Json | Erasable] = {"to": status, "waiting_for": ticket.waiting_for, "reason": ledger.erasable(reason)}
    ledger.record(actor, "desk.incident.moved", ticket.id, clock=clock, body=body)
    outbox.publish(actor, "incident.moved", ticket.id, payload_of(ticket, to=status), clock=clock)
    return ticket


@transaction.atomic
def reopen_incident(*, actor: Actor, incident_id: UUID, reason: str, clock: Clock) -> Ticket:
    """Bring a resolved, closed or cancelled incident back. Its resolution clock goes on with the time it had used."""
    require(actor, "desk.incident.reopen")
    ticket = lock_incident(actor.tenant, incident_id)
    wish = Move(Status.OPEN, reason=reason)
    if ticket.status in LIVE:
        _refuse(ticket, wish, Decision.no(MoveReason.UNCHANGED))
    _move(ticket, actor, wish, clock)
    settle(ticket, actor, clock=clock)
    ledger.record(actor, "desk.incident.reopened", ticket.id, clock=clock, body={"reason": ledger.erasable(reason)})
    outbox.publish(actor, "incident.reopened", ticket.id, payload_of(ticket), clock=clock)
    return ticket


@transaction.atomic
def resolve_incident(
    *,
    actor: Actor,
    incident_id: UUID,
    resolution_code: str,
    cause_code: str = CauseCode.UNKNOWN,
    note: str = "",
    run_id: UUID | None = None,
    clock: Clock,
) -> Ticket:
    """Resolve an incident with a resolution code and a cause code.

    An incident that had recovered by itself before its run was verified is not resolved twice: `healed` replaces `recovered`.
    Errors: Conflict("desk.transition"), Invalid("desk.resolution_unknown" | "desk.cause_unknown").
    """
    require(actor, "desk.incident.resolve")
    ticket = lock_incident(actor.tenant, incident_id)
    resolution = _one_of(ResolutionCode, resolution_code, "desk.resolution_unknown")
    cause = _one_of(CauseCode, cause_code, "desk.cause_unknown")
    data: dict[str, Json] = {"resolution": resolution, "cause": cause, "note": note[:NOTE_MAX], "run": str(run_id) if run_id else None}
    _release(ticket)
    if _explains_recovery(ticket, resolution):
        append(ticket, actor, Did.RESOLUTION, data, clock=clock)
    else:
        _move(ticket, actor, Move(Status.RESOLVED), clock, data)
    settle(ticket, actor, clock=clock)
    announce_resolved(ticket, actor, clock)
    return ticket


def append_priority(ticket: Ticket, actor: Actor, priority: int, reason: str, clock: Clock) -> None:
    """Append a priority and, since targets depend on it, the policy that holds from now on."""
    append(ticket, actor, Did.PRIORITY, {"priority": priority, "reason": reason}, clock=clock)
    if ticket.binding is None:
        return
    policy: dict[str, Json] = {
        "policy_version": str(ticket.binding.policy_version_id),
        "calendar": str(ticket.binding.calendar_id),
        "priority": priority,
        "mode": "retroactive",
    }
    append(ticket, actor, Did.POLICY, policy, clock=clock)


def _assign(actor: Actor, incident_id: UUID, owner: str | None, clock: Clock) -> Ticket:
    ticket = lock_incident(actor.tenant, incident_id)
    if owner and not _REF.fullmatch(owner):
        raise Invalid("desk.owner_bad", "An owner is named by a reference such as p:7f3k.", owner=owner[:40])
    if (owner or "") == ticket.owner:
        return ticket
    by = "human" if actor.kind is ActorKind.PERSON else "rule"
    append(ticket, actor, Did.ASSIGNED, {"owner": owner or "", "by": by}, clock=clock)
    settle(ticket, actor, clock=clock)
    ledger.record(actor, "desk.incident.assigned", ticket.id, clock=clock, body={"owner": owner or "", "by": by})
    outbox.publish(actor, "incident.assigned", ticket.id, payload_of(ticket, owner=owner or ""), clock=clock)
    return ticket


def _move(ticket: Ticket, actor: Actor, wish: Move, clock: Clock, more: dict[str, Json] | None = None) -> None:
    waiting = WaitingReason(ticket.waiting_for) if ticket.waiting_for else None
    decision = move(Status(ticket.status), waiting, wish, now=clock.now())
    if not decision.is_yes:
        _refuse(ticket, wish, decision)
    data: dict[str, Json] = {
        "to": f"{wish.to}:{wish.waiting_for}" if wish.waiting_for else str(wish.to),
        "resume_at": wish.resume_at.isoformat() if wish.resume_at else None,
        "reason": wish.reason[:NOTE_MAX],
        **(more or {}),
    }
    append(ticket, actor, Did.STATUS, data, clock=clock)


def _refuse(ticket: Ticket, wish: Move, decision: Decision[Move]) -> None:
    reason = MoveReason(decision.reason)
    sentence = _SENTENCES[reason].format(status=ticket.status, to=wish.to)
    error = Invalid if reason in _ABOUT_INPUT else Conflict
    raise error("desk.transition", sentence, reason=reason, status=ticket.status, to=wish.to)


def _explains_recovery(ticket: Ticket, resolution: ResolutionCode) -> bool:
    is_recovered = ticket.status in DONE and ticket.resolution_code == ResolutionCode.RECOVERED
    return is_recovered and resolution is ResolutionCode.HEALED


def _release(ticket: Ticket) -> None:
    if ticket.incident.healing_run is not None:
        ticket.incident.healing_run = None
        ticket.incident.save(update_fields=["healing_run"])


def _checked_text(text: str) -> str:
    body = text.replace("\x00", "").strip()
    if not body or len(body) > NOTE_MAX:
        raise Invalid("desk.note_bad", f"A note has between 1 and {NOTE_MAX} characters.", pointer="text")
    return body


def _one_of(choices: type[_Choice], value: str, code: str) -> _Choice:
    try:
        return choices(value)
    except ValueError as problem:
        raise Invalid(code, f"{value!r} is not among: {', '.join(choices)}.") from problem
