"""What alerts came to: the noise that an audit wants to tune, and what nobody has taken."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from mainstay.domains.alerting.models import Alert
from mainstay.domains.alerting.models.alerts import ACTIVE


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The alerts of a rule that ended, and how many of them nobody had acknowledged."""

    rule: str
    closed: int
    without_action: int


def outcomes(tenant: UUID, since: datetime) -> list[RuleOutcome]:
    """Return how the alerts that fired since an instant ended, by rule."""
    ended = Alert.objects.filter(tenant=tenant, fired_at__gte=since, resolved_at__isnull=False).values("rule_id")
    rows = ended.annotate(closed=Count("id"), quiet=Count("id", filter=Q(acknowledged_at=None))).order_by("rule_id")
    return [RuleOutcome(row["rule_id"], row["closed"], row["quiet"]) for row in rows]


def untaken_since(tenant: UUID, before: datetime) -> int:
    """Return how many alerts have been firing since before an instant without anybody having taken them."""
    phases = [str(phase) for phase in ACTIVE]
    return Alert.objects.filter(tenant=tenant, phase__in=phases, fired_at__lt=before, acknowledged_at=None).count()
