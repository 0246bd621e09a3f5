"""When the streams of devices last brought something."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from mainstay.domains.telemetry.models import StreamMark


def last_batches(tenant: UUID, stream: str, senders: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return when each sender's newest batch of a stream was stored; a sender that never sent one is absent."""
    rows = StreamMark.objects.filter(tenant=tenant, stream=stream, sender__in=senders).values("sender").annotate(last=Max("at"))
    return {row["sender"]: row["last"] for row in rows}
