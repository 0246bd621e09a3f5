"""Alerts in the database: row, transition, ledger entry and event of each change."""

from datetime import timedelta

import pytest

from mainstay.core.tenancy.binding import bind
from mainstay.domains.alerting import queries, services
from mainstay.domains.alerting.models import Ack, Alert, Fold, RuleOverride, Transition
from mainstay.domains.alerting.rules.words import Phase, Reason
from mainstay.domains.alerting.tests.conftest import Alerting
from mainstay.kernel.errors import Conflict, Invalid, NotFound


def test_a_service_that_dies_fires_at_the_second_look(alerting: Alerting) -> None:
    alerting.unit("running")
    assert alerting.look() == 0
    alerting.unit("failed")

    assert (alerting.look(), alerting.look(after_s=1), alerting.look(after_s=1)) == (1, 0, 1)

    alert = Alert.objects.get()
    assert (alert.rule_id, alert.subject, alert.phase, alert.severity, alert.condition) == (
        "service.down", "nginx.service", "firing", 3, "CRIT",
    )  # fmt: skip
    assert alert.summary == "nginx.service is failed."
    assert alerting.reasons() == ["pending", "first_firing"]
    assert alerting.events() == ["alert.fired"]
    assert alerting.acts() == ["alerting.alert.noticed", "alerting.alert.fired"]


def test_a_service_that_restarts_in_time_tells_nobody(alerting: Alerting) -> None:
    alerting.unit("failed")
    alerting.look()
    alerting.unit("running")

    alerting.look(after_s=1)

    assert Alert.objects.get().phase == "cancelled"
    assert alerting.events() == []


def test_a_recovered_service_resolves_and_closes_its_fold(alerting: Alerting) -> None:
    alerting.fail()
    alerting.unit("running")

    assert (alerting.look(after_s=1), alerting.look(after_s=3), alerting.look(after_s=1)) == (1, 0, 1)

    alert = Alert.objects.get()
    assert alert.phase == "resolved"
    assert Fold.objects.get().closed_at == alerting.clock.now()
    assert alerting.events() == ["alert.fired", "alert.resolved"]
    assert queries.is_well(alerting.tenant, alert.id)


def test_a_service_that_dies_again_soon_is_reopened(alerting: Alerting) -> None:
    alerting.fail()
    alerting.unit("running")
    alerting.look(after_s=1)
    alerting.look(after_s=4)
    alerting.clock.forward(seconds=60)

    again = alerting.fail()

    assert again.was_reopened
    assert alerting.reasons()[-1] == "reopened"
    assert Alert.objects.count() == 2


def test_a_silent_device_makes_its_alerts_nodata_and_not_down(alerting: Alerting) -> None:
    alert = alerting.fail()

    alerting.look(after_s=31, heard=False)
    alerting.look(after_s=16, heard=False)

    alert.refresh_from_db()
    silent = Alert.objects.get(rule_id="agent.silent")
    assert (alert.phase, alert.condition, alert.reason) == ("firing", "NODATA", "source_silent")
    assert alert.suppressed_by == silent.id
    assert silent.phase == "firing"
    assert alerting.events() == ["alert.fired", "alert.fired", "source.silent"]


def test_a_device_that_speaks_again_ends_its_silence_and_is_believed_again(alerting: Alerting) -> None:
    alert = alerting.fail()
    alerting.look(after_s=31, heard=False)
    alerting.look(after_s=16, heard=False)

    alerting.look(after_s=1)

    alert.refresh_from_db()
    assert (alert.condition, alert.reason, alert.suppressed_by) == ("CRIT", "source_back", None)
    assert Alert.objects.get(rule_id="agent.silent").phase == "resolved"


def test_silence_counts_from_when_we_began_to_listen(alerting: Alerting) -> None:
    alerting.clock.forward(hours=1)

    services.evaluate_device(actor=alerting.rules, device_id=alerting.device.id, clock=alerting.clock, listening_since=alerting.clock.now())

    assert Alert.objects.count() == 0


def test_a_worker_that_starts_again_does_not_take_silence_for_recovery(alerting: Alerting) -> None:
    alert = alerting.fail()
    alerting.look(after_s=31, heard=False)
    alerting.look(after_s=16, heard=False)
    alerting.clock.forward(hours=1)
    before = alerting.reasons()

    services.evaluate_device(actor=alerting.rules, device_id=alerting.device.id, clock=alerting.clock, listening_since=alerting.clock.now())

    alert.refresh_from_db()
    assert alerting.reasons() == before
    assert alert.condition == "NODATA", "what it last said is not taken for what it says now"
    assert Alert.objects.get(rule_id="agent.silent").phase == "firing"


def test_three_deaths_within_the_hour_are_one_flapping_episode(alerting: Alerting) -> None:
    alerting.unit("running")
    alerting.look()
    for _ in range(3):
        alerting.fail()
        alerting.unit("running")
        alerting.look(after_s=60)
        alerting.look(after_s=5)

    newest = Alert.objects.order_by("-bad_since").first()
    assert newest is not None
    assert (newest.is_flapping, newest.phase) == (True, "recovering")
    assert "flapping_started" in alerting.reasons()
    assert "alert.flapping" in alerting.events()


