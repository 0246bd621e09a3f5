"""What people (and intake's own suspicion) decide about a device: approve, quarantine, release, revoke, watch.

Invariant: the server may only reduce a device's authority by itself; raising it is a person's act.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.estate.models import Device, DeviceKey, DeviceState
from mainstay.domains.estate.queries import fleet as queries
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid


@transaction.atomic
def approve_device(*, actor: Actor, device_id: UUID, clock: Clock) -> bool:
    """Let a pending device take part. False when it already does. Errors: Conflict when it is not pending or active."""
    require(actor, "estate.device.approve")
    device = queries.lock_device(actor.tenant, device_id)
    if device.state == DeviceState.ACTIVE:
        return False
    _must_be(device, DeviceState.PENDING)
    device.approved_at = clock.now()
    device.save(update_fields=["approved_at"])
    _move(actor, device, DeviceState.ACTIVE, "approved", "", clock)
    return True


@transaction.atomic
def quarantine_device(*, actor: Actor, device_id: UUID, reason: str, clock: Clock) -> bool:
    """Reduce a device to observation (tier T0): a clone, a restored image, or a person's doubt. False when it already is."""
    require(actor, "estate.device.quarantine")
    device = queries.lock_device(actor.tenant, device_id)
    if device.state == DeviceState.QUARANTINED:
        return False
    _must_be(device, DeviceState.ACTIVE, DeviceState.PENDING)
    _move(actor, device, DeviceState.QUARANTINED, "quarantined", reason[:60], clock)
    return True


@transaction.atomic
def release_device(*, actor: Actor, device_id: UUID, clock: Clock) -> bool:
    """End a quarantine after a person has looked; the next poll starts a new count."""
    require(actor, "estate.device.release")
    device = queries.lock_device(actor.tenant, device_id)
    if device.state == DeviceState.ACTIVE:
        return False
    _must_be(device, DeviceState.QUARANTINED)
    device.poll_seq, device.boot_id, device.boot_id_before = 0, "", ""
    device.save(update_fields=["poll_seq", "boot_id", "boot_id_before"])
    _move(actor, device, DeviceState.ACTIVE, "released", "", clock)
    return True


@transaction.atomic
def revoke_device(*, actor: Actor, device_id: UUID, reason: str, clock: Clock) -> bool:
    """End a device's membership: its keys no longer count and it is told so. Not reversible; it may enrol anew."""
    require(actor, "estate.device.revoke")
    device = queries.lock_device(actor.tenant, device_id)
    if device.state == DeviceState.REVOKED:
        return False
    DeviceKey.objects.filter(tenant=actor.tenant, device=device, revoked_at=None).update(revoked_at=clock.now())
    _move(actor, device, DeviceState.REVOKED, "revoked", reason[:60], clock)
    return True


@transaction.atomic
def set_watch(*, actor: Actor, device_id: UUID, units: Sequence[str], clock: Clock) -> bool:
    """Name the units that a device watches besides those of its policy. Errors: Invalid for names or more than 100."""
    require(actor, "estate.device.watch")
    wanted = sorted({unit.strip() for unit in units if unit.strip()})
    if len(wanted) > queries.WATCHED_MAX or any(len(unit) > 200 or not unit.isprintable() for unit in wanted):
        raise Invalid("estate.watch_invalid", "At most 100 units, each a printable name of at most 200 characters.", pointer="/units")
    device = queries.lock_device(actor.tenant, device_id)
    if device.watch == wanted:
        return False
    device.watch = wanted
    device.save(update_fields=["watch"])
    ledger.record(actor, "estate.device.watch_set", device.id, clock=clock, body={"units": wanted})
    outbox.publish(actor, "device.watch_set", device.id, {"device": device.id.hex}, clock=clock)
    return True


def _move(actor: Actor, device: Device, state: DeviceState, verb: str, reason: str, clock: Clock) -> None:
    before, device.state, device.state_reason = device.state, state, reason
    device.save(update_fields=["state", "state_reason"])
    body = {"from": str(before), "to": str(state), "reason": reason}
    ledger.record(actor, f"estate.device.{verb}", device.id, clock=clock, body=body)
    outbox.publish(actor, f"device.{verb}", device.id, {"device": device.id.hex}, clock=clock)


def _must_be(device: Device, *states: DeviceState) -> None:
    if device.state not in states:
        raise Conflict("estate.device_state", f"The device is {device.get_state_display().lower()}.", state=device.state)
