"""Which devices are due for an audit that nobody asked for."""

from datetime import datetime
from uuid import UUID

from mainstay.domains.assurance.models import Plan


def tenants_with_due_plans(now: datetime) -> list[UUID]:
    """Return the tenants, of those in scope, that have a device whose audit is due."""
    return list(Plan.objects.filter(due_at__lte=now).order_by("tenant").values_list("tenant", flat=True).distinct())


def due_plans(tenant: UUID, now: datetime, limit: int) -> list[UUID]:
    """Return the devices of a tenant whose audit is due, the longest waiting first."""
    return list(Plan.objects.filter(tenant=tenant, due_at__lte=now).order_by("due_at", "id").values_list("device_id", flat=True)[:limit])
