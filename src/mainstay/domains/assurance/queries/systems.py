"""What people said of systems and devices, and what things cost."""

from uuid import UUID

from django.db.models import QuerySet

from mainstay.domains.assurance.models import AuditedSystem, Economics, SystemAnswer
from mainstay.kernel.actors import Actor


def systems(actor: Actor) -> QuerySet[AuditedSystem]:
    """Return the systems without an agent that an actor may read, by name."""
    return AuditedSystem.objects.filter(tenant__in=actor.readable).order_by("name", "id")


def answer(tenant: UUID, device_id: UUID) -> SystemAnswer | None:
    """Return what somebody said of a device, or None."""
    return SystemAnswer.objects.filter(tenant=tenant, device_id=device_id).first()


def economics(tenant: UUID) -> Economics | None:
    return Economics.objects.filter(tenant=tenant).first()
