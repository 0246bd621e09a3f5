"""Acts on incidents: the row, the evidence and the event; and when refused, that nothing changed."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from mainstay.core.jobs.models import Event
from mainstay.core.ledger.models import Entry
from mainstay.core.tenancy.binding import bind
from mainstay.core.tenancy.ids import new_id
from mainstay.domains.desk import queries, services
from mainstay.domains.desk.models import Breach, Calendar, PolicyBinding, SlaClock, SlaNotice, SlaPolicyVersion, Ticket, TicketEvent
from mainstay.domains.desk.services import journal
from mainstay.kernel.errors import Conflict, Invalid, MainstayError, NotFound, Refused
from mainstay.kernel.severity import Severity


def acts(ticket):
    return list(Entry.objects.filter(tenant=ticket.tenant, obj=f"desk.incident:{ticket.id}").order_by("id").values_list("act", flat=True))


def events(ticket, name=None):
    rows = Event.objects.filter(tenant=ticket.tenant, subject_id=ticket.id).order_by("id")
    return [row.name for row in rows] if name is None else [row.payload for row in rows if row.name == name]


def happened(ticket):
    return list(TicketEvent.objects.filter(ticket=ticket).order_by("seq").values_list("type", flat=True))


def resolution_clock(ticket):
    return SlaClock.objects.get(ticket=ticket, clock="resolution", superseded_at=None)


def state_of(ticket):
    """All that a refusal must leave as it was."""
    columns = Ticket.objects.filter(id=ticket.id).values().get()
    return columns, happened(ticket), acts(ticket), events(ticket)


@contextmanager
def refused(kind: type[MainstayError], code: str, ticket: Ticket):
    before = state_of(ticket)
    with pytest.raises(kind) as problem:
        yield problem
    assert problem.value.code == code
    assert state_of(ticket) == before


# --- alerts ---------------------------------------------------------------------------------------------------------


def test_a_firing_alert_opens_an_incident_with_number_timeline_clock_and_evidence(desk):
    alert = desk.alert()

    ticket = desk.open(alert)

    assert (ticket.reference, ticket.status, ticket.priority, ticket.queue) == ("ELM-1-70", "new", 2, "first-line")
    assert (ticket.title, ticket.owner, ticket.source) == ("nginx on elm-ehr1 is down", "", "alert")
    assert (ticket.incident.rule, ticket.incident.subject, ticket.incident.device_id) == ("service.down", "nginx", alert.device_id)
    assert happened(ticket) == ["created", "alert"]
    assert acts(ticket) == ["desk.incident.opened"]
    assert events(ticket, "incident.opened") == [{"incident": str(ticket.id), "device": str(alert.device_id), "alert": str(alert.id)}]
    assert queries.alerts_of(ticket.tenant, ticket.id) == [alert.id]


def test_the_clock_of_an_alert_runs_from_the_instant_it_fired(desk):
    fired_at = desk.clock.now()
    desk.clock.forward(seconds=90)

    ticket = desk.open(desk.alert(fired_at=fired_at))

    clock = resolution_clock(ticket)
    assert clock.start_at == fired_at
    assert clock.due_at == fired_at + timedelta(hours=4)
    assert clock.consumed_us == 90_000_001  # events of one instant follow each other by a microsecond
    assert clock.next_fire_at == fired_at + timedelta(hours=2)
    assert not SlaClock.objects.filter(ticket=ticket, clock="first_response").exists()


def test_the_same_alert_twice_changes_nothing(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    before = state_of(ticket)

    assert desk.open(alert).id == ticket.id
    assert state_of(ticket) == before


def test_a_further_alert_of_the_same_cause_joins(desk):
    ticket = desk.open()
    further = desk.alert(summary="nginx on elm-ehr1 answers nobody")

    joined = desk.open(further)

    assert joined.id == ticket.id
    assert events(ticket) == ["incident.opened", "incident.joined"]
    assert queries.alerts_of(ticket.tenant, ticket.id)[1] == further.id


def test_alerts_of_one_fold_share_an_incident_whatever_their_fingerprints(desk):
    fold = new_id()

    first = desk.open(desk.alert(fold_id=fold, fingerprint="host.down/elm-ehr1"))
    second = desk.open(desk.alert(fold_id=fold, fingerprint="service.down/elm-ehr1/postgres"))

    assert first.id == second.id


def test_another_cause_has_its_own_incident_with_the_next_number(desk):
    desk.open()

    other = desk.open(desk.alert(fingerprint="filesystem.filling/elm-ehr1//var", severity=Severity.WARNING))

    assert (other.number, other.reference, other.priority) == (2, "ELM-2-67", 3)


def test_a_recovery_without_any_touch_resolves_as_recovered(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    desk.clock.forward(seconds=30)

    resolved = desk.recover(alert)

    assert (resolved.status, resolved.resolution_code, resolved.cause_code) == ("resolved", "recovered", "unknown")
    assert resolved.resolved_at == desk.clock.now() + timedelta(microseconds=1)
    assert resolution_clock(ticket).result == "met"
    assert acts(ticket) == ["desk.incident.opened", "desk.incident.recovered", "desk.incident.resolved"]
    assert events(ticket) == ["incident.opened", "incident.recovered", "incident.resolved"]


def test_a_recovery_is_only_noted_once_a_person_touched_the_incident(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    services.add_note(actor=desk.tara, incident_id=ticket.id, text="I am looking at it.", clock=desk.clock)

    after = desk.recover(alert)

    assert (after.status, after.is_touched) == ("new", True)
    assert happened(ticket)[-1] == "recovered"
    assert "incident.resolved" not in events(ticket)


def test_a_recovery_is_only_noted_while_another_alert_of_the_incident_fires(desk):
    first, second = desk.alert(), desk.alert()
    desk.open(first)
    ticket = desk.open(second)

    assert desk.recover(first).status == "new"
    assert desk.recover(second).status == "resolved"
    assert happened(ticket).count("recovered") == 2


def test_a_second_recovery_of_the_same_alert_changes_nothing(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    desk.recover(alert)
    before = state_of(ticket)

    desk.recover(alert)

    assert state_of(ticket) == before


def test_the_recovery_of_an_alert_without_an_incident_is_nobodys_business(desk):
    assert services.recover_incident(actor=desk.worker, alert_id=new_id(), clock=desk.clock) is None


def test_news_of_an_alert_that_has_recovered_meanwhile_leaves_no_open_incident(desk):
    fired_at = desk.clock.now()
    desk.clock.forward(seconds=60)
    alert = desk.alert(fired_at=fired_at, resolved_at=desk.clock.now())

    assert desk.recover(alert) is None  # heard first, although it happened last
    assert desk.open(alert).status == "resolved"


def test_a_recovery_from_before_the_alert_fired_again_changes_nothing(desk):
    alert = desk.alert()
    desk.open(alert)
    before = desk.clock.now() + timedelta(seconds=10)
    desk.clock.forward(seconds=60)
    ticket = desk.open(desk.alert(id=alert.id))

    services.recover_incident(actor=desk.worker, alert_id=alert.id, recovered_at=before, clock=desk.clock)

    assert (happened(ticket)[-1], queries.incident(ticket.tenant, ticket.id).status) == ("alert", "new")


def test_an_alert_that_comes_back_within_a_day_reopens_its_incident_with_the_time_used(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    desk.clock.forward(hours=1)
    desk.recover(alert)
    desk.clock.forward(hours=2)

    again = desk.open(desk.alert(id=alert.id))

    clock = resolution_clock(ticket)
    assert (again.id, again.status, again.resolution_code) == (ticket.id, "open", "")
    assert (clock.result, clock.flags) == ("open", ["reopened"])
    assert clock.consumed_us == 3_600_000_001
    assert events(ticket, "incident.reopened")[0]["alert"] == str(alert.id)


def test_an_alert_that_comes_back_after_a_day_opens_a_new_incident(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    desk.recover(alert)
    desk.clock.forward(hours=24, seconds=1)

    assert desk.open(desk.alert()).number == ticket.number + 1


# --- automation -----------------------------------------------------------------------------------------------------


def test_a_run_at_work_has_the_last_word_about_a_recovery(desk):
    alert, run = desk.alert(), new_id()
    ticket = desk.open(alert)
    services.record_automation(actor=desk.worker, incident_id=ticket.id, run_id=run, step="restart", text="Restarting.", clock=desk.clock)

    assert desk.recover(alert).status == "new"
    healed = services.resolve_incident(
        actor=desk.worker, incident_id=ticket.id, resolution_code="healed", cause_code="software", run_id=run, clock=desk.clock
    )

    assert (healed.status, healed.resolution_code, healed.cause_code) == ("resolved", "healed", "software")
    assert happened(ticket) == ["created", "alert", "automation", "recovered", "status"]
    assert events(ticket, "incident.resolved")[0]["resolution"] == "healed"


def test_a_run_that_lets_go_leaves_a_recovered_incident_resolved(desk):
    alert, run = desk.alert(), new_id()
    ticket = desk.open(alert)
    services.record_automation(actor=desk.worker, incident_id=ticket.id, run_id=run, step="restart", text="Restarting.", clock=desk.clock)
    desk.recover(alert)

    released = services.release_automation(actor=desk.worker, incident_id=ticket.id, run_id=run, clock=desk.clock)

    assert (released.status, released.resolution_code, released.incident.healing_run) == ("resolved", "recovered", None)


def test_only_the_run_that_holds_an_incident_can_let_it_go(desk):
    ticket, run = desk.open(), new_id()
    services.record_automation(actor=desk.worker, incident_id=ticket.id, run_id=run, step="restart", text="Restarting.", clock=desk.clock)
    before = state_of(ticket)

    services.release_automation(actor=desk.worker, incident_id=ticket.id, run_id=new_id(), clock=desk.clock)

    assert state_of(ticket) == before


def test_healed_explains_a_recovery_that_came_first(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    desk.recover(alert)

    healed = services.resolve_incident(
        actor=desk.worker, incident_id=ticket.id, resolution_code="healed", cause_code="software", clock=desk.clock
    )

    assert (healed.resolution_code, happened(ticket)[-1]) == ("healed", "resolution")
    assert [payload["resolution"] for payload in events(ticket, "incident.resolved")] == ["recovered", "healed"]


def test_an_incident_that_automation_may_not_heal_comes_before_a_person_with_its_reason(desk):
    ticket, run = desk.open(), new_id()

    handed = services.hand_to_person(
        actor=desk.worker,
        incident_id=ticket.id,
        reason="budget_used_up",
        text="nginx was restarted 3 times in the last hour.",
        run_id=run,
        clock=desk.clock,
    )

    assert (handed.status, handed.queue, handed.priority, handed.priority_reason) == ("open", "needs-a-person", 1, "budget_used_up")
    assert happened(ticket) == ["created", "alert", "handed_over", "status", "priority", "policy"]
    assert acts(ticket)[-1] == "desk.incident.handed_over"
    assert events(ticket, "incident.handed_over")[0]["reason"] == "budget_used_up"


def test_the_higher_priority_brings_its_shorter_promise_from_the_original_start(desk):
    ticket = desk.open()
    started = desk.clock.now()
    desk.clock.forward(seconds=600)

    services.hand_to_person(
        actor=desk.worker, incident_id=ticket.id, reason="not_verified", text="It fell again.", run_id=new_id(), clock=desk.clock
    )

    old, new = SlaClock.objects.filter(ticket=ticket, clock="resolution").order_by("epoch")
    assert (old.result, old.result_before, old.target_s) == ("superseded", "open", 14_400)
    assert (new.result, new.target_s, new.due_at) == ("open", 3_600, started + timedelta(hours=1))


def test_the_same_reason_of_the_same_run_is_handed_over_once(desk):
    ticket, run = desk.open(), new_id()
    what = {"incident_id": ticket.id, "reason": "refused_by_agent", "text": "policy_epoch", "run_id": run, "clock": desk.clock}
    services.hand_to_person(actor=desk.worker, **what)
    before = state_of(ticket)

    services.hand_to_person(actor=desk.worker, **what)

    assert state_of(ticket) == before


def test_a_second_reason_is_noted_but_raises_the_priority_only_once(desk):
    ticket = desk.open(desk.alert(severity=Severity.INFO))
    for reason in ("agent_offline", "not_verified"):
        handed = services.hand_to_person(
            actor=desk.worker, incident_id=ticket.id, reason=reason, text="...", run_id=new_id(), clock=desk.clock
        )

    assert handed.priority == 3
    assert len(events(ticket, "incident.handed_over")) == 2


def test_what_no_runbook_covers_keeps_its_priority(desk):
    ticket = desk.open()

    handed = services.hand_to_person(actor=desk.worker, incident_id=ticket.id, reason="no_runbook", text="...", clock=desk.clock)

    assert (handed.queue, handed.priority) == ("needs-a-person", 2)


def test_handing_over_reopens_what_had_been_resolved(desk):
    alert = desk.alert()
    ticket = desk.open(alert)
    desk.recover(alert)

    handed = services.hand_to_person(actor=desk.worker, incident_id=ticket.id, reason="not_verified", text="...", clock=desk.clock)

    assert (handed.status, handed.resolved_at, handed.resolution_code) == ("open", None, "")


def test_a_reason_that_is_no_code_is_refused(desk):
    ticket = desk.open()

    with refused(Invalid, "desk.reason_bad", ticket):
        services.hand_to_person(actor=desk.worker, incident_id=ticket.id, reason="Because!", text="...", clock=desk.clock)


# --- people ---------------------------------------------------------------------------------------------------------


def test_taking_an_incident_opens_it_and_names_the_owner(desk):
    ticket = services.take_incident(actor=desk.tara, incident_id=desk.open().id, clock=desk.clock)

    assert (ticket.owner, ticket.status, ticket.is_touched) == (desk.tara.ref, "open", True)
    assert acts(ticket)[-1] == "desk.incident.assigned"
    assert events(ticket, "incident.assigned")[0]["owner"] == desk.tara.ref


def test_assigning_to_the_present_owner_changes_nothing(desk):
    ticket = services.take_incident(actor=desk.tara, incident_id=desk.open().id, clock=desk.clock)
    before = state_of(ticket)

    services.assign_incident(actor=desk.tara, incident_id=ticket.id, owner=desk.tara.ref, clock=desk.clock)

    assert state_of(ticket) == before


def test_back_to_the_queue_means_nobody_owns_it(desk):
    ticket = services.take_incident(actor=desk.tara, incident_id=desk.open().id, clock=desk.clock)

    assert services.assign_incident(actor=desk.tara, incident_id=ticket.id, owner=None, clock=desk.clock).owner == ""


def test_resolving_needs_known_codes(desk):
    ticket = desk.open()

    with refused(Invalid, "desk.resolution_unknown", ticket):
        services.resolve_incident(actor=desk.tara, incident_id=ticket.id, resolution_code="done", clock=desk.clock)
    with refused(Invalid, "desk.cause_unknown", ticket):
        services.resolve_incident(actor=desk.tara, incident_id=ticket.id, resolution_code="fixed", cause_code="gremlins", clock=desk.clock)


def test_a_person_resolves_with_a_cause(desk):
    ticket = services.resolve_incident(
        actor=desk.tara, incident_id=desk.open().id, resolution_code="fixed", cause_code="configuration", note="Typo.", clock=desk.clock
    )

    assert (ticket.status, ticket.resolution_code, ticket.cause_code) == ("resolved", "fixed", "configuration")
    with refused(Conflict, "desk.transition", ticket):
        services.resolve_incident(actor=desk.tara, incident_id=ticket.id, resolution_code="fixed", clock=desk.clock)


def test_reopening_a_closed_incident_needs_a_reason(desk):
    ticket = services.resolve_incident(actor=desk.tara, incident_id=desk.open().id, resolution_code="fixed", clock=desk.clock)
    services.change_status(actor=desk.tara, incident_id=ticket.id, to="closed", clock=desk.clock)

    with refused(Invalid, "desk.transition", ticket):
        services.reopen_incident(actor=desk.tara, incident_id=ticket.id, reason=" ", clock=desk.clock)
    again = services.reopen_incident(actor=desk.tara, incident_id=ticket.id, reason="It is down again.", clock=desk.clock)
    assert (again.status, again.closed_at) == ("open", None)


def test_waiting_for_the_client_pauses_the_promise(desk):
    ticket = desk.open()
    desk.clock.forward(hours=1)

    services.change_status(actor=desk.tara, incident_id=ticket.id, to="waiting", waiting_for="customer", clock=desk.clock)
    desk.clock.forward(hours=2)
    waiting = services.add_note(actor=desk.tara, incident_id=ticket.id, text="Still silent.", clock=desk.clock)

    clock = resolution_clock(ticket)
    assert (waiting.status, waiting.waiting_for, waiting.next_due_at) == ("waiting", "customer", None)
    assert (clock.state, clock.due_at, clock.consumed_us, clock.paused_us) == ("paused", None, 3_600_000_000, 7_200_000_000)


def test_scheduled_work_without_a_time_is_refused(desk):
    ticket = desk.open()

    with refused(Invalid, "desk.transition", ticket) as problem:
        services.change_status(actor=desk.tara, incident_id=ticket.id, to="waiting", waiting_for="scheduled", clock=desk.clock)
    assert problem.value.fields["reason"] == "resume_time_missing"


def test_a_note_without_words_is_refused(desk):
    ticket = desk.open()

    with refused(Invalid, "desk.note_bad", ticket):
        services.add_note(actor=desk.tara, incident_id=ticket.id, text=" \x00 ", clock=desk.clock)


def test_an_override_of_the_priority_says_why(desk):
    ticket = desk.open()

    with refused(Invalid, "desk.reason_missing", ticket):
        services.change_priority(actor=desk.tara, incident_id=ticket.id, priority=1, reason="", clock=desk.clock)
    changed = services.change_priority(actor=desk.tara, incident_id=ticket.id, priority=4, reason="Test system", clock=desk.clock)
    assert (changed.priority, changed.priority_reason) == (4, "Test system")


def test_an_end_user_may_not_assign(desk, cast):
    bind(cast.harbor.id)
    ticket = services.open_incident(actor=desk.worker.within(cast.harbor.id), alert=desk.alert(), clock=desk.clock)

    with refused(Refused, "access.action_refused", ticket):
        services.assign_incident(actor=cast.paul.actor, incident_id=ticket.id, owner=cast.paul.actor.ref, clock=desk.clock)


def test_the_incident_of_another_provider_does_not_exist_for_iris(desk, cast):
    ticket = desk.open()
    iris = cast.iris.actor

    bind(cast.southgate.id)
    with pytest.raises(NotFound):
        services.resolve_incident(actor=iris, incident_id=ticket.id, resolution_code="fixed", clock=desk.clock)
    with pytest.raises(NotFound):
        queries.incident_page(iris, ticket.id, desk.clock.now())

    bind(cast.elm.id)
    assert Ticket.objects.get(id=ticket.id).status == "new"


def test_numbers_of_two_tenants_do_not_know_each_other(desk, cast):
    desk.open()

    bind(cast.harbor.id)
    other = services.open_incident(actor=desk.worker.within(cast.harbor.id), alert=desk.alert(), clock=desk.clock)

    assert (other.number, other.reference) == (1, "HAR-1-03")


# --- clocks ---------------------------------------------------------------------------------------------------------


def notices(ticket):
    return list(SlaNotice.objects.filter(ticket=ticket).order_by("passed_at", "threshold").values_list("threshold", "is_told"))


def test_each_threshold_is_told_once_at_its_instant(desk):
    ticket = desk.open()
    desk.clock.forward(hours=2)

    assert desk.sweep() == 1
    assert notices(ticket) == [("team:50%", True)]
    assert desk.sweep() == 0
    assert resolution_clock(ticket).next_fire_at == ticket.started_at + timedelta(hours=2, minutes=48)
    assert events(ticket, "clock.threshold")[0]["threshold"] == "team:50%"


def test_nothing_fires_before_its_time(desk):
    ticket = desk.open()
    desk.clock.forward(hours=2, seconds=-1)

    assert desk.sweep() == 0
    assert notices(ticket) == []


def test_after_a_standstill_all_are_kept_and_only_the_highest_of_each_audience_is_told(desk):
    ticket = desk.open()
    desk.clock.forward(hours=4)

    desk.sweep()

    assert notices(ticket) == [
        ("team:50%", False),
        ("manager:70%", False),
        ("team:75%", False),
        ("manager:90%", True),
        ("team:90%", False),
        ("team:100%", True),
    ]


def test_a_broken_promise_is_recorded_once_with_evidence_and_event(desk):
    ticket = desk.open()
    due = resolution_clock(ticket).due_at
    desk.clock.forward(hours=4)

    desk.sweep()
    services.add_note(actor=desk.tara, incident_id=ticket.id, text="Late, sorry.", clock=desk.clock)
    desk.sweep()

    breach = Breach.objects.get(ticket=ticket)
    assert (breach.clock, breach.due_at, breach.breached_at, breach.review) == ("resolution", due, due, "open")
    assert len(events(ticket, "clock.breached")) == 1
    assert Entry.objects.filter(tenant=ticket.tenant, act="desk.clock.breached").count() == 1
    assert Ticket.objects.get(id=ticket.id).is_breached


def test_a_breach_survives_a_later_and_longer_promise(desk):
    ticket = desk.open()
    desk.clock.forward(hours=4)
    desk.sweep()

    services.change_priority(actor=desk.tara, incident_id=ticket.id, priority=5, reason="It can wait.", clock=desk.clock)

    assert (resolution_clock(ticket).result, resolution_clock(ticket).flags) == ("breached", ["carried_over"])
    assert Breach.objects.filter(ticket=ticket).count() == 1


def test_a_pause_before_the_threshold_keeps_it_from_firing(desk):
    ticket = desk.open()
    desk.clock.forward(hours=1)
    services.change_status(actor=desk.tara, incident_id=ticket.id, to="waiting", waiting_for="customer", clock=desk.clock)
    desk.clock.forward(hours=3)

    assert desk.sweep() == 0
    assert resolution_clock(ticket).next_fire_at is None
    assert notices(ticket) == []


def test_what_passed_before_the_end_is_kept_untold_when_the_worker_stood_still(desk):
    ticket = desk.open()
    desk.clock.forward(hours=3)

    services.resolve_incident(actor=desk.tara, incident_id=ticket.id, resolution_code="fixed", clock=desk.clock)

    assert notices(ticket) == [("team:50%", False), ("manager:70%", False)]
    assert events(ticket, "clock.threshold") == []


def busy_history(desk):
    alert, run = desk.alert(), new_id()
    ticket = desk.open(alert)
    services.record_automation(actor=desk.worker, incident_id=ticket.id, run_id=run, step="restart", text="...", clock=desk.clock)
    desk.clock.forward(hours=1)
    services.hand_to_person(actor=desk.worker, incident_id=ticket.id, reason="not_verified", text="...", run_id=run, clock=desk.clock)
    desk.sweep()
    services.take_incident(actor=desk.tara, incident_id=ticket.id, clock=desk.clock)
    services.add_note(actor=desk.tara, incident_id=ticket.id, text="We are at it.", visibility="public", clock=desk.clock)
    services.change_status(actor=desk.tara, incident_id=ticket.id, to="waiting", waiting_for="vendor", clock=desk.clock)
    desk.clock.forward(hours=5)
    services.change_status(actor=desk.tara, incident_id=ticket.id, to="open", clock=desk.clock)
    services.resolve_incident(actor=desk.tara, incident_id=ticket.id, resolution_code="workaround", cause_code="vendor", clock=desk.clock)
    desk.clock.forward(hours=20)
    return services.reopen_incident(actor=desk.tara, incident_id=ticket.id, reason="It came back.", clock=desk.clock)


def test_replaying_the_events_gives_the_stored_state(desk):
    ticket = busy_history(desk)

    facts = journal.facts_of(queries.event_rows(ticket))

    stored = Ticket.objects.get(id=ticket.id)
    assert {column: getattr(stored, column) for column in journal.FACT_COLUMNS} == {
        column: getattr(facts, column) for column in journal.FACT_COLUMNS
    }


def test_the_repair_finds_nothing_to_repair(desk):
    busy_history(desk)

    report = services.rebuild_clocks(actor=desk.worker, clock=desk.clock, check=True)

    assert (report.tickets, report.differences) == (1, ())


def test_the_repair_brings_back_every_cached_value(desk):
    ticket = busy_history(desk)
    good = list(SlaClock.objects.filter(ticket=ticket).order_by("clock", "cycle", "epoch").values())
    SlaClock.objects.filter(ticket=ticket, clock="resolution", epoch=2).update(consumed_us=1, due_at=None, result="met")
    SlaClock.objects.filter(ticket=ticket, epoch=1, clock="resolution").delete()
    Ticket.objects.filter(id=ticket.id).update(status="closed", owner="p:nobody")

    checked = services.rebuild_clocks(actor=desk.worker, clock=desk.clock, check=True)
    assert len(checked.differences) == 6
    assert Ticket.objects.get(id=ticket.id).status == "closed"

    services.rebuild_clocks(actor=desk.worker, clock=desk.clock)
    again = list(SlaClock.objects.filter(ticket=ticket).order_by("clock", "cycle", "epoch").values())
    assert [{**row, "id": None} for row in again] == [{**row, "id": None} for row in good]
    assert services.rebuild_clocks(actor=desk.worker, clock=desk.clock, check=True).differences == ()


def test_two_bindings_of_one_level_never_hold_at_once(desk):
    desk.open()
    binding = PolicyBinding.objects.get()

    with pytest.raises(IntegrityError, match="desk_binding_one_at_a_time"), transaction.atomic():
        PolicyBinding.objects.create(
            tenant=binding.tenant,
            level=binding.level,
            policy_version=binding.policy_version,
            calendar=binding.calendar,
            valid_from=desk.clock.now(),
        )
    assert PolicyBinding.objects.count() == 1


def test_without_a_binding_no_clock_runs_and_the_ticket_says_so(desk):
    desk.open()
    PolicyBinding.objects.update(valid_to=desk.clock.now())
    PolicyBinding.objects.create(
        tenant=desk.worker.tenant,
        level=5,
        policy_version=SlaPolicyVersion.objects.get(),
        calendar=Calendar.objects.get(),
        valid_from=desk.clock.now() + timedelta(days=1),
    )

    ticket = desk.open(desk.alert(fingerprint="another.cause"))

    assert (ticket.binding, ticket.binding_reason) == (None, {"reason": "no_policy"})
    assert not SlaClock.objects.filter(ticket=ticket).exists()
    assert queries.incident_page(desk.tara, ticket.id, desk.clock.now()).binding == "No policy is bound, so no clock runs."


def test_events_are_written_once(desk):
    ticket = desk.open()

    with pytest.raises(DatabaseError, match=r"written once|permission denied"):
        TicketEvent.objects.filter(ticket=ticket).update(actor="p:nobody")


# --- reading --------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_timeline_newest_first_and_the_clock(desk):
    ticket = services.take_incident(actor=desk.tara, incident_id=desk.open().id, clock=desk.clock)

    page = queries.incident_page(desk.tara, ticket.id, desk.clock.now() + timedelta(hours=1))

    assert [entry.title for entry in page.timeline] == ["Assigned to Tara", "An alert fired", "Opened with priority 2"]
    assert page.owner == "Tara"
    (clock,) = page.clocks
    assert (clock.word, clock.target_s, clock.consumed_s, clock.left_s, clock.used_pct) == ("Running", 14_400, 3_600, 10_800, 25)


def test_the_explanation_of_a_clock_adds_up_to_the_microsecond(desk):
    ticket = busy_history(desk)

    explanations = queries.sla_explanation(desk.tara, ticket.id, desk.clock.now() + timedelta(hours=30))

    assert {one.panel.clock for one in explanations} == {"resolution"}
    for one in explanations:
        lengths = {"running": 0, "paused": 0}
        for segment in one.segments:
            lengths[segment.kind] = lengths.get(segment.kind, 0) + segment.exact_us
        assert (lengths["running"], lengths["paused"]) == (one.running_us, one.waiting_us)
        assert one.running_us // 1_000_000 == one.panel.consumed_s
        assert sum(lengths.values()) == (one.segments[-1].end_at - one.segments[0].start_at) // timedelta(microseconds=1)
