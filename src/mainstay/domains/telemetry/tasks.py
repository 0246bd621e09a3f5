"""Background work of telemetry: rollups each minute, retention each hour. The spool is emptied by a thread of the process that owns it."""

from mainstay.core.ledger.queries import PLATFORM
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.telemetry import queries, services
from mainstay.kernel import actors
from mainstay.kernel.clock import Clock

ROLLUP_EVERY_S = 60.0
RETENTION_EVERY_S = 3600.0


def roll_up(clock: Clock) -> None:
    """Compute the rollups that are due; what is behind is caught up in bites, one after the other."""
    actor = actors.system("rollup", PLATFORM)
    while services.roll_up(actor=actor, engine=queries.engine(), clock=clock) > 1:
        pass


def drop_expired(clock: Clock) -> None:
    """Drop what was kept long enough. It concerns all tenants at once, so the evidence stands in the installation's own log."""
    engine = queries.engine()
    for one in services.expired(engine, clock):
        with tenant_transaction(PLATFORM):
            services.note_expired(actor=actors.system("retention", PLATFORM), partition=one, clock=clock)
        services.drop_partition(engine, one)
