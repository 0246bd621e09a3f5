"""Schedules: every fire has a row, starts its task in the same transaction, and starts it once."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest

from mainstay.core.jobs import queries, queue, rules, schedules
from mainstay.core.jobs.tests.conftest import queued
from mainstay.core.ledger.models import Entry
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock, FixedClock
from mainstay.kernel.errors import Invalid, Refused


@pytest.fixture
def report() -> Iterator[queue.Task]:
    @queue.task("test.report")
    def report(*, actor: Actor, clock: Clock, device_id: UUID) -> None:
        raise AssertionError("nobody runs it here")

    yield report
    del queue.TASKS["test.report"]


def save(actor: Actor, clock: FixedClock, task: queue.Task, **more: object) -> UUID:
    with tenant_transaction(actor.tenant):
        return schedules.save_schedule(
            actor=actor,
            name="nightly",
            task=task,
            rule=rules.Daily(time(2, 30)),
            zone=str(more.pop("zone", "Europe/Berlin")),
            clock=clock,
            arguments={"device_id": UUID(int=3)},
            **more,
        )


def fires(tenant: UUID, schedule_id: UUID) -> list[tuple[datetime, str]]:
    with tenant_transaction(tenant):
        return [(fire.fire_at, fire.outcome) for fire in queries.fires(tenant, schedule_id)]


def test_a_schedule_fires_at_its_local_time_and_starts_its_task(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    schedule_id = save(actor, clock, report)
    schedules.fire_due(clock)
    assert (fires(actor.tenant, schedule_id), queued()) == ([], [])
    clock.at = datetime(2026, 1, 16, 1, 30, tzinfo=UTC)

    schedules.fire_due(clock)
    schedules.fire_due(clock)

    assert fires(actor.tenant, schedule_id) == [(clock.at, "started")]
    assert [name for name, *_ in queued()] == ["test.report"]


def test_missed_fires_have_rows_too_and_the_newest_starts_within_its_grace(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    schedule_id = save(actor, clock, report, grace=timedelta(hours=4))
    clock.at = datetime(2026, 1, 17, 5, tzinfo=UTC)

    schedules.fire_due(clock)

    assert fires(actor.tenant, schedule_id) == [
        (datetime(2026, 1, 17, 1, 30, tzinfo=UTC), "started"),
        (datetime(2026, 1, 16, 1, 30, tzinfo=UTC), "coalesced"),
    ]
    assert len(queued()) == 1


def test_a_missed_fire_without_grace_is_recorded_and_starts_nothing(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    schedule_id = save(actor, clock, report)
    clock.at = datetime(2026, 1, 16, 5, tzinfo=UTC)

    schedules.fire_due(clock)

    assert [outcome for _, outcome in fires(actor.tenant, schedule_id)] == ["skipped_misfire"]
    assert queued() == []


def test_saving_a_schedule_again_replaces_it_and_both_are_evidence(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    first = save(actor, clock, report)
    second = save(actor, clock, report, zone="UTC")

    with tenant_transaction(actor.tenant):
        [schedule] = queries.schedules(actor.tenant)
        assert list(Entry.objects.values_list("act", "obj")) == [("jobs.schedule.saved", f"jobs.schedule:{first}")] * 2
    assert first == second
    assert schedule.next_fire == datetime(2026, 1, 16, 2, 30, tzinfo=UTC)


def test_an_unknown_zone_is_refused(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    with pytest.raises(Invalid) as refusal:
        save(actor, clock, report, zone="Europe/Atlantis")

    assert refusal.value.code == "jobs.zone_unknown"


def test_who_may_not_save_a_schedule_changes_nothing(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    stranger = Actor(
        kind=actor.kind, ref="p:x", tenant=actor.tenant, via=actor.via, roles=frozenset({"end_user"}), readable=(actor.tenant,)
    )

    with pytest.raises(Refused):
        save(stranger, clock, report)

    with tenant_transaction(actor.tenant):
        assert not queries.schedules(actor.tenant).exists()


def test_schedules_of_one_tenant_are_not_there_for_another(actor: Actor, clock: FixedClock, report: queue.Task) -> None:
    save(actor, clock, report)

    with tenant_transaction(new_id()):
        assert not queries.schedules(actor.tenant).exists()
