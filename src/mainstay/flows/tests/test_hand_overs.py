"""Each hand-over, as the outbox makes it: an event in, the next domain's row out."""

import pytest

from mainstay.core.jobs.outbox import Event
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.automation.models import HealEvent, Run
from mainstay.domains.automation.tests.conftest import Automation, automation
from mainstay.domains.desk.models import Ticket
from mainstay.flows import alert_to_incident, finding_to_incident, incident_to_action, run_to_incident
from mainstay.kernel.json import Json

__all__ = ["automation"]  # the fixture


def event(automation: Automation, name: str, subject: object, **payload: Json) -> Event:
    return Event(new_id(), automation.tenant, name, subject, payload, automation.clock.now(), "s:test")  # type: ignore[arg-type]  # ids of rows


def test_a_fired_alert_opens_one_incident_however_often_it_is_told(automation: Automation) -> None:
    fired = event(automation, "alert.fired", automation.alert().id)

    for _ in range(2):
        alert_to_incident.open_or_join_incident(fired, automation.worker, automation.clock)

    ticket = Ticket.objects.get()
    assert (ticket.status, ticket.title) == ("new", "nginx.service is down")


def test_an_incident_that_may_heal_is_held_by_its_run_from_the_start(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    ticket, alert = opened(automation)

    incident_to_action.consider_healing(
        event(automation, "incident.opened", ticket.id, alert=str(alert)), automation.worker, automation.clock
    )

    run = Run.objects.get()
    ticket.refresh_from_db()
    assert (run.incident_id, ticket.incident.healing_run) == (ticket.id, run.id)


def test_a_declined_incident_waits_for_a_person_with_the_reason(automation: Automation) -> None:
    ticket, _ = opened(automation)

    incident_to_action.hand_over_declined(
        event(automation, "healing.declined", new_id(), incident_id=str(ticket.id), reason="no_root"), automation.worker, automation.clock
    )

    ticket.refresh_from_db()
    assert (ticket.status, ticket.queue) == ("open", "needs-a-person")


def test_a_healed_run_resolves_its_incident(automation: Automation) -> None:
    ticket, _ = opened(automation)

    run_to_incident.resolve_healed(
        event(automation, "run.succeeded", new_id(), incident_id=str(ticket.id), reason="healed"), automation.worker, automation.clock
    )

    ticket.refresh_from_db()
    assert (ticket.status, ticket.resolution_code) == ("resolved", "healed")


@pytest.mark.parametrize("name", sorted(finding_to_incident.SENTENCES))
def test_a_sign_of_theft_opens_an_incident_that_no_runbook_answers(automation: Automation, name: str) -> None:
    finding = event(automation, name, automation.device.id, device=str(automation.device.id))

    finding_to_incident.open_incident(finding, automation.worker, automation.clock)
    ticket = Ticket.objects.get()
    incident_to_action.consider_healing(
        event(automation, "incident.opened", ticket.id, alert=str(finding.id)), automation.worker, automation.clock
    )

    assert (ticket.title, ticket.priority) == (finding_to_incident.SENTENCES[name], 1)
    assert not HealEvent.objects.exists()


def test_a_refusal_that_names_another_ledger_is_the_same_finding_and_any_other_refusal_is_none(automation: Automation) -> None:
    for code in ("budget", "ledger_alarm", "ledger_alarm"):
        finding_to_incident.open_for_refusal(
            event(automation, "command.refused", new_id(), device=str(automation.device.id), code=code), automation.worker, automation.clock
        )

    ticket = Ticket.objects.get()
    assert (ticket.title, ticket.priority) == (finding_to_incident.SENTENCES["device.ledger_alarmed"], 1)
    assert ticket.incident.device_id == automation.device.id


def test_a_ledger_that_contradicts_itself_is_nobody_s_device(automation: Automation) -> None:
    finding_to_incident.open_incident(
        event(automation, "ledger.mismatch_found", automation.tenant, reason="root"), automation.worker, automation.clock
    )

    assert Ticket.objects.get().incident.device_id is None


def opened(automation: Automation) -> tuple[Ticket, object]:
    alert = automation.alert()
    alert_to_incident.open_or_join_incident(event(automation, "alert.fired", alert.id), automation.worker, automation.clock)
    return Ticket.objects.get(), alert.id
