"""What a process says of its spool: how full it is, whether the engine takes what it holds, what lies in quarantine.

Owns: the row of this process, its pace. Does not own: who is alarmed by it (alerting), who shows it (doctor).
Invariant: telling never stops the draining; a database that is away is told later.
"""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, connection

from mainstay.domains.telemetry.models import IntakeHealth
from mainstay.domains.telemetry.services.drain import State
from mainstay.domains.telemetry.services.spool import Spool, quarantined
from mainstay.kernel.clock import Clock

EVERY = timedelta(seconds=15)
FILL_STEP_PCT = 5.0

log = logging.getLogger(__name__)


@dataclass
class Reporter:
    """Tells at once what has changed, and every 15 seconds that nothing has."""

    spool: Spool
    name: str
    clock: Clock
    away_since: datetime | None = None
    _told: tuple[object, ...] = ()
    _told_at: datetime | None = field(default=None)

    def tell(self, state: State, waiting_rows: int = 0) -> None:
        """Write the row of this process, if something is new or the last word is old."""
        now = self.clock.now()
        self.away_since = (self.away_since or now) if state.away else None
        set_aside = quarantined(self.spool.folder)
        said = (bool(state.away), set_aside, int(self.spool.fill_pct // FILL_STEP_PCT))
        if said == self._told and self._told_at is not None and timedelta(0) <= now - self._told_at < EVERY:
            return
        values = {
            "at": now, "fill_pct": self.spool.fill_pct, "waiting_rows": waiting_rows, "away_since": self.away_since,
            "away_reason": state.away[:300], "quarantined": set_aside, "quarantine_reason": state.reason[:300] if set_aside else "",
        }  # fmt: skip
        if self._write(values):
            self._told, self._told_at = said, now

    def _write(self, values: dict[str, object]) -> bool:
        try:
            IntakeHealth.objects.update_or_create(spool=self.name, defaults=values)
        except DatabaseError as error:
            connection.close()
            log.debug("the state of the spool could not be told: %s", error)
            return False
        return True
