"""What changed on the devices lately, summed up for the page of today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Max

from mainstay.domains.estate.models import FactChange


@dataclass(frozen=True)
class Changed:
    """One part of the inventory of one device: how often it changed, and when last."""

    device_id: UUID
    device: str
    group: str
    count: int
    at: datetime


def changes_since(tenants: Sequence[UUID], since: datetime, *, limit: int) -> list[Changed]:
    """Return what changed since an instant by device and group, the newest first."""
    rows = FactChange.objects.filter(tenant__in=tenants, at__gte=since).values("device_id", "device__name", "group")
    summed = rows.annotate(number=Count("id"), newest=Max("at")).order_by("-newest", "device__name", "group")[:limit]
    return [Changed(row["device_id"], row["device__name"], row["group"], row["number"], row["newest"]) for row in summed]
