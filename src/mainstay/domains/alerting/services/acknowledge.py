"""People answer alerts: acknowledge until recovery, snooze until a time. Source: control page, section 3.6 rules 2 and 3."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.entries import Erasable
from mainstay.domains.alerting.models import Ack, Alert, Fold, Snooze
from mainstay.domains.alerting.models.alerts import ACTIVE
from mainstay.domains.alerting.rules import folding
from mainstay.domains.alerting.rules.words import Phase, Reason
from mainstay.domains.alerting.services import changes
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, Invalid, NotFound
from mainstay.kernel.json import Json
from mainstay.kernel.severity import Severity

ALERTS_MAX = 500
SNOOZE_MAX = timedelta(days=30)


@transaction.atomic
def acknowledge_alert(*, actor: Actor, alert_id: UUID, clock: Clock, note: str = "", is_sticky: bool = False) -> bool:
    """Take an alert and its whole fold until recovery; False when it was taken already. Errors: Conflict when it is closed."""
    require(actor, "alerting.alert.acknowledge")
    alert = _lock(actor.tenant, alert_id)
    fold = alert.fold
    if not Phase(alert.phase).is_active or fold is None:
        raise Conflict("alerting.alert_not_active", "Only an alert that fires can be acknowledged.", phase=alert.phase)
    if alert.acknowledged_at is not None:
        return False
    members = list(Alert.objects.select_for_update().filter(tenant=actor.tenant, fold=fold, phase__in=ACTIVE))
    ack = _replace_ack(actor, fold, members, note, is_sticky=is_sticky, clock=clock)
    covered = [one for one in members if folding.covers(Severity(ack.severity), Severity(one.severity), is_sticky=is_sticky)]
    for one in covered:
        one.acknowledged_at, one.acknowledged_by = clock.now(), actor.ref
        one.save(update_fields=["acknowledged_at", "acknowledged_by"])
        changes.record_transition(actor, one, Reason.ACKNOWLEDGED, from_phase=one.phase, clock=clock)
    body: dict[str, Json | Erasable] = {
        "alerts": [one.id.hex for one in covered],
        "severity": int(ack.severity),
        "sticky": is_sticky,
        "note": ledger.erasable(note),
    }
    ledger.record(actor, "alerting.alert.acknowledged", alert.id, clock=clock, body=body)
    outbox.publish(actor, "alert.acknowledged", alert.id, changes.payload_of(alert), clock=clock)
    return True


def acknowledge_alerts(*, actor: Actor, alert_ids: Sequence[UUID], clock: Clock, note: str = "") -> int:
    """Acknowledge several alerts; return how many were not acknowledged before. Errors: Invalid for more than 500."""
    if len(alert_ids) > ALERTS_MAX:
        raise Invalid("alerting.alerts_too_many", f"At most {ALERTS_MAX} alerts are taken at once.", pointer="/alerts")
    return sum(acknowledge_alert(actor=actor, alert_id=one, clock=clock, note=note) for one in alert_ids)


@transaction.atomic
def snooze_alert(*, actor: Actor, alert_id: UUID, until: datetime, reason: str, clock: Clock) -> bool:
    """Hear of an alert again at a time. Errors: Invalid without a reason, for the past, or beyond 30 days."""
    require(actor, "alerting.alert.snooze")
    if not reason.strip():
        raise Invalid("alerting.snooze_reason", "A snooze needs a reason.", pointer="/reason")
    if not clock.now() < until <= clock.now() + SNOOZE_MAX:
        raise Invalid("alerting.snooze_until", "A snooze ends in the future, within 30 days.", pointer="/until")
    alert = _lock(actor.tenant, alert_id)
    if not Phase(alert.phase).is_open:
        raise Conflict("alerting.alert_not_active", "The alert is closed.", phase=alert.phase)
    Snooze.objects.filter(tenant=actor.tenant, alert=alert, ended_at=None).update(ended_at=clock.now())
    Snooze.objects.create(tenant=actor.tenant, alert=alert, until_at=until, reason=reason[:300], by=actor.ref, at=clock.now())
    alert.snoozed_until = until
    alert.save(update_fields=["snoozed_until"])
    changes.record_transition(actor, alert, Reason.SNOOZED, from_phase=alert.phase, clock=clock)
    body: dict[str, Json | Erasable] = {"until": int(until.timestamp()), "reason": ledger.erasable(reason)}
    ledger.record(actor, "alerting.alert.snoozed", alert.id, clock=clock, body=body)
    outbox.publish(actor, "alert.snoozed", alert.id, changes.payload_of(alert), clock=clock)
    return True


@transaction.atomic
def unsnooze_alert(*, actor: Actor, alert_id: UUID, clock: Clock) -> bool:
    """End a snooze now; False when there is none."""
    require(actor, "alerting.alert.snooze")
    return _wake(actor, _lock(actor.tenant, alert_id), clock)


@transaction.atomic
def wake_snoozed(*, actor: Actor, clock: Clock) -> int:
    """End the snoozes whose time has come; what is still bad is told again."""
    require(actor, "alerting.alert.evaluate")
    due = Alert.objects.select_for_update(skip_locked=True).filter(tenant=actor.tenant, snoozed_until__lte=clock.now())
    return sum(_wake(actor, alert, clock) for alert in due)


def _wake(actor: Actor, alert: Alert, clock: Clock) -> bool:
    if alert.snoozed_until is None:
        return False
    alert.snoozed_until = None
    alert.save(update_fields=["snoozed_until"])
    Snooze.objects.filter(tenant=actor.tenant, alert=alert, ended_at=None).update(ended_at=clock.now())
    is_bad = Phase(alert.phase) is Phase.FIRING
    changes.record_transition(actor, alert, Reason.SNOOZE_OVER, from_phase=alert.phase, clock=clock, is_told=is_bad)
    ledger.record(actor, "alerting.alert.unsnoozed", alert.id, clock=clock, body={"still_bad": is_bad})
    outbox.publish(actor, "alert.unsnoozed", alert.id, changes.payload_of(alert), clock=clock)
    return True


def _replace_ack(actor: Actor, fold: Fold, members: Sequence[Alert], note: str, *, is_sticky: bool, clock: Clock) -> Ack:
    Ack.objects.filter(tenant=actor.tenant, fold=fold, ended_at=None).update(ended_at=clock.now())
    severity = max(one.severity for one in members)
    return Ack.objects.create(
        tenant=actor.tenant, fold=fold, severity=severity, is_sticky=is_sticky, by=actor.ref, note=note[:500], at=clock.now()
    )


def _lock(tenant: UUID, alert_id: UUID) -> Alert:
    found = Alert.objects.select_for_update().filter(tenant=tenant, id=alert_id).first()
    if found is None:
        raise NotFound("alerting.alert_unknown", "There is no such alert.")
    return found
