"""What people say: systems without an agent, what a device is for, what things cost.

Invariant: a CSV is taken whole or not at all, and only the text that was shown in the preview can be confirmed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import Erasable
from mainstay.domains.assurance.models import AuditedSystem, Economics, SystemAnswer
from mainstay.domains.assurance.rules.catalogue import CATALOGUE
from mainstay.domains.assurance.rules.facts import Role
from mainstay.domains.assurance.rules.imports import Fault, Row, read_systems
from mainstay.domains.assurance.rules.judged import DataClass, Exposure
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid
from mainstay.kernel.json import Json

TIERS = (1, 2, 3, 4)
_CURRENCY = re.compile(r"[A-Z]{3}")
# What may be declared of a host, as `rules.facts.Host.declared` names it.
DECLARABLE = frozenset(
    {
        "listeners", "people", "origins", "docker_members", "software_owners", "disk_encryption_evidence", "managed_updates",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would do, or did. `digest` is what must be given back to confirm exactly this text."""

    digest: str
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]
    new: tuple[str, ...]
    changed: tuple[str, ...]
    is_done: bool


@transaction.atomic
def import_systems(*, actor: Actor, text: str, clock: Clock, confirm: str = "") -> ImportPreview:
    """Show what a CSV of systems would bring; with the preview's digest as `confirm`, bring it.

    Errors: Invalid("assurance.import_rows", problems=[...]) for a confirmed text with a bad row; Conflict("assurance.import_changed") when
    the text is not the one that was shown. Either way nothing is stored.
    """
    require(actor, "assurance.system.import")
    preview = read_systems(text)
    known = {one.name.casefold(): one for one in AuditedSystem.objects.select_for_update().filter(tenant=actor.tenant)}
    new = tuple(row.name for row in preview.rows if row.name.casefold() not in known)
    changed = tuple(row.name for row in preview.rows if row.name.casefold() in known)
    if not confirm:
        return ImportPreview(preview.digest, preview.rows, preview.faults, new, changed, is_done=False)
    if confirm != preview.digest:
        raise Conflict("assurance.import_changed", "This is not the text that the preview showed. Look at it again.")
    if preview.faults:
        problems = [{"line": one.line, "column": one.column, "detail": one.reason} for one in preview.faults]
        raise Invalid("assurance.import_rows", f"{len(preview.faults)} rows are wrong; nothing was imported.", problems=problems)
    for row in preview.rows:
        _store(actor, known.get(row.name.casefold()), row, clock)
    body: dict[str, Json] = {"sha256": preview.digest, "rows": len(preview.rows), "new": len(new), "changed": len(changed)}
    entry_subject = UUID(preview.digest[:32])
    ledger.record(actor, "assurance.system.imported", entry_subject, clock=clock, body=body)
    outbox.publish(actor, "system.imported", entry_subject, {"rows": len(preview.rows)}, clock=clock)
    return ImportPreview(preview.digest, preview.rows, (), new, changed, is_done=True)


@transaction.atomic
def describe_device(
    *,
    actor: Actor,
    device_id: UUID,
    clock: Clock,
    owner: str | None = None,
    data_class: str | None = None,
    exposure: str | None = None,
    tier: int | None = None,
    role: str | None = None,
    declared: Mapping[str, Json] | None = None,
) -> SystemAnswer:
    """Keep what somebody says of a device; what is None stays as it was. Errors: NotFound; Invalid for a word outside its list."""
    require(actor, "assurance.system.describe")
    device = estate.device(actor.tenant, device_id)
    _check_words({"data_class": (data_class, tuple(DataClass)), "exposure": (exposure, tuple(Exposure)), "role": (role, tuple(Role))})
    _check_declared(tier, declared or {})
    said: dict[str, Json] = {
        "owner": owner,
        "data_class": data_class,
        "exposure": exposure,
        "tier": tier,
        "role": role,
        "declared": declared,
    }
    values = {name: value for name, value in said.items() if value is not None}
    one, _ = SystemAnswer.objects.update_or_create(
        tenant=actor.tenant, device_id=device.id, defaults={**values, "said_at": clock.now(), "said_by": actor.ref}
    )
    body: dict[str, Json | Erasable] = {**values, "owner": ledger.erasable(owner)} if owner is not None else {**values}
    ledger.record(actor, "assurance.system.described", device.id, clock=clock, body=body)
    outbox.publish(actor, "system.described", device.id, {"device": str(device.id)}, clock=clock)
    return one


