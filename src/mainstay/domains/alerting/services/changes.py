"""Writing a change of an alert: the row, its transition, the fold, the ledger, the event.

Invariant: every change of phase, severity or condition has a transition with a reason and an entry in the ledger.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs import live, outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.alerting.models import Alert, FlapState, Transition
from mainstay.domains.alerting.models.alerts import OPEN
from mainstay.domains.alerting.rules import flapping, folding
from mainstay.domains.alerting.rules.flapping import Flaps
from mainstay.domains.alerting.rules.machine import Episode, Step
from mainstay.domains.alerting.rules.pack import PACK, SILENT, Rule, Source
from mainstay.domains.alerting.rules.readings import DeviceView, Reading
from mainstay.domains.alerting.rules.words import Phase, Reason
from mainstay.domains.alerting.services import folds
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json
from mainstay.kernel.severity import Condition

# The last word of the ledger's act for each reason: a past participle, so that the log reads as a story.
ACTS: Mapping[Reason, str] = {
    Reason.PENDING: "noticed",
    Reason.CANCELLED: "cancelled",
    Reason.FIRST_FIRING: "fired",
    Reason.REOPENED: "fired",
    Reason.SEVERITY_RAISED: "raised",
    Reason.IMPROVED: "improved",
    Reason.RECOVERING: "recovering_seen",
    Reason.RELAPSE: "relapsed",
    Reason.SOURCE_SILENT: "source_lost",
    Reason.SOURCE_BACK: "source_found",
    Reason.UNKNOWN_VALUE: "doubted",
    Reason.RECOVERED: "resolved",
    Reason.SUBJECT_GONE: "resolved",
    Reason.RULE_OFF: "resolved",
    Reason.FLAPPING_STARTED: "flapping_started",
    Reason.FLAPPING_ENDED: "flapping_ended",
    Reason.ENGINE_UNAVAILABLE: "state_kept",
}


def apply(
    actor: Actor,
    view: DeviceView,
    rule: Rule,
    reading: Reading,
    previous: Alert | None,
    step: Step | None,
    flap: bool | None,
    clock: Clock,
) -> int:
    """Write a step and a change of flapping; return 1 when anything changed. Runs in the caller's transaction."""
    alert = previous
    if step is not None:
        alert = _write(actor, view, rule, reading, previous, step, clock)
    if flap is not None and alert is not None and Phase(alert.phase).is_active:
        _write_flapping(actor, alert, flap, clock)
        return 1
    return int(step is not None)


def take_result(
    actor: Actor, fingerprint: str, stored: FlapState | None, previous: Alert | None, step: Step | None, at: datetime
) -> bool | None:
    """Take a hard result into the flap state; return the new flapping flag when it changed, else None."""
    hard = _hard_result(previous, step)
    if hard is None or (stored is None and not hard):
        return None
    before = _flaps(stored)
    after = flapping.take(before, is_bad=hard, at=at)
    if after is before:
        return None
    values = {
        "results": list(after.results),
        "taken_at": after.taken_at,
        "changes": [one.isoformat() for one in after.changes],
        "is_flapping": after.is_flapping,
    }
    FlapState.objects.update_or_create(tenant=actor.tenant, fingerprint=fingerprint, defaults=values)
    return after.is_flapping if after.is_flapping != before.is_flapping else None


def record_transition(
    actor: Actor,
    alert: Alert,
    reason: Reason,
    *,
    from_phase: str,
    clock: Clock,
    is_told: bool = False,
    held_back: str = "",
    **evidence: Json,
) -> None:
    """Write one line of an alert's story."""
    Transition.objects.create(
        id=new_id(), tenant=alert.tenant, alert=alert, from_phase=from_phase, to_phase=alert.phase, reason=reason, severity=alert.severity,
        condition=alert.condition, is_told=is_told, held_back=held_back, evidence=evidence, actor=actor.ref, at=clock.now(),
    )  # fmt: skip


