"""Folds: opened by the first alert of a cause, joined by the others, closed when the last is well."""

from datetime import timedelta
from uuid import UUID

from mainstay.domains.alerting.models import Ack, Alert, Fold
from mainstay.domains.alerting.models.alerts import ACTIVE
from mainstay.domains.alerting.queries import alerts as queries
from mainstay.domains.alerting.rules import folding
from mainstay.domains.alerting.rules.pack import SILENT
from mainstay.domains.alerting.rules.words import Phase
from mainstay.kernel.clock import Clock
from mainstay.kernel.severity import Severity


def open_or_join(tenant: UUID, key: str, alert: Alert, clock: Clock) -> tuple[Fold, bool]:
    """Return the fold for a firing alert, and whether it was open before. An acknowledgement of the fold covers a joiner."""
    fold = queries.open_fold(tenant, key)
    if fold is None and _is_storm(tenant, clock):
        key = folding.STORM_KEY
        fold = queries.open_fold(tenant, key)
    if fold is None:
        return Fold.objects.create(
            tenant=tenant, key=key, device_id=alert.device_id, severity=alert.severity, title=alert.summary[:300], opened_at=clock.now()
        ), False
    alert.fold = fold
    _raise_fold(fold, alert)
    _inherit_ack(fold, alert, clock)
    return fold, True


def raise_severity(alert: Alert, clock: Clock) -> None:
    """Carry a higher severity into the fold; an acknowledgement of something milder ends."""
    if alert.fold is None:
        return
    _raise_fold(alert.fold, alert)
    ack = queries.live_ack(alert.fold)
    if ack is not None and not folding.covers(Severity(ack.severity), Severity(alert.severity), is_sticky=ack.is_sticky):
        end_ack(ack, clock)
        alert.acknowledged_at, alert.acknowledged_by = None, ""


def close_if_well(alert: Alert, clock: Clock) -> None:
    """Close the fold of a resolved alert when none of its alerts is active; its acknowledgement ends with it."""
    fold = alert.fold
    if fold is None or Alert.objects.filter(tenant=fold.tenant, fold=fold, phase__in=ACTIVE).exclude(id=alert.id).exists():
        return
    fold.closed_at = clock.now()
    fold.save(update_fields=["closed_at"])
    ack = queries.live_ack(fold)
    if ack is not None:
        end_ack(ack, clock)


def end_ack(ack: Ack, clock: Clock) -> None:
    """End an acknowledgement, and with it the mark on every alert that it covered."""
    ack.ended_at = clock.now()
    ack.save(update_fields=["ended_at"])
    Alert.objects.filter(tenant=ack.tenant, fold_id=ack.fold_id, phase__in=ACTIVE).update(acknowledged_at=None, acknowledged_by="")


def silence_of(alert: Alert) -> UUID | None:
    """Return the alert that says that this alert's device is silent: the cause of its missing data."""
    silent = Alert.objects.filter(tenant=alert.tenant, device_id=alert.device_id, rule_id=SILENT, phase__in=(Phase.FIRING, Phase.PENDING))
    return silent.values_list("id", flat=True).first()


def _is_storm(tenant: UUID, clock: Clock) -> bool:
    since = clock.now() - timedelta(seconds=folding.STORM_WITHIN_S)
    return folding.is_storm(Fold.objects.filter(tenant=tenant, opened_at__gte=since).count())


def _raise_fold(fold: Fold, alert: Alert) -> None:
    if alert.severity > fold.severity:
        fold.severity, fold.title = alert.severity, alert.summary[:300]
        fold.save(update_fields=["severity", "title"])


def _inherit_ack(fold: Fold, alert: Alert, clock: Clock) -> None:
    ack = queries.live_ack(fold)
    if ack is not None and folding.covers(Severity(ack.severity), Severity(alert.severity), is_sticky=ack.is_sticky):
        alert.acknowledged_at, alert.acknowledged_by = clock.now(), ack.by