def test_what_needs_upkeep_is_one_fold_and_a_dead_service_another(alerting: Alerting) -> None:
    alerting.fact("updates", {"security_count": 2})
    alerting.fact("backups", {"known": False})

    alerting.look()
    alerting.fail()

    assert alerting.events() == ["alert.fired", "alert.joined", "alert.fired"]
    assert Fold.objects.count() == 2
    joined = Transition.objects.get(held_back="joined_fold")
    assert not joined.is_told


def test_a_part_that_is_gone_ends_its_alert(alerting: Alerting) -> None:
    alerting.fact("disks", {"disks": [{"name": "sda", "smart": {"passed": False}}]})
    alerting.look()
    alerting.fact("disks", {"disks": []})

    alerting.look(after_s=1)

    assert Alert.objects.values_list("phase", "reason").get() == ("resolved", "subject_gone")


def test_an_acknowledgement_covers_the_fold_until_recovery(alerting: Alerting) -> None:
    alerting.fact("updates", {"security_count": 2})
    alerting.fact("backups", {"known": False})
    alerting.look()
    alert = Alert.objects.get(rule_id="updates.pending")

    assert services.acknowledge_alert(actor=alerting.tara, alert_id=alert.id, note="tonight", clock=alerting.clock)
    assert not services.acknowledge_alert(actor=alerting.tara, alert_id=alert.id, clock=alerting.clock)

    assert set(Alert.objects.values_list("acknowledged_by", flat=True)) == {alerting.tara.ref}
    alerting.fact("updates", {"security_count": 0})
    alerting.fact("backups", {"known": True})
    alerting.look(after_s=1)
    assert Ack.objects.get().ended_at == alerting.clock.now()
    assert alerting.acts().count("alerting.alert.acknowledged") == 1


def test_something_worse_ends_an_acknowledgement(alerting: Alerting) -> None:
    alerting.fact("disks", {"disks": [{"name": "sda", "smart": {"passed": True, "media_errors": 1}}]})
    alerting.look()
    alert = Alert.objects.get()
    services.acknowledge_alert(actor=alerting.tara, alert_id=alert.id, clock=alerting.clock)

    alerting.fact("disks", {"disks": [{"name": "sda", "smart": {"passed": False}}]})
    alerting.look(after_s=1)

    alert.refresh_from_db()
    assert (alert.severity, alert.acknowledged_at) == (3, None)
    assert Transition.objects.get(reason="severity_raised").is_told


def test_a_closed_alert_cannot_be_acknowledged(alerting: Alerting) -> None:
    alerting.unit("failed")
    alerting.look()
    pending = Alert.objects.get()

    with pytest.raises(Conflict):
        services.acknowledge_alert(actor=alerting.tara, alert_id=pending.id, clock=alerting.clock)

    assert Ack.objects.count() == 0
    assert alerting.acts() == ["alerting.alert.noticed"]


def test_a_snooze_needs_a_reason_and_ends_at_its_time(alerting: Alerting) -> None:
    alert = alerting.fail()
    until = alerting.clock.now() + timedelta(hours=1)
    with pytest.raises(Invalid):
        services.snooze_alert(actor=alerting.tara, alert_id=alert.id, until=until, reason=" ", clock=alerting.clock)

    services.snooze_alert(actor=alerting.tara, alert_id=alert.id, until=until, reason="spare part comes", clock=alerting.clock)
    assert services.wake_snoozed(actor=alerting.rules, clock=alerting.clock) == 0
    alerting.clock.forward(hours=1)

    assert services.wake_snoozed(actor=alerting.rules, clock=alerting.clock) == 1
    assert Transition.objects.get(reason="snooze_over").is_told


def test_another_tenant_sees_and_changes_no_alert(alerting: Alerting) -> None:
    alert = alerting.fail()
    bind(alerting.cast.southgate.id)

    with pytest.raises(NotFound):
        services.acknowledge_alert(actor=alerting.cast.iris.actor, alert_id=alert.id, clock=alerting.clock)
    assert queries.active_alerts([alerting.cast.southgate.id]).count() == 0


def test_a_rule_that_is_switched_off_ends_its_alerts(alerting: Alerting) -> None:
    alerting.fact("backups", {"known": False})
    alerting.look()

    services.change_rule(
        actor=alerting.tara, rule_id="backup.unknown", is_enabled=False, reason="backed up by the host", clock=alerting.clock
    )
    alerting.look(after_s=1)

    assert Alert.objects.values_list("phase", "reason").get() == ("resolved", "rule_off")


def test_a_rule_without_hysteresis_is_refused(alerting: Alerting) -> None:
    with pytest.raises(Invalid) as refused:
        services.change_rule(
            actor=alerting.tara, rule_id="memory.pressure", levels={"WARNING": {"fire": 8, "recover": 8}}, reason="r", clock=alerting.clock
        )

    assert refused.value.code == "alerting.rule_hysteresis"
    assert RuleOverride.objects.count() == 0


def test_why_tells_the_story_and_folds_to_the_stored_state(alerting: Alerting) -> None:
    alert = alerting.fail()

    story = queries.why(alerting.tenant, alert.id)

    assert [(line.from_phase, line.to_phase, line.reason) for line in story] == [
        ("", Phase.PENDING, Reason.PENDING),
        ("pending", Phase.FIRING, Reason.FIRST_FIRING),
    ]
    assert story[-1].to_phase == alert.phase
    assert story[-1].sentence.startswith("It stayed bad")
