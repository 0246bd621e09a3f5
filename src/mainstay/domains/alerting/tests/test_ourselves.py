"""Mainstay watches its own parts: what is wrong with them is an alert of the organisation that runs it."""

from datetime import timedelta

import pytest

from mainstay.core.access import queries as access
from mainstay.core.tenancy.binding import bind
from mainstay.domains.alerting import services, tasks
from mainstay.domains.alerting.models import Alert, Transition
from mainstay.domains.alerting.queries import views
from mainstay.domains.alerting.tasks import Ticker
from mainstay.domains.alerting.tests.conftest import Alerting
from mainstay.domains.telemetry.models import IntakeHealth
from mainstay.kernel import actors
from mainstay.kernel.errors import Unavailable


def told(alerting: Alerting, **values: object) -> None:
    row = {"at": alerting.clock.now(), "fill_pct": 1.0, "waiting_rows": 0, "quarantined": 0, **values}
    IntakeHealth.objects.update_or_create(spool="web/0", defaults=row)


def look(alerting: Alerting, after_s: float = 0, away: str = "") -> None:
    """One look at ourselves, as the tick makes it."""
    alerting.clock.at += timedelta(seconds=after_s)
    IntakeHealth.objects.update(at=alerting.clock.now())
    tasks._ourselves(Ticker(alerting.clock.now(), engine_away=away), alerting.clock)
    bind(access.organisation().id)


def own() -> list[tuple[str, str, int, str]]:
    return list(
        Alert.objects.filter(device_id=access.organisation().id).order_by("rule_id").values_list("rule_id", "phase", "severity", "subject")
    )


def test_a_quiet_day_has_no_alert_of_ours(alerting: Alerting) -> None:
    told(alerting)

    look(alerting)

    assert own() == []


@pytest.mark.parametrize(
    ("fill", "expected"), [(79.9, []), (80.1, [("spool.filling", "firing", 2, "web/0")]), (96.0, [("spool.filling", "firing", 3, "web/0")])]
)
def test_a_spool_that_fills_is_told_from_eighty_per_cent(alerting: Alerting, fill: float, expected: list[object]) -> None:
    told(alerting, fill_pct=fill)

    look(alerting)

    assert own() == expected


def test_records_that_were_set_aside_are_an_alert_until_somebody_moves_them(alerting: Alerting) -> None:
    told(alerting, quarantined=2, quarantine_reason="Code: 117")
    look(alerting)
    assert own() == [("spool.quarantine", "firing", 3, "web/0")]
    assert Alert.objects.get(rule_id="spool.quarantine").summary == (
        "2 records in the spool of Mainstay's web/0 process could not be stored and were set aside: Code: 117"
    )

    told(alerting, quarantined=0)
    look(alerting, 1)
    look(alerting, 10)

    assert own() == [("spool.quarantine", "resolved", 3, "web/0")]


def test_a_store_that_does_not_answer_is_an_alert_after_twenty_seconds_and_not_before(alerting: Alerting) -> None:
    told(alerting)

    look(alerting, away="it does not answer")
    look(alerting, 19, away="it does not answer")
    assert own() == [("telemetry.unavailable", "pending", 3, "")]
    look(alerting, 1, away="it does not answer")

    assert own() == [("telemetry.unavailable", "firing", 3, "")]


def test_a_store_that_only_the_intake_misses_is_seen_too(alerting: Alerting) -> None:
    told(alerting, away_since=alerting.clock.now(), away_reason="refused")

    assert views.own_view(access.organisation().id, at=alerting.clock.now(), away="").own.away == "refused"


def test_while_the_store_is_away_rules_over_samples_keep_their_state_and_say_why(
    alerting: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = alerting.fail()
    Alert.objects.filter(id=alert.id).update(rule_id="memory.pressure")
    monkeypatch.setattr(views, "_samples", _away)
    ticker = Ticker(alerting.clock.now())

    for _ in range(2):
        tasks._views(alerting.tenant, tasks._SAMPLE_SOURCES, ticker, alerting.clock)

    last = Transition.objects.filter(alert=alert).order_by("at", "id").last()
    assert (last.from_phase, last.to_phase, last.reason, last.is_told) == ("firing", "firing", "engine_unavailable", False)
    assert Transition.objects.filter(reason="engine_unavailable").count() == 1
    assert (ticker.engine_away, alerting.acts()[-1]) == ("away", "alerting.alert.state_kept")


def test_the_evaluator_of_devices_never_touches_an_alert_of_ours(alerting: Alerting) -> None:
    organisation = access.organisation().id
    told(alerting, quarantined=1, quarantine_reason="x")
    look(alerting)

    services.evaluate_device(actor=actors.system("rules", organisation), device_id=organisation, clock=alerting.clock)

    assert own() == [("spool.quarantine", "firing", 3, "web/0")]


def _away(*_args: object, **_more: object) -> object:
    raise Unavailable("telemetry.unavailable", "away")
