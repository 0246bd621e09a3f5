"""What the page of an incident shows: its timeline, its clocks, and why each clock says what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mainstay.core.access import queries as access
from mainstay.domains.desk.models import SlaClock, Ticket, TicketEvent
from mainstay.domains.desk.queries.incidents import alerts_of, event_rows, incident
from mainstay.domains.desk.queries.promises import Promises
from mainstay.domains.desk.rules import sla, wording
from mainstay.domains.desk.rules.sla import ClockState, SegmentKind
from mainstay.kernel.actors import Actor
from mainstay.kernel.calendars import from_us, shown_seconds, to_us

EVENTS_SHOWN_MAX = 500


@dataclass(frozen=True)
class TimelineEntry:
    """One line of the timeline, as the component takes it. `type` and `reason` are codes, for machines."""

    at: datetime
    title: str
    text: str
    tone: str
    icon: str
    who: str
    url: str = ""
    ledger: int | None = None
    type: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ClockPanel:
    """One clock, ready to be shown. Unit: whole seconds of business time; `left_s` is negative when late, None when unknown."""

    clock: str
    cycle: int
    epoch: int
    state: str
    result: str
    start_at: datetime
    due_at: datetime | None
    stopped_at: datetime | None
    breached_at: datetime | None
    target_s: int | None
    consumed_s: int
    paused_s: int
    left_s: int | None
    used_pct: int | None
    flags: tuple[str, ...]
    tone: str
    word: str
    name: str
    target_text: str


@dataclass(frozen=True)
class SegmentLine:
    """A stretch of a clock's life. `exact_us` adds up to what the clock shows, without rounding."""

    kind: str
    start_at: datetime
    end_at: datetime
    exact_us: int
    length_s: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """Why a clock says what it says, to the microsecond. `running_us` is its consumed time, `waiting_us` its paused time."""

    panel: ClockPanel
    segments: tuple[SegmentLine, ...]
    running_us: int
    waiting_us: int


@dataclass(frozen=True)
class IncidentPage:
    """Everything that the page of an incident shows."""

    ticket: Ticket
    owner: str
    timeline: tuple[TimelineEntry, ...]
    clocks: tuple[ClockPanel, ...]
    alerts: tuple[UUID, ...]
    hidden_events: int
    binding: str


def incident_page(actor: Actor, incident_id: UUID, now: datetime) -> IncidentPage:
    """Return the page of an incident that the actor may read. Errors: NotFound, also for one of another tenant."""
    ticket = _readable(actor, incident_id)
    rows = event_rows(ticket)
    shown = rows[-EVENTS_SHOWN_MAX:]
    return IncidentPage(
        ticket=ticket,
        owner=access.label_of(ticket.owner) if ticket.owner else "",
        timeline=tuple(reversed(_timeline(shown))),
        clocks=tuple(_panel(state) for state in _states(ticket, rows, now)),
        alerts=tuple(alerts_of(ticket.tenant, ticket.id)),
        hidden_events=len(rows) - len(shown),
        binding=_binding_sentence(ticket),
    )


def sla_explanation(actor: Actor, incident_id: UUID, now: datetime) -> tuple[Explanation, ...]:
    """Explain every clock of an incident at an instant; the segments add up to consumed and paused exactly."""
    ticket = _readable(actor, incident_id)
    return tuple(_explain(state) for state in _states(ticket, event_rows(ticket), now))


def clock_rows_of(ticket: Ticket) -> list[SlaClock]:
    """Return the cached clocks of a ticket, as last evaluated."""
    return list(SlaClock.objects.filter(tenant=ticket.tenant, ticket=ticket).order_by("clock", "cycle", "epoch"))


def _readable(actor: Actor, incident_id: UUID) -> Ticket:
    found = Ticket.objects.filter(id=incident_id, tenant__in=actor.readable).values_list("tenant", flat=True).first()
    return incident(found or actor.tenant, incident_id)


def _states(ticket: Ticket, rows: Sequence[TicketEvent], now: datetime) -> tuple[ClockState, ...]:
    promises = Promises(ticket.tenant)
    instant = max(now, ticket.evaluated_at)
    return sla.evaluate(promises.policy_of(rows[0], ticket.kind), promises.events(rows, ticket.kind), to_us(instant))


def _binding_sentence(ticket: Ticket) -> str:
    if ticket.binding is None:
        return "No policy is bound, so no clock runs."
    policy = ticket.binding.policy_version.policy.name
    lost = len(ticket.binding_reason.get("lost", ()))
    others = f" before {lost} other{'s' if lost != 1 else ''}" if lost else ""
    return f"Policy {policy!r} on calendar {ticket.binding.calendar.name!r} applies{others}."


def _timeline(rows: Sequence[TicketEvent]) -> list[TimelineEntry]:
    labels = {ref: access.label_of(ref) for ref in {row.actor for row in rows} | {str(row.data.get("owner") or "") for row in rows} if ref}
    return [_entry(row, labels) for row in rows]


def _entry(row: TicketEvent, labels: dict[str, str]) -> TimelineEntry:
    line = wording.line(row.type, row.data, labels)
    who, reason = labels.get(row.actor, ""), str(row.data.get("reason") or "")
    return TimelineEntry(row.at, line.title, line.text, line.tone, line.icon, who, type=row.type, reason=reason)


def _panel(state: ClockState) -> ClockPanel:
    total = state.target.length_us if state.target.days is None else None
    used = state.consumed
    tone, word = wording.clock_words(state)
    return ClockPanel(
        clock=state.clock,
        cycle=state.cycle,
        epoch=state.epoch,
        state=state.state,
        result=state.result,
        start_at=from_us(state.start),
        due_at=None if state.due is None else from_us(state.due),
        stopped_at=None if state.stopped_at is None else from_us(state.stopped_at),
        breached_at=None if state.breached_at is None else from_us(state.breached_at),
        target_s=state.target.seconds,
        consumed_s=shown_seconds(used),
        paused_s=shown_seconds(state.paused),
        left_s=None if total is None else shown_seconds(total - used),
        used_pct=None if not total else min(999, used * 100 // total),
        flags=state.flags,
        tone=tone,
        word=word,
        name=wording.clock_name(state),
        target_text=wording.target_text(state.target),
    )


def _explain(state: ClockState) -> Explanation:
    pieces = sla.segments(state)
    lines = tuple(
        SegmentLine(piece.kind, from_us(piece.start), from_us(piece.end), piece.length, shown_seconds(piece.length), piece.reasons)
        for piece in pieces
    )
    return Explanation(_panel(state), lines, _sum(pieces, SegmentKind.RUNNING), _sum(pieces, SegmentKind.PAUSED))


def _sum(pieces: Sequence[sla.Segment], kind: SegmentKind) -> int:
    return sum(piece.length for piece in pieces if piece.kind is kind)
