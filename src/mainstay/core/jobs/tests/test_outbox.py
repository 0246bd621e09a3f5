"""Events: written with the change, delivered once to each consumer, given up visibly."""

import json
import threading
from uuid import UUID

import pytest
from django.db import connections

from mainstay.core.jobs import outbox, queries, services
from mainstay.core.jobs.models import Delivery, Event
from mainstay.core.jobs.sweep import sweep
from mainstay.core.jobs.tests.conftest import queued
from mainstay.core.ledger import services as ledger
from mainstay.core.ledger.models import Entry
from mainstay.core.tenancy.binding import bound_tenant, tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock, FixedClock
from mainstay.kernel.errors import Conflict, Invalid, Refused, Unavailable

SUBJECT = UUID(int=7)


class Consumer:
    """A consumer that writes evidence of its work, and fails as often as it is told to."""

    def __init__(self, name: str, *failures: Exception) -> None:
        self.__qualname__ = name
        self.__module__ = "flows"
        self.failures = list(failures)
        self.bound: list[UUID | None] = []

    def __call__(self, event: outbox.Event, actor: Actor, clock: Clock) -> None:
        ledger.record(actor, f"flows.{self.__qualname__}.done", event.subject_id, clock=clock)
        self.bound.append(bound_tenant())
        if self.failures:
            raise self.failures.pop(0)


def published(actor: Actor, clock: FixedClock, name: str = "alert.fired") -> UUID:
    with tenant_transaction(actor.tenant):
        return outbox.publish(actor, name, SUBJECT, {"device_id": "d1"}, clock=clock)


def deliver(actor: Actor, clock: FixedClock, event_id: UUID) -> None:
    outbox.deliver_event(actor=actor, clock=clock, event_id=event_id)


def acts(tenant: UUID) -> list[str]:
    with tenant_transaction(tenant):
        return list(Entry.objects.order_by("id").values_list("act", flat=True))


def deliveries(tenant: UUID) -> list[tuple[str, str, int, str]]:
    with tenant_transaction(tenant):
        return list(Delivery.objects.order_by("consumer").values_list("consumer", "state", "attempts", "code"))


def is_closed(tenant: UUID) -> bool:
    with tenant_transaction(tenant):
        return Event.objects.get().delivered_at is not None


def test_an_event_and_its_delivery_are_written_with_the_change(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("open_incident")]})

    event_id = published(actor, clock)

    with tenant_transaction(actor.tenant):
        event = Event.objects.get()
    assert (event.id, event.name, event.subject_id, event.payload, event.actor_ref) == (
        event_id,
        "alert.fired",
        SUBJECT,
        {"device_id": "d1"},
        "s:worker",
    )
    [(name, arguments, status, _)] = queued()
    assert (name, status) == ("jobs.deliver_event", "todo")
    assert json.loads(arguments) == {"tenant": str(actor.tenant), "event_id": str(event_id)}


def fail_after_publishing(actor: Actor, clock: FixedClock) -> None:
    with tenant_transaction(actor.tenant):
        outbox.publish(actor, "alert.fired", SUBJECT, {}, clock=clock)
        raise RuntimeError("the change failed")


def test_a_rolled_back_change_leaves_neither_event_nor_job(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("open_incident")]})

    with pytest.raises(RuntimeError):
        fail_after_publishing(actor, clock)

    with tenant_transaction(actor.tenant):
        assert not Event.objects.exists()
    assert queued() == []


