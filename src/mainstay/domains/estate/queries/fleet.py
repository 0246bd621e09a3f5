"""Devices and what they reported."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from mainstay.domains.estate.models import Device, DeviceKey, DeviceState, Fact, FactChange, PackageHistory, UnitState
from mainstay.domains.estate.rules import freshness
from mainstay.kernel.errors import NotFound

WATCHED_MAX = 100


def device(tenant: UUID, device_id: UUID) -> Device:
    """Return a device. Errors: NotFound, also when it is of another tenant."""
    return find_device([tenant], device_id)


def find_device(tenants: Sequence[UUID], device_id: UUID) -> Device:
    """Return a device of any of some tenants: what a page may show to somebody who reads them all. Errors: NotFound."""
    found = Device.objects.filter(tenant__in=tenants, id=device_id).first()
    if found is None:
        raise NotFound("estate.device_unknown", "There is no such device.")
    return found


def lock_device(tenant: UUID, device_id: UUID) -> Device:
    """Return a device, locked until the transaction ends. Errors: NotFound."""
    found = Device.objects.select_for_update(no_key=True).filter(tenant=tenant, id=device_id).first()
    if found is None:
        raise NotFound("estate.device_unknown", "There is no such device.")
    return found


def devices(tenants: Sequence[UUID]) -> QuerySet[Device]:
    """Return the devices of several tenants that still belong to us."""
    return Device.objects.filter(tenant__in=tenants).exclude(state__in=(DeviceState.REVOKED, DeviceState.LEFT))


def silent_devices(tenant: UUID, *, at: datetime) -> QuerySet[Device]:
    """Return the devices that spoke once and have been silent for longer than three polls."""
    limit = at - timedelta(seconds=freshness.silent_after_s())
    return devices([tenant]).filter(last_seen_at__lt=limit)


def health_rows(tenant: UUID) -> list[tuple[UUID, str, datetime | None, str]]:
    """Return id, name, last contact and the reason of a quarantine (empty without one) of every live device of a tenant."""
    live = devices([tenant]).filter(state__in=(DeviceState.ACTIVE, DeviceState.QUARANTINED))
    rows = live.values_list("id", "name", "last_seen_at", "state", "state_reason")
    return [(one, name, seen, (reason or state) if state == DeviceState.QUARANTINED else "") for one, name, seen, state, reason in rows]


def device_key(tenant: UUID, device_id: UUID, purpose: str) -> DeviceKey | None:
    """Return the valid key of a device for a purpose, or None."""
    return DeviceKey.objects.filter(tenant=tenant, device_id=device_id, purpose=purpose, revoked_at=None).first()


def public_key(tenant: UUID, device_id: UUID, purpose: str) -> bytes:
    """Return the 32 public bytes of a device's valid key. Errors: NotFound."""
    found = device_key(tenant, device_id, purpose)
    if found is None:
        raise NotFound("estate.device_key_unknown", f"The device has no valid {purpose} key.")
    return bytes(found.public_key)


def unit_state(tenant: UUID, device_id: UUID, unit: str) -> UnitState | None:
    """Return the last reported state of a unit, or None when the device does not watch it."""
    return UnitState.objects.filter(tenant=tenant, device_id=device_id, unit=unit).first()


def units(tenant: UUID, device_id: UUID) -> QuerySet[UnitState]:
    """Return every watched unit of a device, by name."""
    return UnitState.objects.filter(tenant=tenant, device_id=device_id).order_by("unit")


def watched_units(tenant: UUID, device_id: UUID) -> list[str]:
    """Return the units that a person asked this device to watch, beside those of its policy."""
    return [str(unit) for unit in device(tenant, device_id).watch][:WATCHED_MAX]


def fact(tenant: UUID, device_id: UUID, group: str) -> Fact | None:
    """Return the latest value of a fact group, or None when it never came."""
    return Fact.objects.filter(tenant=tenant, device_id=device_id, group=group).first()


def facts(tenant: UUID, device_id: UUID) -> dict[str, Fact]:
    """Return the latest fact of each group."""
    return {one.group: one for one in Fact.objects.filter(tenant=tenant, device_id=device_id)}


def changes(tenant: UUID, device_id: UUID, *, limit: int = 100) -> QuerySet[FactChange]:
    """Return the newest changes of a device's facts."""
    return FactChange.objects.filter(tenant=tenant, device_id=device_id).order_by("-at", "-id")[:limit]


def history(tenant: UUID, device_id: UUID, *, limit: int = 100) -> QuerySet[PackageHistory]:
    """Return the package versions that went away, newest first."""
    return PackageHistory.objects.filter(tenant=tenant, device_id=device_id).order_by("-until_at", "name")[:limit]
