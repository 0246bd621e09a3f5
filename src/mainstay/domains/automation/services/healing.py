"""Self-healing: considers an incident, acts or says why not.

Owns: the consideration and its record. Invariant: every incident that came from an alert gets exactly one consideration.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.domains.alerting import queries as alerting
from mainstay.domains.automation import queries
from mainstay.domains.automation.models import HealEvent, HealRule, Run
from mainstay.domains.automation.rules.definitions import DEFINITIONS, Runbook, runbook_for
from mainstay.domains.automation.rules.healing import HealFacts, HealReason, Mode, consider
from mainstay.domains.automation.services.runs import start_run
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.decisions import Decision
from mainstay.kernel.errors import Invalid


@transaction.atomic
def consider_healing(*, actor: Actor, incident_id: UUID, alert_id: UUID, clock: Clock) -> HealEvent:
    """Decide whether a runbook answers the incident's alert, and start it or publish why not."""
    require(actor, "automation.healing.consider")
    existing = HealEvent.objects.filter(tenant=actor.tenant, incident_id=incident_id, alert_id=alert_id).first()
    if existing is not None:
        return existing
    alert = alerting.alert_brief(actor.tenant, alert_id)
    runbook = runbook_for(alert.rule)
    decision = consider(_facts(actor, alert, runbook, clock.now()))
    event = HealEvent(
        tenant=actor.tenant,
        incident_id=incident_id,
        alert_id=alert_id,
        device_id=alert.device_id,
        subject=alert.subject,
        runbook=runbook.name if runbook else "",
        has_acted=decision.is_yes,
        reason=decision.reason,
        at=clock.now(),
    )
    if decision.is_yes and runbook is not None:
        event.run = _start(actor, runbook, incident_id, alert, clock)
    event.save(force_insert=True)
    ledger.record(
        actor,
        "automation.healing.considered",
        event.id,
        clock=clock,
        body={"incident": str(incident_id), "reason": decision.reason, "subject": alert.subject, "acted": decision.is_yes},
    )
    if not decision.is_yes:
        _publish_decline(actor, event, decision, clock)
    return event


@transaction.atomic
def set_heal_mode(*, actor: Actor, trigger: str, mode: Mode, clock: Clock) -> HealRule:
    """Choose how far self-healing goes for a kind of alert. What the endpoint allows stays the signed policy's matter."""
    require(actor, "automation.heal_rule.edit")
    runbook = runbook_for(trigger)
    if runbook is None:
        raise Invalid("automation.no_runbook", f"No runbook answers the alert {trigger}.", pointer="trigger")
    rule, _ = HealRule.objects.update_or_create(
        tenant=actor.tenant, trigger=trigger, defaults={"runbook": runbook.name, "mode": mode, "changed_at": clock.now()}
    )
    ledger.record(actor, "automation.heal_rule.edited", rule.id, clock=clock, body={"trigger": trigger, "mode": mode})
    return rule


def _publish_decline(actor: Actor, event: HealEvent, decision: Decision[None], clock: Clock) -> None:
    outbox.publish(actor, "healing.declined", event.id, {"incident_id": str(event.incident_id), "reason": decision.reason}, clock=clock)


def _start(actor: Actor, runbook: Runbook, incident_id: UUID, alert: alerting.AlertBrief, clock: Clock) -> Run:
    versions = [version for name, version in DEFINITIONS if name == runbook.name]
    return start_run(
        actor=actor,
        definition=DEFINITIONS[(runbook.name, max(versions))],
        input={"unit": alert.subject, "device": str(alert.device_id)},
        idem_key=f"heal:{incident_id}:{alert.id}",
        device_id=alert.device_id,
        incident_id=incident_id,
        alert_id=alert.id,
        subject=alert.subject,
        clock=clock,
    )


def _facts(actor: Actor, alert: alerting.AlertBrief, runbook: Runbook | None, now: datetime) -> HealFacts:
    tenant, device_id, name = actor.tenant, alert.device_id, runbook.name if runbook else ""
    side = queries.endpoint_side(tenant, device_id, unit=alert.subject, now=now)
    day = now - timedelta(days=1)
    uses = queries.budget_uses(tenant, device_id, "service.restart@1", alert.subject, since=day)
    return HealFacts(
        has_runbook=runbook is not None,
        mode=queries.heal_mode(tenant, alert.rule),
        has_root=side.has_root,
        is_tier_enabled=side.is_tier_enabled,
        is_service_listed=side.is_service_listed,
        has_helper=side.has_helper,
        is_frozen=side.is_frozen,
        is_quarantined=side.is_quarantined,
        contact_age_s=side.contact_age_s,
        signal_age_s=side.signal_age_s,
        is_flapping=alert.is_flapping,
        has_active_run=queries.has_active_run(tenant, device_id, alert.subject),
        failing_devices=queries.devices_considered(tenant, alert.rule, since=now - timedelta(minutes=10), besides=device_id) + 1,
        group_devices=side.group_devices,
        outcomes=queries.outcomes(tenant, name),
        uses=tuple(use.timestamp() for use in uses),
        other_devices_last_hour=queries.devices_acted_on(tenant, name, since=now - timedelta(hours=1), besides=device_id),
        concurrent_runs=queries.active_runs(tenant),
        now=now.timestamp(),
    )


__all__ = ["HealReason", "consider_healing", "set_heal_mode"]
