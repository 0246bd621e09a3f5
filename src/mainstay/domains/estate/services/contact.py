"""Each contact of a device: the poll's number, when it was seen, what its heartbeat says.

Does not own: the device's policy, chain and checkpoint (automation and the ledger keep those).
A contact is an observation, not an act; it has no ledger entry. What follows from it (a quarantine) has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import live, outbox
from mainstay.domains.estate.models import Device, Fact
from mainstay.domains.estate.queries import fleet as queries
from mainstay.domains.estate.rules import freshness, identity
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock

_TEXT_MAX = 40
_DIAG_MAX = 50
# An open page need not hear of each poll of a device that is as it was.
_LIVE_EVERY = timedelta(seconds=30)


class Contact(Enum):
    NEXT = "next"
    RETRY = "retry"
    CLONE = "clone"


@dataclass(frozen=True)
class Heartbeat:
    """The part of a heartbeat that the estate keeps."""

    version: str
    has_helper: bool
    facts_hash: str
    clock_offset_ms: int | None
    spool_bytes: int | None
    spool_dropped: int | None
    is_frozen: bool
    diag: Sequence[str] = ()


@dataclass(frozen=True)
class Seen:
    contact: Contact
    reason: str


@transaction.atomic
def record_contact(*, actor: Actor, device_id: UUID, seq: int, boot_id: str, clock: Clock) -> Seen:
    """Move a device's poll mark. A clone is reported, not yet quarantined: that is the caller's next act."""
    require(actor, "estate.device.report")
    device = queries.lock_device(actor.tenant, device_id)
    mark = identity.PollMark(device.poll_seq, device.boot_id, device.boot_id_before)
    decision = identity.next_poll(mark, seq=seq, boot_id=boot_id[:_TEXT_MAX])
    if decision.fields is None:
        return Seen(Contact.CLONE, decision.reason)
    _save_contact(device, decision.fields, clock)
    return Seen(Contact.RETRY if decision.reason is identity.PollReason.RETRY else Contact.NEXT, decision.reason)


@transaction.atomic
def record_heartbeat(*, actor: Actor, device_id: UUID, beat: Heartbeat, clock: Clock) -> tuple[str, ...]:
    """Keep a heartbeat. Returns the fact groups to ask for: all of them when the hash shows that one was lost."""
    require(actor, "estate.device.report")
    device = queries.lock_device(actor.tenant, device_id)
    device.agent_version, device.has_helper, device.is_frozen = beat.version[:_TEXT_MAX], beat.has_helper, beat.is_frozen
    device.clock_offset_ms, device.spool_bytes, device.spool_dropped = beat.clock_offset_ms, beat.spool_bytes, beat.spool_dropped
    was_alarmed = _is_alarmed(device.diag)
    device.diag, device.heartbeat_at = [str(line)[:300] for line in beat.diag[:_DIAG_MAX]], clock.now()
    if _is_alarmed(device.diag) and not was_alarmed:
        outbox.publish(actor, "device.ledger_alarmed", device.id, {"device": device.id.hex}, clock=clock)
    missing = _missing_groups(device, beat.facts_hash)
    if beat.facts_hash and not missing:
        device.facts_confirmed_at = clock.now()
    device.save()
    return missing


def _is_alarmed(diag: Sequence[str]) -> bool:
    """Say whether a device's own diagnosis holds that the ledger it was shown is not the one it knew."""
    return any(line.startswith("ledger_alarm:") for line in diag)


def _save_contact(device: Device, mark: identity.PollMark, clock: Clock) -> None:
    now, before = clock.now(), device.last_seen_at
    device.poll_seq, device.boot_id, device.boot_id_before, device.last_seen_at = mark.seq, mark.boot_id, mark.boot_id_before, now
    device.save(update_fields=["poll_seq", "boot_id", "boot_id_before", "last_seen_at"])
    if before is None or now - before > _LIVE_EVERY:
        live.changed(device.tenant, "device", device.id)


def _missing_groups(device: Device, claimed_hash: str) -> tuple[str, ...]:
    held = dict(Fact.objects.filter(tenant=device.tenant, device=device).values_list("group", "sha256"))
    device.facts_hash = freshness.facts_hash(held)
    if not claimed_hash or claimed_hash == device.facts_hash:
        return ()
    return tuple(sorted(freshness.PERIOD_S))
