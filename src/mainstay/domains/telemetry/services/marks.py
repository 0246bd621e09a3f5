"""Each batch of a stream counts once: the last sequence number per sender, stream and epoch.

Source: endpoint page, rule X5; control page, section 3.2 rule 12.
"""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.domains.telemetry.models import StreamMark
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


class Turn(Enum):
    NEXT = "next"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out_of_order"


@dataclass(frozen=True)
class Mark:
    """Where a stream stands, and what a batch with a given number is to it."""

    turn: Turn
    last_seq: int

    @property
    def expected(self) -> int:
        return self.last_seq + 1


def judge_mark(tenant: UUID, sender: UUID, stream: str, epoch: str, seq: int) -> Mark:
    """Say whether a batch is the next one, one that was stored before, or one after a hole."""
    found = StreamMark.objects.filter(tenant=tenant, sender=sender, stream=stream, epoch=epoch).values_list("last_seq", flat=True).first()
    last = found or 0
    if seq == last + 1:
        return Mark(Turn.NEXT, last)
    return Mark(Turn.DUPLICATE if seq <= last else Turn.OUT_OF_ORDER, last)


@transaction.atomic
def advance_mark(*, actor: Actor, sender: UUID, stream: str, epoch: str, seq: int, clock: Clock) -> int:
    """Move a stream's mark after the batch was stored; return the number to acknowledge. A late repeat moves nothing."""
    require(actor, "telemetry.batch.store")
    mark, _ = StreamMark.objects.select_for_update().get_or_create(
        tenant=actor.tenant, sender=sender, stream=stream, epoch=epoch, defaults={"last_seq": 0, "at": clock.now()}
    )
    if seq == mark.last_seq + 1:
        mark.last_seq, mark.at = seq, clock.now()
        mark.save(update_fields=["last_seq", "at"])
    return mark.last_seq