@transaction.atomic
def note_unavailable(*, actor: Actor, clock: Clock) -> int:
    """Write under each open alert over samples that its state was kept because our own store is away; return how many."""
    require(actor, "alerting.alert.evaluate")
    rules = [rule.id for rule in PACK.values() if rule.source is Source.SAMPLES]
    open_now = list(Alert.objects.select_for_update().filter(tenant=actor.tenant, rule_id__in=rules, phase__in=OPEN).order_by("id"))
    for alert in open_now:
        record_transition(actor, alert, Reason.ENGINE_UNAVAILABLE, from_phase=alert.phase, clock=clock)
        act = f"alerting.alert.{ACTS[Reason.ENGINE_UNAVAILABLE]}"
        ledger.record(actor, act, alert.id, clock=clock, body={"rule": alert.rule_id, "reason": str(Reason.ENGINE_UNAVAILABLE)})
    return len(open_now)


def _write(actor: Actor, view: DeviceView, rule: Rule, reading: Reading, previous: Alert | None, step: Step, clock: Clock) -> Alert:
    continues = previous is not None and Phase(previous.phase).is_open
    from_phase = previous.phase if previous is not None and continues else ""
    alert = previous if previous is not None and continues else _new(actor.tenant, view, rule, reading, step.episode)
    _copy(alert, step, clock)
    if step.episode.condition.is_bad:
        _describe(alert, rule, reading)
    is_joining = _fold(actor, rule, alert, step, clock)
    alert.save()
    held_back = _held_back(alert, step, is_joining=is_joining)
    evidence: dict[str, Json] = {"value": reading.value, "text": reading.text, **reading.evidence}
    record_transition(
        actor,
        alert,
        step.reason,
        from_phase=from_phase,
        clock=clock,
        is_told=step.is_told and not held_back,
        held_back=held_back,
        **evidence,
    )
    _tell(actor, alert, step, is_joining=is_joining, clock=clock)
    return alert


def _new(tenant: UUID, view: DeviceView, rule: Rule, reading: Reading, episode: Episode) -> Alert:
    return Alert(
        id=new_id(), tenant=tenant, rule_id=rule.id, device_id=view.device_id, subject=reading.subject[:300],
        fingerprint=folding.fingerprint(rule.id, view.device_id, reading.subject), bad_since=episode.bad_since,
        next_action=rule.next_action, was_reopened=episode.was_reopened,
    )  # fmt: skip


def _copy(alert: Alert, step: Step, clock: Clock) -> None:
    episode = step.episode
    alert.phase, alert.severity, alert.condition, alert.reason = episode.phase, episode.severity, episode.condition, step.reason
    alert.good_since, alert.fired_at, alert.resolved_at, alert.changed_at = (
        episode.good_since,
        episode.fired_at,
        episode.resolved_at,
        clock.now(),
    )
    if episode.condition is not Condition.NODATA:
        alert.suppressed_by = None


def _describe(alert: Alert, rule: Rule, reading: Reading) -> None:
    words = {"subject": reading.subject, "value": reading.value or 0.0, "text": reading.text}
    alert.summary, alert.value, alert.evidence = rule.summary.format(**words)[:500], reading.value, dict(reading.evidence)


def _fold(actor: Actor, rule: Rule, alert: Alert, step: Step, clock: Clock) -> bool:
    """Put a firing alert into its fold; True when the fold was there before. A resolved one may close it."""
    if step.reason in (Reason.FIRST_FIRING, Reason.REOPENED):
        alert.fold, was_open = folds.open_or_join(actor.tenant, folding.fold_key(rule, alert.device_id, alert.subject), alert, clock)
        return was_open
    if step.reason is Reason.SEVERITY_RAISED:
        folds.raise_severity(alert, clock)
    elif step.reason is Reason.SOURCE_SILENT:
        alert.suppressed_by = folds.silence_of(alert)
    elif alert.phase == Phase.RESOLVED:
        alert.save()
        folds.close_if_well(alert, clock)
    return False


