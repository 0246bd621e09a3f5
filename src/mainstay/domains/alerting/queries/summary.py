"""All alerts in one word: how many fire, how bad the worst is, since when there is none."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max

from mainstay.domains.alerting.models import Alert
from mainstay.domains.alerting.rules.words import Phase


def worst_open(tenants: Sequence[UUID]) -> tuple[int, int]:
    """Return how many alerts fire untaken, and their highest severity (0 when there is none)."""
    rows = Alert.objects.filter(tenant__in=tenants, phase=Phase.FIRING, acknowledged_at=None, snoozed_until=None)
    found = rows.aggregate(number=Count("id"), worst=Max("severity"))
    return found["number"], found["worst"] or 0


def last_resolved_at(tenants: Sequence[UUID]) -> datetime | None:
    """Return when the newest alert was over."""
    newest: datetime | None = Alert.objects.filter(tenant__in=tenants).aggregate(newest=Max("resolved_at"))["newest"]
    return newest
