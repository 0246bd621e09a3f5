"""Appending to a ticket's events, and bringing its columns and clocks up to date with them.

Owns: the only path by which a ticket changes. Does not own: permission, ledger, outbox (the services that call it).
Invariant: after `settle`, every cached column equals what `rebuild_clocks` would compute from the events.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from uuid import UUID

from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.desk.models import Breach, SlaClock, SlaNotice, Ticket, TicketEvent
from mainstay.domains.desk.queries.incidents import event_rows
from mainstay.domains.desk.queries.promises import Promises
from mainstay.domains.desk.rules import sla
from mainstay.domains.desk.rules.folding import Did, Facts, Happened, fold
from mainstay.domains.desk.rules.sla import ClockState
from mainstay.domains.desk.rules.timeline import Flag
from mainstay.kernel.actors import Actor
from mainstay.kernel.calendars import from_us, to_us
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json

ZONE_DATA = version("tzdata")
_TICK = timedelta(microseconds=1)
FACT_COLUMNS = (
    "title",
    "status",
    "waiting_for",
    "resume_at",
    "impact",
    "urgency",
    "priority",
    "priority_reason",
    "queue",
    "owner",
    "is_touched",
    "resolution_code",
    "cause_code",
    "started_at",
    "resolved_at",
    "closed_at",
    "wakes_at",
)


def append(ticket: Ticket, actor: Actor, did: Did, data: Mapping[str, Json], *, clock: Clock, since: datetime | None = None) -> TicketEvent:
    """Add an event to a locked ticket. since: when it took effect, for facts that the server learned of later.

    Nobody's act is back-dated: it counts from after the last evaluation of the ticket.
    """
    now = max(clock.now(), ticket.evaluated_at + _TICK) if ticket.last_seq else clock.now()
    ticket.last_seq += 1
    ticket.evaluated_at = now
    return TicketEvent.objects.create(
        tenant=ticket.tenant,
        ticket=ticket,
        seq=ticket.last_seq,
        at=min(since, now) if since else now,
        recorded_at=now,
        type=did,
        actor=actor.ref,
        data=dict(data),
    )


def settle(ticket: Ticket, actor: Actor, *, clock: Clock) -> tuple[ClockState, ...]:
    """Recompute a locked ticket's columns and clocks from its events and save them; publish breaches that are new."""
    rows = event_rows(ticket)
    ticket.evaluated_at = max(clock.now(), ticket.evaluated_at)
    states = clock_states(ticket, rows)
    apply_facts(ticket, facts_of(rows))
    write_clocks(ticket, rows, states)
    _note_late_thresholds(ticket, states, clock)
    _record_breaches(ticket, actor, states, clock)
    ticket.updated_at = clock.now()
    ticket.version += 1
    ticket.save()
    return states


def facts_of(rows: Sequence[TicketEvent]) -> Facts:
    """Return the columns that events determine."""
    return fold(Happened(row.seq, row.at, row.type, row.actor, row.data) for row in rows)


def clock_states(ticket: Ticket, rows: Sequence[TicketEvent]) -> tuple[ClockState, ...]:
    """Evaluate the clocks of a ticket at its `evaluated_at`."""
    promises = Promises(ticket.tenant)
    return sla.evaluate(promises.policy_of(rows[0], ticket.kind), promises.events(rows, ticket.kind), to_us(ticket.evaluated_at))


def apply_facts(ticket: Ticket, facts: Facts) -> None:
    for column in FACT_COLUMNS:
        setattr(ticket, column, getattr(facts, column))


def clock_rows(ticket: Ticket, rows: Sequence[TicketEvent], states: Sequence[ClockState]) -> list[SlaClock]:
    """Return the cache rows of clock states, unsaved."""
    fired = _fired(ticket)
    return [_row(ticket, state, _policy_version_at(rows, state), fired) for state in states]


def write_clocks(ticket: Ticket, rows: Sequence[TicketEvent], states: Sequence[ClockState]) -> None:
    """Replace the cached clocks of a locked ticket, keeping the ids of those that go on."""
    known = {identity(row): row.id for row in SlaClock.objects.select_for_update().filter(tenant=ticket.tenant, ticket=ticket)}
    fresh = clock_rows(ticket, rows, states)
    for row in fresh:
        row.id = known.pop(identity(row), row.id)
    SlaClock.objects.filter(tenant=ticket.tenant, id__in=known.values()).delete()
    SlaClock.objects.bulk_create(fresh, update_conflicts=True, unique_fields=["id"], update_fields=_CLOCK_COLUMNS)
    open_dues = [state.due for state in states if not state.is_final and state.due is not None]
    ticket.next_due_at = from_us(min(open_dues)) if open_dues else None
    ticket.is_breached = any(state.breached_at is not None for state in states)


