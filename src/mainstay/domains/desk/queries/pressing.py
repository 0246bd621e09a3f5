"""Incidents that need a person now, and incidents that somebody looks for."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from mainstay.domains.desk.models import Ticket
from mainstay.domains.desk.queries.incidents import alerts_of
from mainstay.domains.desk.rules.tickets import LIVE, PERSON_QUEUE
from mainstay.kernel.actors import Actor
from mainstay.kernel.errors import NotFound

PRESSING_MAX = 50
SOON = timedelta(hours=1)


@dataclass(frozen=True)
class Pressing:
    """A row of "needs you": `rank` is the letter of the experience page, section 2 rule 6."""

    incident_id: UUID
    rank: str
    title: str
    text: str
    at: datetime
    tone: str
    why: str
    alerts: frozenset[UUID] = frozenset()


def pressing_incidents(actor: Actor, now: datetime) -> list[Pressing]:
    """Return live incidents whose promise is broken or due within the hour, that were handed over, or that nobody took."""
    rows = Ticket.objects.filter(tenant__in=actor.readable, kind="incident", status__in=[*LIVE])
    wanted = Q(is_breached=True) | Q(next_due_at__lte=now + SOON) | Q(queue=PERSON_QUEUE) | Q(owner="", priority__lte=2)
    pressing = rows.filter(wanted).order_by("priority", "next_due_at", "id")[:PRESSING_MAX]
    return [replace(_pressing(row, now), alerts=frozenset(alerts_of(row.tenant, row.id))) for row in pressing]


def search_incidents(actor: Actor, text: str, limit: int) -> list[Ticket]:
    """Return incidents whose reference begins with, or whose title contains, a text; newest first."""
    if not text:
        return []
    rows = Ticket.objects.filter(tenant__in=actor.readable, kind="incident")
    return list(rows.filter(Q(reference__istartswith=text) | Q(title__icontains=text)).order_by("-id")[:limit])


def incident_by_reference(actor: Actor, reference: str) -> Ticket:
    """Return the incident with a reference. Errors: NotFound."""
    found = Ticket.objects.filter(tenant__in=actor.readable, reference=reference).first()
    if found is None:
        raise NotFound("desk.incident_unknown", "There is no such incident.")
    return found


def _pressing(row: Ticket, now: datetime) -> Pressing:
    title = f"{row.reference} {row.title}"
    if row.is_breached:
        return Pressing(row.id, "a", title, "A promise is broken.", row.next_due_at or row.started_at, "critical", "its promise is broken")
    if row.next_due_at is not None and row.next_due_at <= now + SOON:
        return Pressing(row.id, "a", title, "Its promise is due within the hour.", row.next_due_at, "warning", "it is due within an hour")
    if row.queue == PERSON_QUEUE:
        text = (
            f"Automation handed it over: {row.priority_reason.replace('_', ' ')}." if row.priority_reason else "Automation handed it over."
        )
        return Pressing(row.id, "b", title, text, row.started_at, "warning", "automation could not or may not heal it")
    return Pressing(row.id, "b", title, "Nobody has taken it.", row.started_at, "warning", "it is pressing and nobody owns it")
