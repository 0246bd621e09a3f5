"""States of watched units arrive; a change becomes an event at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.estate.models import UnitState
from mainstay.domains.estate.queries import fleet as queries
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json

UNITS_MAX = 200


@dataclass(frozen=True)
class UnitReport:
    """One unit as the device saw it."""

    unit: str
    manager: str
    state: str
    since: datetime
    seen: datetime
    detail: str = ""


@transaction.atomic
def record_unit_states(*, actor: Actor, device_id: UUID, states: Sequence[UnitReport], clock: Clock) -> tuple[str, ...]:
    """Keep the reported states; return the units whose state changed. An older look than the stored one is ignored."""
    require(actor, "estate.device.report")
    device = queries.lock_device(actor.tenant, device_id)
    known = {one.unit: one for one in queries.units(actor.tenant, device_id)}
    changed = []
    for report in states[:UNITS_MAX]:
        stored = known.get(report.unit)
        if stored is not None and report.seen < stored.seen:
            continue
        if _save(actor.tenant, device.id, stored, report, clock):
            changed.append(report)
    for report in changed:
        _tell(actor, device.id, report, clock)
    return tuple(report.unit for report in changed)


def _save(tenant: UUID, device_id: UUID, stored: UnitState | None, report: UnitReport, clock: Clock) -> bool:
    values = {"manager": report.manager[:12], "state": report.state, "since": report.since, "seen": report.seen}
    values |= {"received_at": clock.now(), "detail": report.detail[:300]}
    UnitState.objects.update_or_create(tenant=tenant, device_id=device_id, unit=report.unit[:200], defaults=values)
    return stored is None or (stored.state, stored.since) != (report.state, report.since)


def _tell(actor: Actor, device_id: UUID, report: UnitReport, clock: Clock) -> None:
    body: dict[str, Json] = {"unit": report.unit, "state": report.state, "since_ms": int(report.since.timestamp() * 1000)}
    ledger.record(actor, "estate.unit.changed", device_id, clock=clock, body=body)
    payload: dict[str, Json] = {"device": device_id.hex, "unit": report.unit, "state": report.state}
    outbox.publish(actor, "unit.changed", device_id, payload, clock=clock)