@transaction.atomic
def set_economics(
    *,
    actor: Actor,
    currency: str,
    clock: Clock,
    rate_per_hour_minor: int | None = None,
    downtime_per_hour_minor: int | None = None,
    licences: Mapping[str, int] | None = None,
    deadlines: Mapping[str, Mapping[str, str]] | None = None,
) -> Economics:
    """Keep what an hour costs, what licences a check needs, and the dates of law and contract. Errors: Invalid."""
    require(actor, "assurance.economics.set")
    _check_economics(currency, [rate_per_hour_minor, downtime_per_hour_minor, *(licences or {}).values()])
    _check_dates(licences or {}, deadlines or {})
    values = {
        "currency": currency,
        "rate_per_hour_minor": rate_per_hour_minor,
        "downtime_per_hour_minor": downtime_per_hour_minor,
        "licences": dict(licences or {}),
        "deadlines": {check: {"date": one["date"], "source": one["source"]} for check, one in (deadlines or {}).items()},
    }
    row, _ = Economics.objects.update_or_create(tenant=actor.tenant, defaults={**values, "said_at": clock.now(), "said_by": actor.ref})
    ledger.record(actor, "assurance.economics.set", row.id, clock=clock, body=values)
    outbox.publish(actor, "economics.set", row.id, {}, clock=clock)
    return row


def _store(actor: Actor, known: AuditedSystem | None, row: Row, clock: Clock) -> None:
    one = known or AuditedSystem(tenant=actor.tenant)
    one.name, one.kind, one.owner, one.data_class, one.exposure = row.name, row.kind, row.owner, row.data_class, row.exposure
    one.tier, one.yearly_cost_minor, one.cells = row.tier, row.yearly_cost, dict(row.cells)
    one.tools = {function: list(names) for function, names in row.tools.items()}
    one.said_at, one.said_by = clock.now(), actor.ref
    one.save()


def _check_words(given: Mapping[str, tuple[str | None, tuple[str, ...]]]) -> None:
    for name, (value, allowed) in given.items():
        if value and value not in allowed:
            raise Invalid("assurance.word", f"{name} is one of {', '.join(allowed)}.", pointer=f"/{name}")


def _check_declared(tier: int | None, declared: Mapping[str, Json]) -> None:
    if tier is not None and tier not in TIERS:
        raise Invalid("assurance.word", "A tier is 1, 2, 3 or 4.", pointer="/tier")
    unknown = sorted(set(declared) - DECLARABLE)
    if unknown:
        raise Invalid("assurance.declared", f"Nothing like {', '.join(unknown)} can be declared.", pointer="/declared")


def _check_economics(currency: str, amounts: list[int | None]) -> None:
    if not _CURRENCY.fullmatch(currency):
        raise Invalid("assurance.currency", "A currency is three capital letters, such as EUR.", pointer="/currency")
    if any(amount is not None and amount < 0 for amount in amounts):
        raise Invalid("assurance.amount", "An amount is not negative.", pointer="/rate_per_hour_minor")


def _check_dates(licences: Mapping[str, int], deadlines: Mapping[str, Mapping[str, str]]) -> None:
    unknown = sorted((set(licences) | set(deadlines)) - set(CATALOGUE))
    if unknown:
        raise Invalid("assurance.check_unknown", f"There is no check {', '.join(unknown)}.", pointer="/deadlines")
    for check, one in deadlines.items():
        try:
            date.fromisoformat(one.get("date", ""))
        except ValueError as problem:
            raise Invalid("assurance.date", f"The date of {check} is written 2026-12-31.", pointer=f"/deadlines/{check}") from problem
        if not one.get("source"):
            raise Invalid("assurance.source", f"Say which law or contract sets the date of {check}.", pointer=f"/deadlines/{check}")
