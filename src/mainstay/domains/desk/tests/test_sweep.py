"""Several workers at once, and workers that die: nothing twice, nothing lost."""

from datetime import timedelta

import psycopg
import pytest
from django.db import transaction
from tests.support.cast import make_cast

from mainstay.core.jobs.models import Event
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.desk import services, tasks
from mainstay.domains.desk.models import SlaClock, SlaNotice
from mainstay.domains.desk.tests.conftest import FiredAlert, now_of
from mainstay.kernel import actors


@pytest.fixture
def fired(transactional_db, clock):
    cast = make_cast(clock)
    with tenant_transaction(cast.elm.id):
        alert = FiredAlert(fired_at=clock.now())
        return services.open_incident(actor=actors.system("worker", cast.elm.id), alert=alert, clock=clock)


def told(ticket):
    with tenant_transaction(ticket.tenant):
        rows = Event.objects.filter(tenant=ticket.tenant, name="clock.threshold")
        return [row.payload["threshold"] for row in rows.order_by("id")], SlaNotice.objects.filter(ticket=ticket).count()


def test_a_ticket_that_another_worker_holds_is_left_to_it(fired, clock, postgres_server):
    clock.forward(hours=2)

    with psycopg.connect(postgres_server.url()) as other:
        other.execute("SELECT set_config('app.tenant', %s, true)", [str(fired.tenant)])
        other.execute("SELECT 1 FROM desk_ticket WHERE id = %s FOR UPDATE", [fired.id])
        tasks.sweep(clock)
        assert told(fired) == ([], 0)
        other.rollback()

    tasks.sweep(clock)
    assert told(fired) == (["team:50%"], 1)


def test_a_worker_that_dies_after_firing_has_fired_nothing(fired, clock):
    clock.forward(hours=2)
    worker = actors.system("worker", fired.tenant)

    def die_before_the_commit():
        with tenant_transaction(fired.tenant):
            services.fire_due_clocks(actor=worker, clock=clock)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die_before_the_commit()

    assert told(fired) == ([], 0)
    tasks.sweep(clock)
    tasks.sweep(clock)
    assert told(fired) == (["team:50%"], 1)


def test_a_reply_that_came_first_wins_over_the_threshold(fired, clock):
    clock.forward(hours=2, seconds=-1)
    worker = actors.system("worker", fired.tenant)
    with tenant_transaction(fired.tenant):
        services.resolve_incident(actor=worker, incident_id=fired.id, resolution_code="fixed", clock=clock)
    clock.forward(hours=1)

    tasks.sweep(clock)

    assert told(fired) == ([], 0)


def status_of(ticket):
    return now_of(ticket).status


def test_scheduled_work_goes_on_at_its_time(fired, clock):
    resume_at = clock.now() + timedelta(hours=5)
    with tenant_transaction(fired.tenant):
        services.change_status(
            actor=actors.system("worker", fired.tenant),
            incident_id=fired.id,
            to="waiting",
            waiting_for="scheduled",
            resume_at=resume_at,
            clock=clock,
        )

    clock.forward(hours=5, seconds=-1)
    tasks.sweep(clock)
    assert status_of(fired) == "waiting"
    clock.forward(seconds=1)
    tasks.sweep(clock)
    assert status_of(fired) == "open"


def test_what_is_resolved_closes_after_seven_days_and_stays_closed(fired, clock):
    with tenant_transaction(fired.tenant):
        services.resolve_incident(actor=actors.system("worker", fired.tenant), incident_id=fired.id, resolution_code="fixed", clock=clock)

    clock.forward(days=7)
    tasks.sweep(clock)
    assert status_of(fired) == "resolved"  # it was resolved a microsecond after it opened
    clock.forward(seconds=1)
    tasks.sweep(clock)
    closed = now_of(fired)
    tasks.sweep(clock)

    assert (closed.status, closed.resolution_code, closed.wakes_at) == ("closed", "fixed", None)
    assert now_of(fired).version == closed.version


def test_the_sweep_finds_due_clocks_without_a_tenant_of_its_own(fired, clock):
    with tenant_transaction(fired.tenant):
        due = SlaClock.objects.get(ticket=fired).next_fire_at
    assert due == clock.now() + timedelta(hours=2)

    with transaction.atomic():
        assert not SlaClock.objects.exists()  # without a tenant the table is empty

    clock.forward(hours=2)
    tasks.sweep(clock)
    assert told(fired)[1] == 1
