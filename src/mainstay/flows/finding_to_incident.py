"""What a device, its chain or the ledger says about our own server opens an incident at once: signs of theft, not of wear."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from mainstay.core.jobs.outbox import Event
from mainstay.domains.desk import services as desk
from mainstay.domains.desk.rules.priority import Impact
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.severity import Severity

SENTENCES = {
    "command.unknown": "A device answered a command that the ledger does not know: somebody else may be signing commands.",
    "result.gap": "A link is missing in a device's chain of results: what it did in between is not known.",
    "device.rolled_back": "A device is behind its own chain of results: it was restored from an old state, or copied.",
    "device.ledger_alarmed": "A device has seen two histories of the ledger: the server's evidence was rewritten or replaced.",
    "ledger.mismatch_found": "The ledger contradicts itself: entries were changed, lost or left out. Keep the database as it is.",
}


@dataclass(frozen=True)
class Finding:
    """A finding in the shape in which the desk takes news."""

    id: UUID
    device_id: UUID | None
    rule: str
    summary: str
    fired_at: datetime
    fingerprint: str
    subject: str = ""
    fold_id: UUID | None = None
    resolved_at: datetime | None = None
    severity: Severity = Severity.CRITICAL


def open_incident(event: Event, actor: Actor, clock: Clock) -> None:
    device_id = _device(event)
    finding = Finding(event.id, device_id, event.name, SENTENCES[event.name], event.at, f"{event.name}/{device_id or event.subject_id}")
    desk.open_incident(actor=actor, alert=finding, impact=Impact.ORGANISATION, clock=clock)


def open_for_refusal(event: Event, actor: Actor, clock: Clock) -> None:
    """A command refused because the device knows another ledger is the same finding, said by a signed answer."""
    if event.payload.get("code") == "ledger_alarm":
        open_incident(replace(event, name="device.ledger_alarmed"), actor, clock)


def _device(event: Event) -> UUID | None:
    named = event.payload.get("device")
    if named:
        return UUID(str(named))
    # An event of a device is about the device; one of the ledger is about the installation.
    return event.subject_id if event.name.startswith("device.") else None
