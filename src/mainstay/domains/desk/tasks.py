"""The desk's part of the worker: time passing.

Owns: when clocks are looked at. Does not own: what then happens (services).
"""

from mainstay.core.access import queries as access
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.desk import services
from mainstay.kernel import actors
from mainstay.kernel.clock import Clock

SWEEP_S = 1.0
TICKETS_MAX = 50


def sweep(clock: Clock) -> int:
    """Fire the thresholds that have passed in every tenant; return how many tickets were looked at.

    One transaction per batch and tenant: a kill loses nothing, and what was fired is never fired again.
    """
    return sum(_sweep_tenant(actors.system("worker", tenant), clock) for tenant in access.tenants())


def _sweep_tenant(actor: actors.Actor, clock: Clock) -> int:
    with tenant_transaction(actor.tenant):
        return services.fire_due_clocks(actor=actor, clock=clock, limit=TICKETS_MAX)
