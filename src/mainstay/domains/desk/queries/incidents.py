"""Incidents and their events."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from mainstay.domains.desk.models import IncidentAlert, SlaClock, Ticket, TicketEvent
from mainstay.domains.desk.rules.tickets import LIVE
from mainstay.kernel.errors import NotFound

_WITH = ("incident", "binding__policy_version__policy", "binding__calendar")


def incident(tenant: UUID, incident_id: UUID) -> Ticket:
    """Return an incident. Errors: NotFound, also for one of another tenant."""
    return _found(Ticket.objects.select_related(*_WITH).filter(tenant=tenant, id=incident_id, kind="incident").first())


def lock_incident(tenant: UUID, incident_id: UUID) -> Ticket:
    """Return an incident with its row locked. Lock order everywhere: ticket row, then clock rows."""
    rows = Ticket.objects.select_for_update(of=("self",)).select_related("incident")
    return _found(rows.filter(tenant=tenant, id=incident_id, kind="incident").first())


def incident_of_alert(tenant: UUID, alert_id: UUID) -> Ticket | None:
    """Return the incident that stands for an alert, if any does."""
    return Ticket.objects.filter(tenant=tenant, alerts__alert_id=alert_id).select_related("incident").first()


def newest_of_cause(tenant: UUID, *, cause_key: str, fold_id: UUID | None) -> Ticket | None:
    """Return the newest incident of a root cause: the same fold, or the same fingerprint."""
    cause = Q(incident__cause_key=cause_key)
    if fold_id is not None:
        cause |= Q(alerts__fold_id=fold_id)
    return Ticket.objects.filter(cause, tenant=tenant).order_by("-number").first()


def open_incidents(tenant: UUID) -> QuerySet[Ticket]:
    """Return the incidents that somebody or something still has to act on."""
    return Ticket.objects.filter(tenant=tenant, kind="incident", status__in=[*LIVE]).select_related("incident")


def alerts_of(tenant: UUID, incident_id: UUID) -> list[UUID]:
    """Return the ids of the alerts that an incident stands for, first one first."""
    rows = IncidentAlert.objects.filter(tenant=tenant, ticket_id=incident_id)
    return list(rows.order_by("fired_at", "id").values_list("alert_id", flat=True))


def firing_alerts(ticket: Ticket) -> int:
    """Count the alerts of an incident that have not recovered."""
    return IncidentAlert.objects.filter(tenant=ticket.tenant, ticket=ticket, recovered_at=None).count()


def event_rows(ticket: Ticket) -> list[TicketEvent]:
    """Return all that happened to a ticket, in order."""
    return list(TicketEvent.objects.filter(tenant=ticket.tenant, ticket=ticket).order_by("seq"))


def tickets_due(tenant: UUID, now: datetime, limit: int) -> list[Ticket]:
    """Claim tickets with a clock whose next instant has come; those that another worker holds are left to it."""
    due = Ticket.objects.filter(tenant=tenant, clocks__next_fire_at__lte=now).values("id")
    rows = Ticket.objects.select_for_update(skip_locked=True, of=("self",)).filter(tenant=tenant, id__in=due)
    return list(rows.order_by("next_due_at", "id")[:limit])


def tenants_with_due_clocks(now: datetime) -> list[UUID]:
    """Return the tenants, of those that the transaction may read, in which a clock's next instant has come."""
    return list(SlaClock.objects.filter(next_fire_at__lte=now).values_list("tenant", flat=True).distinct())


def tenants_with_sleepers(now: datetime) -> list[UUID]:
    """Return the tenants, of those that the transaction may read, in which time changes a ticket's status now."""
    return list(Ticket.objects.filter(wakes_at__lte=now).values_list("tenant", flat=True).distinct())


def sleepers(tenant: UUID, now: datetime, limit: int) -> list[Ticket]:
    """Claim tickets whose status time changes now; those that another worker holds are left to it."""
    rows = Ticket.objects.select_for_update(skip_locked=True, of=("self",)).filter(tenant=tenant, wakes_at__lte=now)
    return list(rows.select_related("incident").order_by("wakes_at", "id")[:limit])


def _found(ticket: Ticket | None) -> Ticket:
    if ticket is None:
        raise NotFound("desk.incident_unknown", "There is no such incident.")
    return ticket
