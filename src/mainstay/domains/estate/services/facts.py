"""Facts arrive: changed groups only, each with its hash.

Source: endpoint page, rules I1 and I2. Invariant: a group whose hash does not fit its value is not stored; one that
the database cannot hold is unknown, and keeps no other group back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.estate.models import Device, Fact, FactChange
from mainstay.domains.estate.queries import fleet as queries
from mainstay.domains.estate.rules import freshness
from mainstay.domains.estate.rules.patch import patch
from mainstay.domains.estate.services.packages import replace_packages
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay_trust.canonical import JSON

GROUPS_MAX = 60
NOT_TEXT = "not_text"


@dataclass(frozen=True)
class GroupReport:
    """One group as the device reports it: a value, or the reason why there is none."""

    name: str
    sha256: str
    collected_at: int
    value: Mapping[str, JSON] | None
    unknown: str = ""


@transaction.atomic
def store_facts(*, actor: Actor, device_id: UUID, reports: Sequence[GroupReport], clock: Clock) -> tuple[str, ...]:
    """Keep the groups that differ from what is known and return their names. Errors: Invalid when a hash does not fit."""
    require(actor, "estate.device.report")
    _check(reports)
    device = queries.lock_device(actor.tenant, device_id)
    known = queries.facts(actor.tenant, device_id)
    changed = [_storable(report) for report in reports if _differs(known.get(report.name), report)]
    _store(device, known, changed, clock)
    names = tuple(sorted(report.name for report in changed))
    if names:
        body = {"groups": {report.name: report.sha256 for report in changed}}
        ledger.record(actor, "estate.facts.changed", device.id, clock=clock, body=body)
        outbox.publish(actor, "facts.changed", device.id, {"device": device.id.hex, "groups": list(names)}, clock=clock)
    return names


def _check(reports: Sequence[GroupReport]) -> None:
    if len(reports) > GROUPS_MAX:
        raise Invalid("estate.facts_too_many", f"At most {GROUPS_MAX} fact groups are taken.", pointer="/groups")
    for report in reports:
        if len(report.name) > 40 or report.sha256 != freshness.group_hash(report.value, report.unknown):
            raise Invalid("estate.fact_hash", "The hash of a fact group is not that of its value.", pointer=f"/groups/{report.name[:40]}")


def _storable(report: GroupReport) -> GroupReport:
    """Return a group as it may be stored: PostgreSQL takes no zero byte in a text, and the device must not be asked for it again."""
    return replace(report, value=None, unknown=NOT_TEXT) if _has_zero_byte(report.value) else report


def _has_zero_byte(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_zero_byte(key) or _has_zero_byte(each) for key, each in value.items())
    return isinstance(value, Sequence) and any(_has_zero_byte(each) for each in value)


def _differs(known: Fact | None, report: GroupReport) -> bool:
    return known is None or known.sha256 != report.sha256


def _store(device: Device, known: Mapping[str, Fact], changed: Sequence[GroupReport], clock: Clock) -> None:
    """Write all groups in one statement: a first report has some forty, and every device sends one after each restart."""
    now, rows, changes = clock.now(), [], []
    for report in changed:
        body = dict(report.value) if report.value is not None else None
        before = known.get(report.name)
        if report.name == "packages" and body is not None:
            replace_packages(device, body, now)
        elif before is not None:
            changes.append(FactChange(tenant=device.tenant, device=device, group=report.name, patch=patch(before.body, body), at=now))
        rows.append(_row(device, report, body, now))
        _adopt(device, report.name, body or {})
    FactChange.objects.bulk_create(changes)
    # The device's row is locked: nobody else writes its facts now.
    Fact.objects.bulk_create(rows, update_conflicts=True, unique_fields=["tenant", "device", "group"], update_fields=_FIELDS)


_FIELDS = ["sha256", "collected_at", "received_at", "unknown", "body"]


def _row(device: Device, report: GroupReport, body: Mapping[str, JSON] | None, now: datetime) -> Fact:
    return Fact(
        tenant=device.tenant,
        device=device,
        group=report.name,
        sha256=report.sha256,
        # A device whose clock runs ahead must not make its facts fresher than they are.
        collected_at=min(datetime.fromtimestamp(report.collected_at, UTC), now + timedelta(minutes=10)),
        received_at=now,
        unknown=report.unknown[:40],
        # Packages are rows of their own; a second copy in the fact would only be the larger one.
        body=_package_summary(body) if report.name == "packages" else body,
    )


def _package_summary(body: Mapping[str, JSON] | None) -> dict[str, JSON] | None:
    if body is None:
        return None
    packages = body.get("packages")
    return {"manager": body.get("manager"), "count": len(packages) if isinstance(packages, list) else 0}


def _adopt(device: Device, group: str, body: Mapping[str, JSON]) -> None:
    """Copy the few fields by which devices are listed and recognised."""
    if group == "os":
        device.os_id, device.os_version = _text(body, "id", 40), _text(body, "version_id", 40)
        device.os_name, device.name = _text(body, "name", 120), _text(body, "hostname", 253) or device.name
    elif group == "hw":
        device.serial = _text(body, "serial", 120) or device.serial
        device.board_uuid = _text(body, "board_uuid", 60) or device.board_uuid
    else:
        return
    device.save(update_fields=["os_id", "os_version", "os_name", "name", "serial", "board_uuid"])


def _text(body: Mapping[str, JSON], field: str, length_max: int) -> str:
    value = body.get(field)
    return value[:length_max] if isinstance(value, str) else ""
