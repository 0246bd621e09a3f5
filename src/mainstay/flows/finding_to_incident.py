"""What a device or its chain says about our own server opens an incident at once: these are signs of theft, not of wear."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mainstay.core.jobs.outbox import Event
from mainstay.domains.desk import services as desk
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.severity import Severity

SENTENCES = {
    "command.unknown": "A device answered a command that the ledger does not know: somebody else may be signing commands.",
    "result.gap": "A link is missing in a device's chain of results: what it did in between is not known.",
    "device.rolled_back": "A device is behind its own chain of results: it was restored from an old state, or copied.",
}


@dataclass(frozen=True)
class Finding:
    """A finding in the shape in which the desk takes news."""

    id: UUID
    device_id: UUID
    rule: str
    summary: str
    fired_at: datetime
    fingerprint: str
    subject: str = ""
    fold_id: UUID | None = None
    resolved_at: datetime | None = None
    severity: Severity = Severity.CRITICAL


def open_incident(event: Event, actor: Actor, clock: Clock) -> None:
    # Only `device.rolled_back` is about the device itself; the others name it beside the result.
    device_id = UUID(str(event.payload.get("device") or event.subject_id))
    finding = Finding(event.id, device_id, event.name, SENTENCES[event.name], event.at, f"{event.name}/{device_id}")
    desk.open_incident(actor=actor, alert=finding, clock=clock)
