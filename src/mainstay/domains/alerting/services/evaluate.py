"""Evaluation of one device: readings in, transitions out.

Owns: which alerts an evaluation looks at, in which order. Does not own: the decision (rules.machine), the writing of a
change (services.changes). Concurrency: evaluations of one device wait for each other on an advisory lock, so the event and
the tick that see the same change write it once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from mainstay.core.access.services import require
from mainstay.domains.alerting.models import Alert
from mainstay.domains.alerting.queries import alerts as queries
from mainstay.domains.alerting.queries import pack as pack_queries
from mainstay.domains.alerting.queries import views
from mainstay.domains.alerting.rules import folding, machine
from mainstay.domains.alerting.rules.machine import Episode, Observed, Signal, Step
from mainstay.domains.alerting.rules.pack import SILENT, Rule, Source
from mainstay.domains.alerting.rules.readings import DeviceView, Reading, readings
from mainstay.domains.alerting.rules.words import Phase, Reason
from mainstay.domains.alerting.services import changes
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.severity import Condition, Severity

EVENT_SOURCES = frozenset({Source.UNITS, Source.FACTS, Source.CONTACT})
ALL_SOURCES = frozenset(Source)
_LOCK_SPACE = 0x616C  # keeps these advisory locks apart from others of the same database


@dataclass(frozen=True)
class Finding:
    """A rule's reading of one part of a device, with the episode it continues."""

    rule: Rule
    reading: Reading
    fingerprint: str


@transaction.atomic
def evaluate_device(
    *, actor: Actor, device_id: UUID, clock: Clock, sources: frozenset[Source] = EVENT_SOURCES, listening_since: datetime | None = None
) -> int:
    """Evaluate what needs no sample, at once; return how many alerts changed. A device that is not live changes nothing."""
    require(actor, "alerting.alert.evaluate")
    at = clock.now()
    found = views.device_views(actor.tenant, sources, at=at, listening_since=listening_since, device_ids=[device_id])
    if not found:
        return 0
    rules = pack_queries.rules_of(actor.tenant)
    return evaluate_view(actor=actor, view=found[0], rules=rules.get(device_id, rules[None]), sources=sources, clock=clock)


@transaction.atomic
def evaluate_view(*, actor: Actor, view: DeviceView, rules: Mapping[str, Rule], sources: frozenset[Source], clock: Clock) -> int:
    """Evaluate one device from what is known of it; return how many alerts changed."""
    require(actor, "alerting.alert.evaluate")
    at = clock.now()
    _wait_for_turn(view.device_id)
    findings = list(_findings(view, rules, sources, at))
    # The newest episodes are read after the lock: another evaluation may just have changed them.
    known = queries.newest_episodes(actor.tenant, [finding.fingerprint for finding in findings])
    flaps = queries.flap_states(actor.tenant, list(known))
    changed = 0
    for finding in findings:
        previous = known.get(finding.fingerprint)
        observed = _observe(view, finding, previous)
        step = machine.advance(finding.rule, _episode(previous), observed, at=at)
        flap = changes.take_result(actor, finding.fingerprint, flaps.get(finding.fingerprint), previous, step, at)
        changed += changes.apply(actor, view, finding.rule, finding.reading, previous, step, flap, clock)
    return changed + _close_the_gone(actor, view, rules, sources, findings, clock)


def due_devices(tenant: UUID, *, at: datetime) -> list[UUID]:
    """Return the devices that have an alert whose waiting or recovering time may be over."""
    rows = Alert.objects.filter(tenant=tenant, phase__in=(Phase.PENDING, Phase.RECOVERING), bad_since__lte=at)
    return list(rows.order_by().values_list("device_id", flat=True).distinct())


def would_change(view: DeviceView, rules: Mapping[str, Rule], sources: frozenset[Source], known: Mapping[str, Alert], at: datetime) -> bool:
    """Say, without a lock or a write, whether an evaluation of this device could change anything."""
    seen = set()
    for finding in _findings(view, rules, sources, at):
        seen.add(finding.fingerprint)
        previous = known.get(finding.fingerprint)
        if machine.advance(finding.rule, _episode(previous), _observe(view, finding, previous), at=at) is not None:
            return True
    return any(
        one.fingerprint not in seen and _is_gone(one, view, rules, sources) for one in known.values() if one.device_id == view.device_id
    )


def _findings(view: DeviceView, rules: Mapping[str, Rule], sources: frozenset[Source], at: datetime) -> Iterator[Finding]:
    # Silence first: it is the cause that the other alerts of the device then name.
    for rule in sorted(rules.values(), key=lambda one: one.id != SILENT):
        if rule.source in sources and rule.is_enabled:
            for reading in readings(rule.id, view, at=at):
                yield Finding(rule, reading, folding.fingerprint(rule.id, view.device_id, reading.subject))


def _observe(view: DeviceView, finding: Finding, previous: Alert | None) -> Observed:
    if view.is_silent and finding.rule.id != SILENT:
        return Observed(Signal.SILENT)
    return machine.judge(finding.rule, finding.reading.value, _episode(previous))


def _close_the_gone(
    actor: Actor, view: DeviceView, rules: Mapping[str, Rule], sources: frozenset[Source], findings: Sequence[Finding], clock: Clock
) -> int:
    """End what has no reading any more; while a device is silent the lack of a reading says nothing but that."""
    seen, changed = {finding.fingerprint for finding in findings}, 0
    for alert in queries.open_alerts(actor.tenant, [view.device_id]):
        if alert.fingerprint in seen:
            continue
        step = _gone_step(alert, view, rules, sources, clock.now())
        if step is not None:
            rule = rules[alert.rule_id]
            changed += changes.apply(actor, view, rule, Reading(alert.subject, alert.value), alert, step, None, clock)
    return changed


def _gone_step(alert: Alert, view: DeviceView, rules: Mapping[str, Rule], sources: frozenset[Source], at: datetime) -> Step | None:
    episode, rule = _episode(alert), rules.get(alert.rule_id)
    if rule is None or episode is None:
        return None
    if not rule.is_enabled:
        return machine.close(episode, Reason.RULE_OFF, at=at)
    if view.is_silent:
        return machine.advance(rule, episode, Observed(Signal.SILENT), at=at)
    return machine.close(episode, Reason.SUBJECT_GONE, at=at) if _is_gone(alert, view, rules, sources) else None


def _is_gone(alert: Alert, view: DeviceView, rules: Mapping[str, Rule], sources: frozenset[Source]) -> bool:
    rule = rules.get(alert.rule_id)
    if rule is None or not Phase(alert.phase).is_open:
        return False
    if view.is_silent and rule.id != SILENT:
        return alert.condition != Condition.NODATA and alert.phase != Phase.PENDING
    if rule.source not in sources:
        return False
    if not rule.is_enabled:
        return True
    # Samples come and go with the engine's lookback; one empty look at them is not the end of a disk.
    return rule.source is not Source.SAMPLES or bool(view.samples)


def _episode(alert: Alert | None) -> Episode | None:
    if alert is None:
        return None
    return Episode(
        Phase(alert.phase), Severity(alert.severity), Condition(alert.condition), alert.bad_since, alert.good_since, alert.fired_at,
        alert.resolved_at, alert.is_flapping, alert.was_reopened,
    )  # fmt: skip


def _wait_for_turn(device_id: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_SPACE, device_id.hex])
