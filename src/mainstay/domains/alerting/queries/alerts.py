"""Alerts, and why they are as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from mainstay.domains.alerting.models import Ack, Alert, FlapState, Fold, Transition
from mainstay.domains.alerting.models.alerts import ACTIVE, OPEN
from mainstay.domains.alerting.rules.machine import REOPEN_WITHIN
from mainstay.domains.alerting.rules.pack import SILENT
from mainstay.domains.alerting.rules.words import SENTENCES, Phase, Reason
from mainstay.kernel.errors import NotFound
from mainstay.kernel.json import JsonObject
from mainstay.kernel.severity import Severity


@dataclass(frozen=True)
class AlertBrief:
    """What another domain needs to know of an alert. `fired_at`: when it fired, or began to look bad if it has not yet."""

    id: UUID
    fold_id: UUID | None
    device_id: UUID
    rule: str
    subject: str
    severity: Severity
    phase: Phase
    condition: str
    is_flapping: bool
    is_acknowledged: bool
    was_reopened: bool
    summary: str
    next_action: str
    fired_at: datetime
    resolved_at: datetime | None
    fingerprint: str


@dataclass(frozen=True)
class Why:
    """One line of the answer to "why?": what changed, the typed reason, its sentence, what was known."""

    at: datetime
    from_phase: str
    to_phase: str
    reason: str
    sentence: str
    held_back: str
    is_told: bool
    condition: str
    severity: Severity
    actor: str
    evidence: JsonObject


def alert(tenant: UUID, alert_id: UUID) -> Alert:
    """Return an alert. Errors: NotFound, also when it is of another tenant."""
    return find_alert([tenant], alert_id)


def find_alert(tenants: Sequence[UUID], alert_id: UUID) -> Alert:
    """Return an alert of any of some tenants. Errors: NotFound."""
    found = Alert.objects.select_related("fold").filter(tenant__in=tenants, id=alert_id).first()
    if found is None:
        raise NotFound("alerting.alert_unknown", "There is no such alert.")
    return found


def alert_brief(tenant: UUID, alert_id: UUID) -> AlertBrief:
    """Return an alert as a value. Errors: NotFound."""
    one = alert(tenant, alert_id)
    return AlertBrief(
        one.id, one.fold_id, one.device_id, one.rule_id, one.subject, Severity(one.severity), Phase(one.phase), one.condition,
        one.is_flapping, one.acknowledged_at is not None, one.was_reopened, one.summary, one.next_action, one.fired_at or one.bad_since,
        one.resolved_at, one.fingerprint,
    )  # fmt: skip


def summaries(tenants: Sequence[UUID], alert_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return what some alerts say, by id; one round trip."""
    return dict(Alert.objects.filter(tenant__in=tenants, id__in=alert_ids).values_list("id", "summary"))


def is_alert(tenant: UUID, alert_id: UUID) -> bool:
    """Tell whether an id is an alert of the tenant."""
    return Alert.objects.filter(tenant=tenant, id=alert_id).exists()


def is_well(tenant: UUID, alert_id: UUID) -> bool:
    """Tell whether an alert has resolved and its fingerprint has no new episode."""
    one = alert(tenant, alert_id)
    again = Alert.objects.filter(tenant=tenant, fingerprint=one.fingerprint, phase__in=OPEN)
    return one.phase == Phase.RESOLVED and not again.exists()


def open_alerts(tenant: UUID, device_ids: Sequence[UUID]) -> QuerySet[Alert]:
    """Return the pending, firing and recovering alerts of some devices."""
    return Alert.objects.filter(tenant=tenant, device_id__in=device_ids, phase__in=OPEN)


def known_silent(tenant: UUID, device_ids: Sequence[UUID]) -> frozenset[UUID]:
    """Return the devices of which an open alert says that nothing was heard."""
    rows = open_alerts(tenant, device_ids).filter(rule_id=SILENT, phase=Phase.FIRING)
    return frozenset(rows.order_by().values_list("device_id", flat=True))


def active_alerts(tenants: Sequence[UUID]) -> QuerySet[Alert]:
    """Return what fires or recovers now, worst first."""
    return Alert.objects.filter(tenant__in=tenants, phase__in=ACTIVE).order_by("-severity", "fired_at", "id")


def newest_episodes(tenant: UUID, fingerprints: Sequence[str]) -> dict[str, Alert]:
    """Return the newest episode of each fingerprint that has one."""
    rows = Alert.objects.filter(tenant=tenant, fingerprint__in=fingerprints).order_by("fingerprint", "-bad_since", "-id")
    return {one.fingerprint: one for one in rows.distinct("fingerprint")}


def flap_states(tenant: UUID, fingerprints: Sequence[str]) -> dict[str, FlapState]:
    """Return the recent results of fingerprints that have any."""
    return {one.fingerprint: one for one in FlapState.objects.filter(tenant=tenant, fingerprint__in=fingerprints)}


def fold_members(tenant: UUID, fold_id: UUID) -> QuerySet[Alert]:
    """Return the alerts of a fold, open ones first."""
    return Alert.objects.filter(tenant=tenant, fold_id=fold_id).order_by("resolved_at", "-severity", "fired_at", "id")


def open_fold(tenant: UUID, key: str) -> Fold | None:
    """Return the open fold of a key, locked, or None."""
    return Fold.objects.select_for_update().filter(tenant=tenant, key=key, closed_at=None).first()


def live_ack(fold: Fold) -> Ack | None:
    """Return the acknowledgement of a fold that still counts, or None."""
    return Ack.objects.filter(tenant=fold.tenant, fold=fold, ended_at=None).first()


def why(tenant: UUID, alert_id: UUID) -> list[Why]:
    """Return every change of an alert with its reason, oldest first. Errors: NotFound."""
    one = alert(tenant, alert_id)
    return [_why(row) for row in Transition.objects.filter(tenant=tenant, alert=one).order_by("at", "id")]


def _why(row: Transition) -> Why:
    return Why(
        row.at, row.from_phase, row.to_phase, row.reason, SENTENCES[Reason(row.reason)], row.held_back, row.is_told, row.condition,
        Severity(row.severity), row.actor, row.evidence,
    )  # fmt: skip


def recent_alerts(tenant: UUID, device_ids: Sequence[UUID], *, at: datetime) -> list[Alert]:
    """Return the open alerts of some devices and those that closed within the time in which they would be reopened, oldest first."""
    rows = Alert.objects.filter(tenant=tenant, device_id__in=device_ids)
    recent = rows.filter(Q(phase__in=OPEN) | Q(resolved_at__gte=at - REOPEN_WITHIN))
    return list(recent.order_by("bad_since", "id"))
