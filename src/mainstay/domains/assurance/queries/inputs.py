"""Everything one report is made of, read in a handful of queries.

Owns: which rows belong to a scope and an instant. Does not own: any judgement (`rules.report`).
Invariant: reads nothing later than `as_of` of earlier audits, so that two audits of one instant see the same past.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib.metadata import version
from uuid import UUID

from django.conf import settings

from mainstay.core.access import queries as access
from mainstay.core.access.models import Tenant
from mainstay.core.ledger import queries as ledger_queries
from mainstay.domains.assurance.models import AuditRun, Economics, Finding, SystemAnswer
from mainstay.domains.assurance.queries import hosts, surroundings
from mainstay.domains.assurance.rules.findings import Accepted, Change, Known
from mainstay.domains.assurance.rules.health import Waiting
from mainstay.domains.assurance.rules.inputs import Before, Inputs, Scope
from mainstay.domains.assurance.rules.judged import Severity, Subject
from mainstay.domains.assurance.rules.report_parts import instant
from mainstay.domains.assurance.rules.roadmap import Deadline, Money
from mainstay.domains.assurance.rules.system_checks import Around
from mainstay.domains.estate import queries as estate
from mainstay.domains.estate.models import Device
from mainstay.kernel.errors import Invalid, NotFound

DEVICE, SITE, CLIENT = "device", "site", "client"


@dataclass(frozen=True)
class ScopeRows:
    """A scope with its devices; `id` is a device, a site, or the tenant itself."""

    kind: str
    id: UUID
    name: str
    devices: tuple[Device, ...]


def scope_rows(tenant: UUID, kind: str, scope_id: UUID | None) -> ScopeRows:
    """Return what a scope covers. Errors: NotFound for a device or site that is not the tenant's; Invalid for another kind."""
    if kind == DEVICE and scope_id is not None:
        device = estate.device(tenant, scope_id)
        return ScopeRows(DEVICE, device.id, device.name, (device,))
    if kind == CLIENT and scope_id in (None, tenant):
        return ScopeRows(CLIENT, tenant, access.tenant(tenant).name, _devices(tenant))
    if kind == SITE and scope_id is not None:
        site = Tenant.objects.filter(id=scope_id, parent_id=tenant, kind=Tenant.Kind.SITE).first()
        if site is None:
            raise NotFound("assurance.site_unknown", "There is no such site.")
        return ScopeRows(SITE, site.id, site.name, tuple(one for one in _devices(tenant) if one.site == site.id))
    raise Invalid("assurance.scope_unknown", "An audit covers a device, a site or a client.", pointer="/kind")


def inputs(tenant: UUID, run_id: UUID, scope: ScopeRows, *, as_of: datetime, window: timedelta) -> Inputs:
    """Read everything that a report of a scope at an instant is made of."""
    answers = {one.device_id: one for one in SystemAnswer.objects.filter(tenant=tenant)}
    found = hosts.hosts(tenant, scope.devices, answers, as_of)
    devices = surroundings.mapped(scope.devices, found, answers)
    others = surroundings.entered_systems(tenant) if scope.kind == CLIENT else ()
    own = tuple(Finding.objects.filter(tenant=tenant, kind=scope.kind, scope_id=scope.id).order_by("key"))
    accepted = _accepted(tenant, as_of.date())
    status = ledger_queries.status(tenant)
    is_client = scope.kind == CLIENT
    chances = surroundings.opportunities(tenant, as_of) if is_client else {}
    money, deadlines = _economics(tenant)
    return Inputs(
        run=str(run_id),
        tenant=str(tenant),
        scope=Scope(scope.kind, str(scope.id), scope.name),
        as_of=as_of,
        window_from=as_of - window,
        devices=devices,
        around=Around(
            as_of,
            (*(one.system for one in devices), *others),
            tenant=Subject(str(tenant), scope.name) if is_client else None,
            opportunities=chances,
            witness=status.level if status else "",
        ),
        software=_software(),
        is_demo=bool(settings.LAYOUT.settings["web.demo"]),
        others=others,
        known={one.key: known(one, as_of) for one in own},
        kept_change={one.key: Change(one.change) for one in own if one.last_seen == as_of},
        accepted=_by_check(accepted),
        before=_before(tenant, scope, as_of),
        opportunities=tuple(one for each in chances.values() for one in each),
        money=money,
        deadlines=deadlines,
        waiting=surroundings.waiting(tenant, as_of) if is_client else Waiting(),
        witness=status.level if status else "W0",
        log=status.origin if status else "",
        names=access.labels_of({ref for one in own for ref in (one.owner, one.exception_by) if ref}),
    )


def known(one: Finding, as_of: datetime) -> Known:
    """Return what the rules may know of a finding: its state before the instant of this audit."""
    is_fixed = one.state == Finding.State.FIXED and one.fixed_at != as_of
    return Known(
        first_seen=instant(one.first_seen),
        failing=tuple(one.failing),
        severity=tuple(Severity)[one.severity - 1],
        is_fixed=is_fixed,
        due=one.due,
        owner=one.owner,
        ticket=str(one.ticket) if one.ticket else None,
        exception=_exception(one),
    )


def last_run(tenant: UUID, kind: str, scope_id: UUID, *, before: datetime) -> AuditRun | None:
    """Return the newest audit of a scope from before an instant."""
    return AuditRun.objects.filter(tenant=tenant, kind=kind, scope_id=scope_id, as_of__lt=before).order_by("-as_of", "-id").first()


def _devices(tenant: UUID) -> tuple[Device, ...]:
    return tuple(estate.devices([tenant]).filter(state__in=("active", "quarantined")).order_by("name", "id"))


def _exception(one: Finding) -> Accepted | None:
    if one.exception_until is None or one.exception_at is None:
        return None
    return Accepted(one.exception_reason, one.exception_by, instant(one.exception_at), one.exception_until)


def _accepted(tenant: UUID, today: date) -> Sequence[Finding]:
    return list(Finding.objects.filter(tenant=tenant, state=Finding.State.ACCEPTED, exception_until__gte=today).order_by("key"))


def _by_check(accepted: Iterable[Finding]) -> dict[str, frozenset[str]]:
    """Return what failed when a risk was taken, by check, over every scope in which it was taken."""
    found: dict[str, frozenset[str]] = {}
    for one in accepted:
        found[one.check_id] = found.get(one.check_id, frozenset()) | frozenset(one.exception_failing)
    return found


def _before(tenant: UUID, scope: ScopeRows, as_of: datetime) -> Before | None:
    run = last_run(tenant, scope.kind, scope.id, before=as_of)
    return Before(str(run.id), run.score, run.areas) if run else None


def _economics(tenant: UUID) -> tuple[Money, Mapping[str, Deadline]]:
    row = Economics.objects.filter(tenant=tenant).first()
    if row is None:
        return Money(), {}
    money = Money(row.currency, row.rate_per_hour_minor, row.downtime_per_hour_minor, row.licences)
    return money, {check: Deadline(date.fromisoformat(one["date"]), one["source"]) for check, one in row.deadlines.items()}


@cache
def _software() -> str:
    return version("mainstay")
