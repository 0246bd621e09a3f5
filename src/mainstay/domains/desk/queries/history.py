"""What the desk handled: the cases from which an audit sees what repeats, and what waits for nobody."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mainstay.domains.desk.models import Ticket

CASES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class HandledCase:
    """An incident that people touched and resolved."""

    rule: str
    subject: str
    resolution: str
    minutes: int


def handled_cases(tenant: UUID, since: datetime) -> list[HandledCase]:
    """Return the incidents that a person handled and that were resolved since an instant."""
    touched = Ticket.objects.filter(tenant=tenant, kind="incident", is_touched=True, resolved_at__gte=since).select_related("incident")
    return [
        HandledCase(
            one.incident.rule, one.incident.subject, one.resolution_code, int((one.resolved_at - one.started_at).total_seconds()) // 60
        )
        for one in touched.order_by("-resolved_at", "id")[:CASES_MAX]
        if one.resolved_at is not None
    ]


def unowned_since(tenant: UUID, before: datetime) -> int:
    """Return how many open incidents that began before an instant have no owner."""
    return Ticket.objects.filter(tenant=tenant, kind="incident", status__in=("new", "open"), owner="", started_at__lt=before).count()