def _held_back(alert: Alert, step: Step, *, is_joining: bool) -> str:
    """Name the first stage that keeps a notice back; empty when it goes out."""
    if not step.is_told:
        return ""
    stages = (
        (alert.is_flapping, Reason.FLAPPING),
        (alert.snoozed_until is not None, Reason.SNOOZED),
        (alert.acknowledged_at is not None and step.reason is not Reason.RECOVERED, Reason.ACKNOWLEDGED),
        (is_joining, Reason.JOINED_FOLD),
    )
    return next((str(reason) for applies, reason in stages if applies), "")


def _tell(actor: Actor, alert: Alert, step: Step, *, is_joining: bool, clock: Clock) -> None:
    body: dict[str, Json] = {"rule": alert.rule_id, "device": alert.device_id.hex, "subject": alert.subject, "reason": str(step.reason),
            "severity": int(alert.severity), "phase": str(alert.phase), "condition": str(alert.condition)}  # fmt: skip
    event = _event(step, is_joining=is_joining)
    if event:
        outbox.publish(actor, event, alert.id, payload_of(alert), clock=clock)
    else:
        live.changed(alert.tenant, "alert", alert.id)
    if alert.rule_id == SILENT and event == "alert.fired":
        outbox.publish(actor, "source.silent", alert.device_id, {"device": alert.device_id.hex, "alert": alert.id.hex}, clock=clock)
    ledger.record(actor, f"alerting.alert.{ACTS[step.reason]}", alert.id, clock=clock, body=body)


def _event(step: Step, *, is_joining: bool) -> str:
    if step.reason in (Reason.FIRST_FIRING, Reason.REOPENED):
        return "alert.joined" if is_joining else "alert.fired"
    if step.reason is Reason.SEVERITY_RAISED:
        return "alert.raised"
    return "alert.resolved" if step.episode.phase is Phase.RESOLVED else ""


def payload_of(alert: Alert) -> dict[str, Json]:
    """Return what an event says of an alert: ids and small values only."""
    fold = alert.fold_id.hex if alert.fold_id else None
    return {"alert": alert.id.hex, "fold": fold, "device": alert.device_id.hex, "rule": alert.rule_id,
            "severity": int(alert.severity), "reopened": alert.was_reopened}  # fmt: skip


def _write_flapping(actor: Actor, alert: Alert, is_flapping: bool, clock: Clock) -> None:
    alert.is_flapping = is_flapping
    alert.changed_at = clock.now()
    alert.save(update_fields=["is_flapping", "changed_at"])
    reason = Reason.FLAPPING_STARTED if is_flapping else Reason.FLAPPING_ENDED
    record_transition(actor, alert, reason, from_phase=alert.phase, clock=clock, is_told=True)
    outbox.publish(actor, "alert.flapping", alert.id, {**payload_of(alert), "flapping": is_flapping}, clock=clock)
    ledger.record(actor, f"alerting.alert.{ACTS[reason]}", alert.id, clock=clock, body={"rule": alert.rule_id})


def _hard_result(previous: Alert | None, step: Step | None) -> bool | None:
    """Return whether the hard state is bad, or None while there is none (pending, silent, unknown)."""
    if step is not None:
        phase, condition = step.episode.phase, step.episode.condition
    elif previous is not None:
        phase, condition = Phase(previous.phase), Condition(previous.condition)
    else:
        return False
    if phase is Phase.PENDING or (phase is Phase.FIRING and not condition.is_bad):
        return None
    return phase is Phase.FIRING


def _flaps(stored: FlapState | None) -> Flaps:
    if stored is None:
        return Flaps(results=(False,))  # nothing was kept while it was well, so its first fault is a change
    changes = tuple(datetime.fromisoformat(one) for one in stored.changes)
    return Flaps(tuple(stored.results), stored.taken_at, changes, stored.is_flapping)
