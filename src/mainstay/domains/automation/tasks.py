"""Background work of automation: jobs that move runs, and the sweep that finds the ones whose job was lost."""

import os
import socket
from uuid import UUID

from mainstay.core.access import queries as access
from mainstay.core.jobs.queue import task
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.automation import queries, services
from mainstay.domains.automation.services import schedule
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock

OWNER = f"{socket.gethostname()}:{os.getpid()}"
SWEEP_S = 15.0


@task(schedule.ADVANCE, queue="runs", transaction=False)
def advance_run(*, actor: Actor, clock: Clock, run_id: UUID) -> None:
    """Move one run as far as it goes; a run that somebody else moves, or that waits, is left alone."""
    services.advance(actor=actor, run_id=run_id, owner=OWNER, clock=clock)


def sweep_runs(clock: Clock) -> None:
    """Defer jobs for runs that are ready, due, or whose lease ran out."""
    for tenant in access.tenants():
        with tenant_transaction(tenant):
            for run_id in queries.stuck_runs(tenant, clock.now()):
                schedule.advance_soon(tenant, run_id)
