"""The outbox: events that one domain has written and another has yet to act on.

Owns: event rows, their delivery to each consumer, the dead letters.
Does not own: what an event means, or retries of the work that it causes.
Invariant: an event exists exactly when the change it reports was committed; a consumer's work and the mark that it is
done are one transaction, so each (event, consumer) takes effect once however often the job runs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from django.db import connection

from mainstay.core.jobs import live, models, rules
from mainstay.core.jobs.queue import task
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.core.tenancy.ids import new_id
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import MainstayError
from mainstay.kernel.json import Json


@dataclass(frozen=True)
class Event:
    """An event as a consumer sees it."""

    id: UUID
    tenant: UUID
    name: str
    subject_id: UUID
    payload: Mapping[str, Json]
    at: datetime
    actor_ref: str


Consumer: TypeAlias = Callable[[Event, Actor, Clock], None]

_consumers: dict[str, dict[str, Consumer]] = {}


def configure_consumers(consumers: Mapping[str, Iterable[Consumer]]) -> None:
    """Say which functions consume which event; done once, by the wiring. The last call counts."""
    _consumers.clear()
    _consumers.update({name: {consumer_id(one): one for one in listed} for name, listed in consumers.items()})


def consumer_id(consumer: Consumer) -> str:
    """The name under which deliveries to a consumer are kept."""
    return f"{consumer.__module__}.{consumer.__qualname__}"


def publish(actor: Actor, name: str, subject_id: UUID, payload: Mapping[str, Json], *, clock: Clock) -> UUID:
    """Write an event of `actor.tenant` and ask for its delivery, in the running transaction. The payload holds ids only."""
    event = models.Event.objects.create(
        id=new_id(),
        tenant=actor.tenant,
        name=name,
        subject_id=subject_id,
        payload=dict(payload),
        at=clock.now(),
        actor_ref=actor.ref,
        delivered_at=None if _consumers.get(name) else clock.now(),
    )
    # Open pages that show the noun, or this very record, look again.
    live.changed(actor.tenant, name.partition(".")[0], subject_id)
    if event.delivered_at is None:
        deliver_event.defer(actor.tenant, event_id=event.id)
    return event.id


@task("jobs.deliver_event", queue="events", transaction=False)
def deliver_event(*, actor: Actor, clock: Clock, event_id: UUID) -> None:
    """Hand an event to each consumer that has not finished with it and whose next try is due."""
    with tenant_transaction(actor.tenant):
        row = models.Event.objects.filter(tenant=actor.tenant, id=event_id).first()
    if row is None or row.delivered_at is not None:
        return
    event = Event(row.id, row.tenant, row.name, row.subject_id, row.payload, row.at, row.actor_ref)
    for identity, consumer in _consumers.get(event.name, {}).items():
        _deliver(event, identity, consumer, clock)
    _close(event, clock)


def _deliver(event: Event, identity: str, consumer: Consumer, clock: Clock) -> None:
    actor = actors.system("worker", event.tenant)
    try:
        with tenant_transaction(event.tenant):
            if _claim(event, identity, clock.now()):
                consumer(event, actor, clock)
    except Exception as error:  # the boundary of a consumer: whatever it raises becomes a visible state of the delivery
        with tenant_transaction(event.tenant):
            _note_failure(event, identity, error, actor, clock)


# The unique row is the claim: a second delivery waits here until the first has committed and then finds it done, or
# finds it gone because the first was rolled back, and proceeds.
_CLAIM = """
INSERT INTO jobs_delivery (id, tenant, event_id, consumer, state, attempts, code, reason, at)
VALUES (%(id)s, %(tenant)s, %(event)s, %(consumer)s, 'done', 1, '', '', %(now)s)
ON CONFLICT (tenant, event_id, consumer) DO UPDATE
SET state = 'done', attempts = jobs_delivery.attempts + 1, code = '', reason = '', at = %(now)s, next_at = NULL
WHERE jobs_delivery.state = 'retrying' AND jobs_delivery.next_at <= %(now)s
RETURNING id
"""


def _claim(event: Event, identity: str, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"id": new_id(), "tenant": event.tenant, "event": event.id, "consumer": identity, "now": now})
        return cursor.fetchone() is not None


def _note_failure(event: Event, identity: str, error: Exception, actor: Actor, clock: Clock) -> None:
    now = clock.now()
    delivery, _ = models.Delivery.objects.select_for_update().get_or_create(
        tenant=event.tenant,
        event_id=event.id,
        consumer=identity,
        defaults={"state": models.Delivery.State.RETRYING, "at": now, "next_at": now},
    )
    if delivery.state != models.Delivery.State.RETRYING:
        return  # another delivery of the same event got through, or gave up, meanwhile
    delivery.attempts += 1
    delivery.at = now
    delivery.code = error.code if isinstance(error, MainstayError) else f"defect.{type(error).__name__}"
    delivery.reason = str(error)[:500]
    verdict = rules.after_failure(error, delivery.attempts)
    delivery.next_at = now + timedelta(seconds=verdict.fields.seconds) if verdict.fields else None
    delivery.state = models.Delivery.State.RETRYING if verdict.is_yes else models.Delivery.State.DEAD
    delivery.save()
    if delivery.next_at is not None:
        deliver_event.defer(event.tenant, at=delivery.next_at, event_id=event.id)
        return
    body: dict[str, Json] = {
        "event": event.name,
        "event_id": str(event.id),
        "consumer": identity,
        "code": delivery.code,
        "attempts": delivery.attempts,
    }
    ledger.record(actor, "jobs.delivery.abandoned", delivery.id, clock=clock, out="failed", body=body)


def _close(event: Event, clock: Clock) -> None:
    """Mark the event as delivered once no consumer is still to be tried."""
    wanted = set(_consumers.get(event.name, {}))
    with tenant_transaction(event.tenant):
        settled = models.Delivery.objects.filter(tenant=event.tenant, event_id=event.id).exclude(state=models.Delivery.State.RETRYING)
        if wanted <= set(settled.values_list("consumer", flat=True)):
            models.Event.objects.filter(tenant=event.tenant, id=event.id).update(delivered_at=clock.now())
