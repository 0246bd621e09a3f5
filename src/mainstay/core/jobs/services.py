"""What a person does about background work.

Owns: trying a dead letter again. Does not own: automatic retries (`outbox`).
"""

from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.core.jobs.models import Delivery, Event
from mainstay.core.jobs.outbox import deliver_event
from mainstay.core.ledger import services as ledger
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Conflict, NotFound


@transaction.atomic
def redeliver(*, actor: Actor, delivery_id: UUID, clock: Clock) -> None:
    """Try a dead letter again, with its tries counted anew. Errors: NotFound, Conflict("jobs.delivery_not_dead")."""
    require(actor, "jobs.delivery.redeliver")
    delivery = Delivery.objects.select_for_update().filter(tenant=actor.tenant, id=delivery_id).first()
    if delivery is None:
        raise NotFound("jobs.delivery_unknown", "There is no such delivery.")
    if delivery.state != Delivery.State.DEAD:
        raise Conflict("jobs.delivery_not_dead", "Only a delivery that was given up can be repeated.")
    delivery.state, delivery.attempts, delivery.next_at = Delivery.State.RETRYING, 0, clock.now()
    delivery.save(update_fields=["state", "attempts", "next_at"])
    Event.objects.filter(tenant=actor.tenant, id=delivery.event_id).update(delivered_at=None)
    deliver_event.defer(actor.tenant, event_id=delivery.event_id)
    ledger.record(actor, "jobs.delivery.redelivered", delivery.id, clock=clock, body={"consumer": delivery.consumer})
