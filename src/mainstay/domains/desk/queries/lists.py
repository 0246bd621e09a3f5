"""The list of incidents, declared once for page, export, API and command line."""

from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.urls import reverse

from mainstay.core.access import queries as access
from mainstay.domains.desk.models import Ticket
from mainstay.domains.desk.rules.policy import WaitingReason
from mainstay.domains.desk.rules.tickets import Status
from mainstay.kernel.actors import Actor
from mainstay.ui.lists import Column, Empty, Kind, ListSpec, View

STATUS_WORDS: dict[str, str] = {status: status.replace("_", " ").capitalize() for status in Status}
STATUS_TONES: dict[str, str] = {
    Status.NEW: "warning",
    Status.OPEN: "info",
    Status.WAITING: "maintenance",
    Status.RESOLVED: "ok",
    Status.CLOSED: "neutral",
    Status.CANCELLED: "neutral",
    Status.MERGED: "neutral",
}
PRIORITY_WORDS = {str(level): f"P{level}" for level in range(1, 6)}
PRIORITY_TONES = {"1": "critical", "2": "warning", "3": "info", "4": "neutral", "5": "neutral"}
WAITING_WORDS: dict[str, str] = {reason: reason.replace("_", " ").capitalize() for reason in WaitingReason}


def _rows(actor: Actor) -> QuerySet[Ticket]:
    # The owner's name comes with the row: asking for each would cost one more round trip per line.
    name = access.names().filter(pseudonym=OuterRef("owner")).values("name")[:1]
    rows = Ticket.objects.filter(tenant__in=actor.readable, kind="incident").select_related("incident")
    return rows.annotate(owner_name=Subquery(name, output_field=CharField()))


def _owner(row: Ticket) -> str | None:
    if not row.owner or row.owner.startswith("s:"):
        return access.label_of(row.owner) if row.owner else None
    named: str | None = getattr(row, "owner_name", None)
    return named or row.owner


INCIDENTS = ListSpec(
    name="desk.incidents",
    title="Incidents",
    noun="incident",
    permission="desk.incident.list",
    rows=_rows,
    columns=(
        Column("reference", "Reference", link=True),
        Column("title", "Title"),
        Column("priority", "Priority", Kind.CHOICE, choices=PRIORITY_WORDS, tones=PRIORITY_TONES),
        Column("status", "Status", Kind.CHOICE, choices=STATUS_WORDS, tones=STATUS_TONES),
        Column("waiting_for", "Waits for", Kind.CHOICE, choices=WAITING_WORDS),
        Column("due", "Due", Kind.TIME, field="next_due_at"),
        Column("breached", "Promise broken", Kind.BOOL, field="is_breached"),
        Column("owner", "Owner", field="owner", me=True, value=_owner),
        Column("queue", "Queue"),
        Column("started", "Started", Kind.TIME, field="started_at"),
        Column("resolved", "Resolved", Kind.TIME, field="resolved_at", shown=False),
        Column("resolution", "Resolution", field="resolution_code", shown=False),
        Column("cause", "Cause", field="cause_code", shown=False),
        Column("device", "Device", Kind.ID, field="incident__device_id", shown=False),
        Column("rule", "Alert rule", field="incident__rule", shown=False),
        Column("updated", "Updated", Kind.TIME, field="updated_at", shown=False),
    ),
    sort="-started",
    search=("reference", "title", "incident__subject"),
    link=lambda row: reverse("desk:incident", kwargs={"incident_id": row.id}),
    views=(
        View("Open", "status=new&status=open&status=waiting&sort=priority,due"),
        View("Mine", "owner=@me&status=new&status=open&status=waiting"),
        View("Nobody's", "owner__empty=true&status=new&status=open&sort=priority"),
        View("Due in 1 h", "due__lt=1h&sort=due"),
        View("Promise broken", "breached=true"),
        View("Needs a person", "queue=needs-a-person&status=open"),
    ),
    empty=Empty("Nobody waits for an answer.", "An alert that fires opens an incident here."),
    topic="incident",
)
