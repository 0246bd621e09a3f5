"""Time passing: thresholds, breaches, and the repair of what was cached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.desk.models import SlaClock, SlaNotice, Ticket, TicketEvent
from mainstay.domains.desk.queries.incidents import event_rows, sleepers, tickets_due
from mainstay.domains.desk.rules import sla
from mainstay.domains.desk.rules.folding import Did
from mainstay.domains.desk.rules.policy import Audience, Threshold
from mainstay.domains.desk.rules.sla import ClockState
from mainstay.domains.desk.rules.tickets import Status
from mainstay.domains.desk.services import journal
from mainstay.domains.desk.services.alerts import payload_of
from mainstay.kernel.actors import Actor
from mainstay.kernel.calendars import from_us, to_us
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json


@dataclass(frozen=True)
class RepairReport:
    """What a repair looked at and what differed, one sentence each."""

    tickets: int
    differences: tuple[str, ...]


@transaction.atomic
def fire_due_clocks(*, actor: Actor, clock: Clock, limit: int = 100) -> int:
    """Fire the thresholds of a tenant whose instant has come and return how many tickets were looked at.

    Several workers may call it at once: each takes the lock of tickets that no other holds and evaluates them anew from
    their events, so that a pause or a reply that came first wins. A kill at any point leaves the transaction undone.
    """
    require(actor, "desk.clock.fire")
    tickets = tickets_due(actor.tenant, clock.now(), limit)
    for ticket in tickets:
        states = journal.settle(ticket, actor, clock=clock)
        for state in states:
            _fire(ticket, actor, state, clock)
        journal.write_clocks(ticket, event_rows(ticket), states)
    return len(tickets)


@transaction.atomic
def wake_tickets(*, actor: Actor, clock: Clock, limit: int = 100) -> int:
    """Let time do what it was asked to: scheduled work goes on, what was resolved closes after its grace."""
    require(actor, "desk.incident.wake")
    tickets = sleepers(actor.tenant, clock.now(), limit)
    for ticket in tickets:
        to = Status.OPEN if ticket.status == Status.WAITING else Status.CLOSED
        journal.append(ticket, actor, Did.STATUS, {"to": to, "reason": "its time has come"}, clock=clock)
        journal.settle(ticket, actor, clock=clock)
        ledger.record(actor, "desk.incident.moved", ticket.id, clock=clock, body={"to": to})
        outbox.publish(actor, "incident.moved", ticket.id, payload_of(ticket, to=to), clock=clock)
    return len(tickets)


@transaction.atomic
def rebuild_clocks(*, actor: Actor, clock: Clock, incident_id: UUID | None = None, check: bool = False) -> RepairReport:
    """Compute the caches of tickets from their events and say where they differed; with `check` nothing is written."""
    require(actor, "desk.clock.rebuild")
    tickets = Ticket.objects.select_for_update().filter(tenant=actor.tenant).order_by("id")
    chosen = list(tickets if incident_id is None else tickets.filter(id=incident_id))
    differences = tuple(sentence for ticket in chosen for sentence in _rebuild(ticket, check=check))
    if not check and differences:
        body: dict[str, Json] = {"tickets": len(chosen), "differences": len(differences)}
        ledger.record(actor, "desk.clock.rebuilt", actor.tenant, clock=clock, body=body)
    return RepairReport(len(chosen), differences)


def _fire(ticket: Ticket, actor: Actor, state: ClockState, clock: Clock) -> None:
    """Record every passed threshold of a clock once; tell only the highest of each audience."""
    if state.is_final:
        return
    now = to_us(ticket.evaluated_at)
    passed = {threshold: at for threshold, at in sla.next_instants(state).items() if at <= now}
    known = set(
        SlaNotice.objects.filter(tenant=ticket.tenant, ticket=ticket, clock=state.clock, cycle=state.cycle, epoch=state.epoch).values_list(
            "threshold", flat=True
        )
    )
    fresh = {threshold: at for threshold, at in passed.items() if threshold.key not in known}
    told = {highest for audience in Audience if (highest := _highest(fresh, audience)) is not None}
    for threshold, at in sorted(fresh.items(), key=lambda item: item[1]):
        _notice(ticket, state, threshold, at, is_told=threshold in told, clock=clock)
        if threshold in told:
            _tell(ticket, actor, state, threshold, clock)


def _highest(instants: dict[Threshold, int], audience: Audience) -> Threshold | None:
    own = [(at, threshold.key, threshold) for threshold, at in instants.items() if threshold.audience is audience]
    return max(own, key=lambda item: item[:2])[2] if own else None


def _notice(ticket: Ticket, state: ClockState, threshold: Threshold, at: int, *, is_told: bool, clock: Clock) -> None:
    SlaNotice.objects.create(
        tenant=ticket.tenant,
        ticket=ticket,
        clock=state.clock,
        cycle=state.cycle,
        epoch=state.epoch,
        threshold=threshold.key,
        passed_at=from_us(at),
        fired_at=clock.now(),
        is_told=is_told,
    )


def _tell(ticket: Ticket, actor: Actor, state: ClockState, threshold: Threshold, clock: Clock) -> None:
    facts: dict[str, Json] = {
        "ticket": str(ticket.id),
        "clock": state.clock,
        "cycle": state.cycle,
        "epoch": state.epoch,
        "threshold": threshold.key,
        "audience": threshold.audience,
    }
    ledger.record(actor, "desk.clock.threshold_passed", ticket.id, clock=clock, body=facts)
    outbox.publish(actor, "clock.threshold", ticket.id, facts, clock=clock)


def _rebuild(ticket: Ticket, *, check: bool) -> list[str]:
    rows = event_rows(ticket)
    states = journal.clock_states(ticket, rows)
    fresh = journal.clock_rows(ticket, rows, states)
    differences = [*_clock_differences(ticket, fresh), *_column_differences(ticket, rows)]
    if differences and not check:
        journal.apply_facts(ticket, journal.facts_of(rows))
        journal.write_clocks(ticket, rows, states)
        ticket.save()
    return differences


def _clock_differences(ticket: Ticket, fresh: Sequence[SlaClock]) -> Iterator[str]:
    stored = {journal.identity(row): row for row in SlaClock.objects.filter(tenant=ticket.tenant, ticket=ticket)}
    computed = {journal.identity(row): row for row in fresh}
    for key in sorted({*stored, *computed}):
        old, new = stored.get(key), computed.get(key)
        if old is None or new is None:
            yield f"{ticket.reference}: clock {key[0]} {key[1]}.{key[2]} was {'missing' if old is None else 'not in the events'}"
            continue
        for column in journal.COMPARED_COLUMNS:
            if getattr(old, column) != getattr(new, column):
                yield f"{ticket.reference}: clock {key[0]} {key[1]}.{key[2]} had {column} {getattr(old, column)!r}"


def _column_differences(ticket: Ticket, rows: Sequence[TicketEvent]) -> Iterator[str]:
    facts = journal.facts_of(rows)
    for column in journal.FACT_COLUMNS:
        if getattr(ticket, column) != getattr(facts, column):
            yield f"{ticket.reference}: {column} was {getattr(ticket, column)!r}"