def test_an_event_that_nobody_consumes_is_kept_and_closed_at_once(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({})

    published(actor, clock)

    assert is_closed(actor.tenant)
    assert queued() == []


def test_each_consumer_works_once_in_the_tenant_of_the_event(actor: Actor, clock: FixedClock) -> None:
    one, two = Consumer("one"), Consumer("two")
    outbox.configure_consumers({"alert.fired": [one, two]})
    event_id = published(actor, clock)

    deliver(actor, clock, event_id)
    deliver(actor, clock, event_id)

    assert acts(actor.tenant) == ["flows.one.done", "flows.two.done"]
    assert one.bound == [actor.tenant]
    assert deliveries(actor.tenant) == [("flows.one", "done", 1, ""), ("flows.two", "done", 1, "")]
    assert is_closed(actor.tenant)


def test_deliveries_at_the_same_moment_still_take_effect_once(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one")]})
    event_id = published(actor, clock)
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(timeout=10)
        deliver(actor, clock, event_id)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert acts(actor.tenant) == ["flows.one.done"]


def test_a_consumer_that_fails_leaves_nothing_of_its_work_and_does_not_stop_the_others(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one", Unavailable("x.down")), Consumer("two")]})
    event_id = published(actor, clock)

    deliver(actor, clock, event_id)

    assert acts(actor.tenant) == ["flows.two.done"]
    assert deliveries(actor.tenant) == [("flows.one", "retrying", 1, "x.down"), ("flows.two", "done", 1, "")]
    assert not is_closed(actor.tenant)
    assert len(queued()) == 2


def test_a_failed_delivery_is_tried_again_when_its_wait_is_over_and_not_before(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one", Unavailable("x.down"), Unavailable("x.down"))]})
    event_id = published(actor, clock)
    deliver(actor, clock, event_id)

    deliver(actor, clock, event_id)
    assert deliveries(actor.tenant) == [("flows.one", "retrying", 1, "x.down")]
    clock.forward(seconds=1)
    deliver(actor, clock, event_id)
    assert deliveries(actor.tenant) == [("flows.one", "retrying", 2, "x.down")]
    clock.forward(seconds=5)
    deliver(actor, clock, event_id)

    assert deliveries(actor.tenant) == [("flows.one", "done", 3, "")]
    assert acts(actor.tenant) == ["flows.one.done"]
    assert is_closed(actor.tenant)


@pytest.mark.parametrize("error", [Refused("x.no"), Invalid("x.bad"), Unavailable("x.gone", retryable=False)])
def test_what_cannot_get_better_becomes_a_dead_letter_with_its_reason(actor: Actor, clock: FixedClock, error) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one", error)]})
    event_id = published(actor, clock)

    deliver(actor, clock, event_id)

    with tenant_transaction(actor.tenant):
        [letter] = queries.dead_letters(actor.tenant)
    assert (letter.consumer, letter.code, letter.event_id) == ("flows.one", error.code, event_id)
    assert acts(actor.tenant) == ["jobs.delivery.abandoned"]
    assert is_closed(actor.tenant)


def test_a_conflict_is_tried_once_more(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one", Conflict("x.moved"), Conflict("x.moved"))]})
    event_id = published(actor, clock)

    deliver(actor, clock, event_id)
    clock.forward(seconds=1)
    deliver(actor, clock, event_id)

    assert deliveries(actor.tenant) == [("flows.one", "dead", 2, "x.moved")]


def test_a_defect_is_named_by_its_class(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one", KeyError("device"))]})

    deliver(actor, clock, published(actor, clock))

    assert deliveries(actor.tenant) == [("flows.one", "retrying", 1, "defect.KeyError")]


def test_a_dead_letter_can_be_delivered_again_by_a_person_who_may(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one", Refused("x.no"))]})
    event_id = published(actor, clock)
    deliver(actor, clock, event_id)
    with tenant_transaction(actor.tenant):
        [letter] = queries.dead_letters(actor.tenant)
        person = Actor(
            kind=actor.kind, ref="p:tara", tenant=actor.tenant, via=actor.via, roles=frozenset({"admin"}), readable=(actor.tenant,)
        )

    with tenant_transaction(actor.tenant):
        services.redeliver(actor=person, delivery_id=letter.id, clock=clock)
    deliver(actor, clock, event_id)

    assert deliveries(actor.tenant) == [("flows.one", "done", 1, "")]
    assert acts(actor.tenant) == ["jobs.delivery.abandoned", "jobs.delivery.redelivered", "flows.one.done"]


def test_a_delivery_that_is_not_dead_cannot_be_repeated(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one")]})
    deliver(actor, clock, published(actor, clock))
    person = Actor(kind=actor.kind, ref="p:tara", tenant=actor.tenant, via=actor.via, roles=frozenset({"admin"}), readable=(actor.tenant,))
    with tenant_transaction(actor.tenant):
        delivery_id = Delivery.objects.get().id

    with pytest.raises(Conflict), tenant_transaction(actor.tenant):
        services.redeliver(actor=person, delivery_id=delivery_id, clock=clock)

    assert deliveries(actor.tenant) == [("flows.one", "done", 1, "")]


def test_an_event_whose_job_was_lost_is_found_by_the_sweep(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one")]})
    published(actor, clock)
    clear_queue()

    sweep(clock)
    assert queued() == []
    clock.forward(seconds=61)
    sweep(clock)

    assert [name for name, *_ in queued()] == ["jobs.deliver_event"]


def clear_queue() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def test_events_of_one_tenant_are_not_there_for_another(actor: Actor, clock: FixedClock) -> None:
    outbox.configure_consumers({"alert.fired": [Consumer("one")]})
    event_id = published(actor, clock)
    stranger = actor.within(new_id())

    deliver(stranger, clock, event_id)

    assert deliveries(actor.tenant) == []
    assert acts(actor.tenant) == []
