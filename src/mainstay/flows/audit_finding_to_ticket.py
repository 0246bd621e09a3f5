"""A finding of an audit of which somebody wants a ticket becomes an incident, and the finding remembers which."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mainstay.core.jobs.outbox import Event
from mainstay.domains.assurance import queries as assurance
from mainstay.domains.assurance import services
from mainstay.domains.assurance.models import Finding
from mainstay.domains.desk import services as desk
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.severity import Severity

# Critical to info, as findings count them.
SEVERITY_OF: Mapping[int, Severity] = {1: Severity.CRITICAL, 2: Severity.WARNING, 3: Severity.WARNING, 4: Severity.INFO, 5: Severity.INFO}


@dataclass(frozen=True)
class News:
    """A finding in the shape in which the desk takes news. It never recovers by itself: the next audit says that it is gone."""

    id: UUID
    device_id: UUID | None
    rule: str
    subject: str
    severity: Severity
    summary: str
    fired_at: datetime
    fingerprint: str
    fold_id: UUID | None = None
    resolved_at: datetime | None = None


def open_ticket(event: Event, actor: Actor, clock: Clock) -> None:
    finding = assurance.finding(actor, event.subject_id)
    ticket = desk.open_incident(actor=actor, alert=_news(finding, event.at), clock=clock)
    services.note_ticket(actor=actor, finding_id=finding.id, ticket=ticket.id, clock=clock)


def _news(finding: Finding, asked_at: datetime) -> News:
    return News(
        id=finding.id,
        device_id=finding.scope_id if finding.kind == "device" else None,
        rule=f"audit.{finding.check_id}",
        subject=finding.key,
        severity=SEVERITY_OF[finding.severity],
        summary=f"{finding.check_id} on {finding.scope_name}: {finding.title}",
        fired_at=asked_at,
        fingerprint=finding.key,
    )
