"""What the healing decision looks at, and what it decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse

from mainstay.domains.alerting import queries as alerting
from mainstay.domains.automation.models import BudgetUse, DeviceTrust, HealEvent, HealRule
from mainstay.domains.automation.queries.documents import policy_of
from mainstay.domains.automation.queries.runs import RUN_SENTENCES
from mainstay.domains.automation.rules.definitions import RUNBOOKS
from mainstay.domains.automation.rules.healing import SENTENCES, HealReason, Mode
from mainstay.domains.automation.rules.runs import RunReason
from mainstay.domains.estate import queries as estate
from mainstay.kernel.ids import to_base32
from mainstay.ui.today import Handled
from mainstay_trust import policies


def budget_uses(tenant: UUID, device_id: UUID, action: str, subject: str, *, since: datetime) -> list[datetime]:
    """Return the instants at which an action was used on a device's subject since then."""
    uses = BudgetUse.objects.filter(tenant=tenant, device_id=device_id, action=action, subject=subject, at__gt=since)
    return list(uses.values_list("at", flat=True))


def heal_mode(tenant: UUID, trigger: str) -> Mode:
    """Return how far healing goes for a kind of alert. Without a choice it stays in the shadow."""
    mode = HealRule.objects.filter(tenant=tenant, trigger=trigger).values_list("mode", flat=True).first()
    return Mode(mode) if mode else Mode.SHADOW


def outcomes(tenant: UUID, runbook: str) -> tuple[bool, ...]:
    """Return how the last ten runs of a runbook ended, oldest first (True = healed)."""
    ended = HealEvent.objects.filter(tenant=tenant, runbook=runbook, has_acted=True).exclude(outcome="")
    newest = ended.order_by("-at", "-id").values_list("outcome", flat=True)[:10]
    return tuple(outcome == RunReason.HEALED for outcome in reversed(list(newest)))


def devices_considered(tenant: UUID, trigger: str, *, since: datetime, besides: UUID) -> int:
    """Return how many other devices raised the same trigger since then."""
    runbooks = [one.name for one in RUNBOOKS.values() if one.trigger == trigger]
    events = HealEvent.objects.filter(tenant=tenant, runbook__in=runbooks, at__gt=since).exclude(device_id=besides)
    return events.values("device_id").distinct().count()


def devices_acted_on(tenant: UUID, runbook: str, *, since: datetime, besides: UUID) -> int:
    """Return how many other devices the runbook touched since then."""
    events = HealEvent.objects.filter(tenant=tenant, runbook=runbook, has_acted=True, at__gt=since).exclude(device_id=besides)
    return events.values("device_id").distinct().count()


def healed_lately(tenants: Sequence[UUID], now: datetime) -> list[Handled]:
    """Return what healed by itself in the last day, newest first."""
    events = HealEvent.objects.filter(tenant__in=tenants, outcome=RunReason.HEALED, ended_at__gt=now - timedelta(days=1))
    return [
        Handled(
            title=f"{RUNBOOKS[event.runbook].title}: {event.subject}",
            text=RUN_SENTENCES[RunReason.HEALED],
            url=reverse("automation:run", kwargs={"run_id": event.run_id}),
            at=event.ended_at,
        )
        for event in events.order_by("-ended_at", "-id")[:20]
        if event.ended_at is not None
    ]


def heal_events(tenants: Sequence[UUID], limit: int = 50) -> list[tuple[HealEvent, str, str]]:
    """Return the newest considerations, each with what it was about and its sentence."""
    newest = list(HealEvent.objects.filter(tenant__in=tenants).order_by("-at", "-id")[:limit])
    said = alerting.summaries(tenants, [event.alert_id for event in newest if event.alert_id])
    # An alert about the whole device names no part of it; then its own sentence says what it is about.
    return [
        (event, event.subject or (said.get(event.alert_id, "") if event.alert_id else ""), SENTENCES[HealReason(event.reason)])
        for event in newest
    ]


@dataclass(frozen=True)
class EndpointSide:
    """What the device's own authority looks like from here. The device decides; this only saves useless questions."""

    has_root: bool
    is_tier_enabled: bool
    is_service_listed: bool
    has_helper: bool
    is_frozen: bool
    is_quarantined: bool
    contact_age_s: float
    signal_age_s: float
    group_devices: int


def endpoint_side(tenant: UUID, device_id: UUID, *, unit: str, now: datetime) -> EndpointSide:
    """Return what stands between a command and a device; of something that is no device (Mainstay itself) nothing was ever heard."""
    device, trust = (
        estate.devices([tenant]).filter(id=device_id).first(),
        DeviceTrust.objects.filter(tenant=tenant, device_id=device_id).first(),
    )
    policy, state = policy_of(tenant), estate.unit_state(tenant, device_id, unit)
    name = to_base32(device_id)
    return EndpointSide(
        has_root=policy is not None and trust is not None and trust.root_version is not None,
        is_tier_enabled=policy is not None and policy.tier_of(name) >= "T1",
        is_service_listed=policy is not None and _may_restart(policy, name, unit),
        has_helper=trust is not None and trust.has_helper,
        is_frozen=trust is not None and trust.is_frozen,
        is_quarantined=device is not None and device.state == "quarantined",
        contact_age_s=(now - device.last_seen_at).total_seconds() if device is not None and device.last_seen_at else float("inf"),
        signal_age_s=(now - state.seen).total_seconds() if state else float("inf"),
        group_devices=estate.devices([tenant]).filter(state="active").count(),
    )


def _may_restart(policy: policies.Policy, device: str, unit: str) -> bool:
    service = policy.service(unit, device)
    return service is not None and "restart" in service.allow