_CLOCK_COLUMNS = [field.name for field in SlaClock._meta.concrete_fields if field.name != "id"]
COMPARED_COLUMNS = tuple(field.attname for field in SlaClock._meta.concrete_fields if field.name not in ("id", "zone_data"))


def identity(row: SlaClock) -> tuple[str, int, int, datetime]:
    """Return what makes a cached clock the same clock."""
    return row.clock, row.cycle, row.epoch, row.start_at


def _row(ticket: Ticket, state: ClockState, policy_version: UUID, fired: frozenset[tuple[str, int, int, str]]) -> SlaClock:
    waiting = [
        at for threshold, at in sla.next_instants(state).items() if (state.clock, state.cycle, state.epoch, threshold.key) not in fired
    ]
    return SlaClock(
        tenant=ticket.tenant,
        ticket=ticket,
        clock=state.clock,
        cycle=state.cycle,
        epoch=state.epoch,
        policy_version_id=policy_version,
        target_s=state.target.seconds,
        target_days=state.target.days,
        start_at=from_us(state.start),
        due_at=_instant(state.due),
        stopped_at=_instant(state.stopped_at),
        superseded_at=_instant(state.superseded_at),
        breached_at=_instant(state.breached_at),
        state=state.state,
        result=state.result,
        result_before=state.result_before or "",
        flags=list(state.flags),
        consumed_us=state.consumed,
        paused_us=state.paused,
        next_fire_at=None if state.is_final or not waiting else from_us(min(waiting)),
        evaluated_at=ticket.evaluated_at,
        zone_data=ZONE_DATA,
    )


def _policy_version_at(rows: Sequence[TicketEvent], state: ClockState) -> UUID:
    """Return the policy version of a clock: the last one put in force before it was superseded."""
    versions = [
        (to_us(row.at), UUID(row.data["policy_version"]))
        for row in rows
        if row.type in (Did.CREATED, Did.POLICY) and row.data.get("policy_version")
    ]
    before = [version for at, version in versions if state.superseded_at is None or at < state.superseded_at]
    return before[-1] if before else versions[0][1]


def _fired(ticket: Ticket) -> frozenset[tuple[str, int, int, str]]:
    rows = SlaNotice.objects.filter(tenant=ticket.tenant, ticket=ticket)
    return frozenset(rows.values_list("clock", "cycle", "epoch", "threshold"))


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def _note_late_thresholds(ticket: Ticket, states: Sequence[ClockState], clock: Clock) -> None:
    """Keep, untold, the thresholds that a clock had passed when it ended before a worker came to them."""
    notices = [
        SlaNotice(
            tenant=ticket.tenant,
            ticket=ticket,
            clock=state.clock,
            cycle=state.cycle,
            epoch=state.epoch,
            threshold=threshold.key,
            passed_at=from_us(at),
            fired_at=clock.now(),
            is_told=False,
        )
        for state in states
        if state.is_final
        for threshold, at in sla.next_instants(state).items()
        if at < state.end
    ]
    SlaNotice.objects.bulk_create(notices, ignore_conflicts=True)


def _record_breaches(ticket: Ticket, actor: Actor, states: Sequence[ClockState], clock: Clock) -> None:
    known = set(Breach.objects.filter(tenant=ticket.tenant, ticket=ticket).values_list("clock", "cycle", "breached_at"))
    for state in states:
        if state.breached_at is None:
            continue
        key = (str(state.clock), state.cycle, from_us(state.breached_at))
        if key not in known:
            known.add(key)
            _record_breach(ticket, actor, state, clock)


def _record_breach(ticket: Ticket, actor: Actor, state: ClockState, clock: Clock) -> None:
    on_change = Flag.BREACHED_ON_CHANGE in state.flags
    breached_at = from_us(state.breached_at or 0)
    breach = Breach.objects.create(
        tenant=ticket.tenant,
        ticket=ticket,
        clock=state.clock,
        cycle=state.cycle,
        due_at=_instant(state.due),
        breached_at=breached_at,
        known_at=clock.now(),
        is_on_change=on_change,
        owner=ticket.owner,
    )
    due = state.due if state.due is not None else state.breached_at
    facts: dict[str, Json] = {
        "ticket": str(ticket.id),
        "clock": state.clock,
        "cycle": state.cycle,
        "due_us": due,
        "breached_us": state.breached_at,
        "priority": ticket.priority,
        "on_change": on_change,
    }
    ledger.record(actor, "desk.clock.breached", breach.id, clock=clock, body=facts)
    outbox.publish(actor, "clock.breached", ticket.id, facts, clock=clock)
