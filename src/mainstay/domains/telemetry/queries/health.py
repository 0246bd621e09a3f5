"""How the intake of this installation does."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mainstay.domains.telemetry.models import IntakeHealth

FRESH = timedelta(seconds=60)


def intake_health(*, at: datetime) -> Sequence[IntakeHealth]:
    """Return the spools that were spoken of within the last minute; an older word is of a process that has ended."""
    return list(IntakeHealth.objects.filter(at__gte=at - FRESH).order_by("spool"))
