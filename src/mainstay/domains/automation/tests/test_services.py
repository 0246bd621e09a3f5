"""The writes of automation: row, ledger entry and event, and that a refusal changes nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from mainstay.core.jobs.models import Event
from mainstay.core.ledger import queries as ledger
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.automation import queries, services
from mainstay.domains.automation.models import BudgetUse, Command, CommandResult, HealEvent, Run, TrustDocument, TrustOrder
from mainstay.domains.automation.rules.healing import Mode
from mainstay.domains.automation.tests.conftest import UNIT, Automation, signer
from mainstay.kernel.errors import Invalid, Refused
from mainstay.kernel.ids import to_base32
from mainstay.kernel.json import Json
from mainstay_trust import canonical, dsse
from mainstay_trust.orders import Unfreeze, parse_unfreeze


def acts(automation: Automation) -> list[str]:
    """Return the acts in the ledger of the tenant, oldest first."""
    return [entry.act for entry in reversed(list(ledger.entries(automation.tenant)))]


def events(automation: Automation) -> list[str]:
    return list(Event.objects.filter(tenant=automation.tenant).order_by("at", "id").values_list("name", flat=True))


def command_of(run: Run, path: str) -> Command:
    return Command.objects.get(run=run, idem=f"run:{run.id}/step:{path}")


def test_an_alert_that_policy_allows_to_heal_starts_one_run(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    alert = automation.alert()

    event = automation.consider(alert)

    assert (event.has_acted, event.reason) == (True, "acting")
    assert event.run is not None
    assert event.run.state == "ready"
    assert acts(automation)[-2:] == ["automation.run.started", "automation.healing.considered"]
    assert events(automation)[-1] == "run.started"


def test_considering_the_same_incident_twice_decides_once(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    first = automation.consider(automation.alert())

    again = services.consider_healing(
        actor=automation.worker, incident_id=first.incident_id, alert_id=first.alert_id, clock=automation.clock
    )

    assert again.id == first.id
    assert Run.objects.count() == 1


def test_without_a_ceremony_nothing_runs_and_the_reason_is_told(automation: Automation) -> None:
    automation.unit("failed")

    event = automation.consider()

    assert (event.has_acted, event.reason) == (False, "no_root")
    assert events(automation)[-1] == "healing.declined"
    assert not Run.objects.exists()


def test_a_service_that_the_policy_does_not_list_is_left_to_a_person(automation: Automation) -> None:
    automation.adopt()

    assert automation.consider(automation.alert(subject="cron.service")).reason == "not_allowed"


def test_a_run_heals_when_the_signal_stays_well_and_the_probe_agrees(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None

    assert automation.advance(run.id) == "waiting"
    automation.unit("running")
    automation.answer(command_of(run, "restart"), "started")
    automation.answer(command_of(run, "restart"), "done")
    assert automation.advance(run.id) == "waiting"  # settles
    automation.clock.forward(seconds=2)
    assert automation.advance(run.id) == "waiting"  # the signal must last
    automation.clock.forward(seconds=4)
    assert automation.advance(run.id) == "waiting"  # the probe is asked
    automation.answer(command_of(run, "probe"), "done", output={"state": "running"})
    assert automation.advance(run.id) == "succeeded"

    run.refresh_from_db()
    assert run.reason == "healed"
    assert HealEvent.objects.get(run=run).outcome == "healed"
    assert events(automation)[-1] == "run.succeeded"
    assert acts(automation)[-1] == "automation.run.succeeded"


def test_a_probe_that_disagrees_fails_the_run(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    automation.advance(run.id)
    automation.unit("running")
    automation.answer(command_of(run, "restart"), "done")
    automation.advance(run.id)
    automation.clock.forward(seconds=7)
    automation.advance(run.id)
    automation.clock.forward(seconds=7)
    automation.advance(run.id)

    automation.answer(command_of(run, "probe"), "done", output={"state": "stopped"})

    assert automation.advance(run.id) == "failed"
    run.refresh_from_db()
    assert run.reason == "verify_failed"


def test_a_refusal_by_the_device_ends_the_run_with_its_code(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    automation.advance(run.id)

    automation.answer(command_of(run, "restart"), "refused", reason="budget")

    assert automation.advance(run.id) == "failed"
    run.refresh_from_db()
    assert (run.reason, queries.failing_detail(run)) == ("refused_by_agent", "budget")
    assert "command.refused" in events(automation)


def test_a_delivery_that_crossed_the_answer_does_not_fail_the_run(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    automation.advance(run.id)
    automation.answer(command_of(run, "restart"), "started")

    automation.answer(command_of(run, "restart"), "refused", reason="replayed")

    automation.advance(run.id)
    run.refresh_from_db()
    assert run.state == "waiting"
    assert "command.refused" not in events(automation)


def test_silence_of_the_device_is_an_unknown_outcome_and_never_repeated(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    automation.advance(run.id)

    automation.clock.forward(seconds=61)

    assert automation.advance(run.id) == "failed"
    run.refresh_from_db()
    assert run.reason == "unknown_outcome"
    assert Command.objects.filter(run=run).count() == 1


def test_a_command_is_sealed_together_with_its_budget_use_and_its_leaf(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None

    automation.advance(run.id)

    command = command_of(run, "restart")
    payload = canonical.parse_object(dsse.from_json(command.envelope).payload)
    assert (payload["action"], payload["tier"], payload["params"], payload["policy_epoch"]) == (
        "service.restart@1",
        "T1",
        {"unit": UNIT},
        1,
    )
    assert BudgetUse.objects.filter(run=run).count() == 1
    assert acts(automation)[-1] == "automation.command.issued"
    assert ledger.body_of(automation.tenant, command.ledger_entry) == {
        "payload_sha256": command.payload_sha256,
        "action": "service.restart@1",
    }
    assert automation.recorder.woken[-1] == automation.device.id


def test_the_fourth_restart_in_an_hour_is_refused_by_the_server(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    for _ in range(3):
        run = automation.consider().run
        assert run is not None
        automation.advance(run.id)
        Run.objects.filter(id=run.id).update(state="succeeded")
        automation.clock.forward(seconds=10)
        automation.unit("failed")

    event = automation.consider()

    assert (event.has_acted, event.reason) == (False, "budget")
    assert Command.objects.filter(action="service.restart@1").count() == 3


def test_a_stale_worker_writes_nothing(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    old_fence = services.runs.claim(tenant=automation.tenant, run_id=run.id, owner="a", clock=automation.clock)
    automation.clock.forward(seconds=61)
    new_fence = services.runs.claim(tenant=automation.tenant, run_id=run.id, owner="b", clock=automation.clock)

    assert (old_fence, new_fence) == (1, 2)
    state = services.runs._advance_once(actor=automation.worker, run_id=run.id, fence=1, clock=automation.clock)

    assert state == "running"
    assert not run.steps.exists()


def test_a_result_with_a_foreign_signature_is_refused_and_changes_nothing(automation: Automation) -> None:
    automation.adopt()
    forged = automation.link(None, "done", seed=4)

    with pytest.raises(Invalid) as refused:
        services.accept_results(actor=automation.agent, device_id=automation.device.id, results=[forged], clock=automation.clock)

    assert refused.value.fields["why"] == "no_valid_signature"
    assert not CommandResult.objects.exists()


def test_the_same_result_twice_is_stored_once_and_acknowledged_again(automation: Automation) -> None:
    automation.adopt()
    link = automation.link(None, "refused", reason="unknown_action")
    sent = {"actor": automation.agent, "device_id": automation.device.id, "results": [link], "clock": automation.clock}

    assert services.accept_results(**sent) == 0
    assert services.accept_results(**sent) == 0
    assert CommandResult.objects.count() == 1


def test_a_result_for_a_command_that_nobody_issued_is_told(automation: Automation) -> None:
    automation.adopt()

    services.accept_results(
        actor=automation.agent, device_id=automation.device.id, results=[automation.link(None, "done")], clock=automation.clock
    )

    assert events(automation)[-1] == "command.unknown"


def test_a_missing_link_is_asked_for(automation: Automation) -> None:
    automation.adopt()
    automation.answer_first = automation.link(None, "refused", reason="expired")
    first, _skipped, third = automation.answer_first, automation.link(None, "done"), automation.link(None, "done")
    services.accept_results(actor=automation.agent, device_id=automation.device.id, results=[first], clock=automation.clock)

    with pytest.raises(Invalid) as refused:
        services.accept_results(actor=automation.agent, device_id=automation.device.id, results=[third], clock=automation.clock)

    assert (refused.value.code, refused.value.fields["expected"]) == ("automation.result_chain", 1)


def test_a_device_whose_chain_fell_back_is_told_of(automation: Automation) -> None:
    automation.adopt()
    services.accept_results(
        actor=automation.agent, device_id=automation.device.id, results=[automation.link(None, "done")], clock=automation.clock
    )

    row = services.mark_heartbeat(
        actor=automation.agent, device_id=automation.device.id, heartbeat={"chain": {"seq": 0, "hash": "0" * 64}}, clock=automation.clock
    )

    assert row.alarm == "state_rollback"
    assert events(automation)[-1] == "device.rolled_back"


def test_documents_prove_themselves_or_none_is_kept(automation: Automation) -> None:
    with pytest.raises(Invalid) as refused:
        services.adopt_documents(
            actor=automation.owner, envelopes=[automation.root(seed=9), automation.policy(seed=8)], clock=automation.clock
        )

    assert refused.value.fields["why"] == "threshold"
    assert not TrustDocument.objects.exists()


def test_a_policy_never_goes_back(automation: Automation) -> None:
    automation.adopt()
    automation.clock.forward(seconds=60)
    services.adopt_documents(actor=automation.owner, envelopes=[automation.policy(epoch=2)], clock=automation.clock)

    with pytest.raises(Invalid) as refused:
        services.adopt_documents(actor=automation.owner, envelopes=[automation.policy(epoch=1)], clock=automation.clock)

    assert refused.value.fields["why"] == "epoch_old"


def test_a_first_policy_with_a_listed_service_lets_the_runbook_act(automation: Automation) -> None:
    assert queries.heal_mode(automation.tenant, "service.down") is Mode.SHADOW

    automation.adopt()

    assert queries.heal_mode(automation.tenant, "service.down") is Mode.ACT


def test_an_end_user_may_not_import_documents(automation: Automation) -> None:
    actor = automation.cast.paul.actor

    with pytest.raises(Refused):
        services.adopt_documents(actor=actor, envelopes=[automation.root()], clock=automation.clock)

    assert not TrustDocument.objects.exists()


def test_a_command_waits_for_the_poll_until_its_leaf_is_signed(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    automation.advance(run.id)

    waiting = queries.deliveries(automation.tenant, automation.device.id, held_size=0, now=automation.clock.now())

    assert (waiting.commands, waiting.is_waiting) == ([], True)


def test_runs_that_lost_their_job_are_found(automation: Automation) -> None:
    automation.adopt()
    automation.unit("failed")
    run = automation.consider().run
    assert run is not None
    assert queries.stuck_runs(automation.tenant, automation.clock.now()) == [run.id]

    automation.advance(run.id)

    assert queries.stuck_runs(automation.tenant, automation.clock.now()) == []
    assert queries.stuck_runs(automation.tenant, automation.clock.now() + timedelta(seconds=61)) == [run.id]


def an_unfreeze(automation: Automation, *, seed: int = 9, tenant: UUID | None = None, **changes: Any) -> dict[str, Json]:
    now = int(automation.clock.now().timestamp())
    order = replace(Unfreeze(to_base32(tenant or automation.tenant), (), now, now + 3600, "INC-1042"), **changes)
    return dict(dsse.seal(dsse.UNFREEZE, order.encode(), [signer(seed)]).as_json())


def test_an_order_is_kept_once_and_served_until_it_expires(automation: Automation) -> None:
    automation.adopt()
    order = an_unfreeze(automation)

    for _ in range(2):
        services.adopt_documents(actor=automation.owner, envelopes=[order], clock=automation.clock)
    standing, name = (read(automation.tenant, automation.clock.now()) for read in (queries.orders, queries.orders_name))
    automation.clock.forward(seconds=3601)

    assert [(one.kind, one.envelope) for one in standing] == [("unfreeze", order)]
    assert name is not None
    assert queries.orders(automation.tenant, automation.clock.now()) == []
    assert queries.orders_name(automation.tenant, automation.clock.now()) is None
    assert acts(automation).count("automation.unfreeze.adopted") == 1


def test_an_order_that_does_not_prove_itself_is_not_kept(automation: Automation) -> None:
    with pytest.raises(Invalid) as rootless:
        services.adopt_documents(actor=automation.owner, envelopes=[an_unfreeze(automation)], clock=automation.clock)
    automation.adopt()
    refused = {}
    for name, order in {
        "a thief's key": an_unfreeze(automation, seed=1),
        "another tenant": an_unfreeze(automation, tenant=new_id()),
        "past its end": an_unfreeze(automation, issued=1, expires=3600),
    }.items():
        with pytest.raises(Invalid) as problem:
            services.adopt_documents(actor=automation.owner, envelopes=[order], clock=automation.clock)
        refused[name] = problem.value.fields["why"]

    assert rootless.value.fields["why"] == "no_root"
    assert refused == {"a thief's key": "threshold", "another tenant": "wrong_tenant", "past its end": "expired"}
    assert not TrustOrder.objects.exists()


def test_a_device_gets_the_newest_orders_in_the_order_of_their_signing(automation: Automation) -> None:
    automation.adopt()
    for number in range(10):
        automation.clock.forward(seconds=1)
        services.adopt_documents(
            actor=automation.owner, envelopes=[an_unfreeze(automation, reason=f"INC-{number}")], clock=automation.clock
        )

    served = queries.orders(automation.tenant, automation.clock.now())

    reasons = [parse_unfreeze(dsse.from_json(one.envelope).payload).reason for one in served]
    assert reasons == [f"INC-{number}" for number in range(2, 10)]
