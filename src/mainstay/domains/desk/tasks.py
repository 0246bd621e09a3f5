"""The desk's part of the worker: time passing.

Owns: when clocks are looked at. Does not own: what then happens (services).
"""

from uuid import UUID

from mainstay.core.access import queries as access
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.desk import queries, services
from mainstay.kernel import actors
from mainstay.kernel.clock import Clock

SWEEP_S = 1.0
TICKETS_MAX = 50


def sweep(clock: Clock) -> None:
    """Fire the thresholds that have passed and move what time moves, in every tenant.

    One transaction per tenant that has any: a kill loses nothing, and what was fired is never fired again.
    """
    due, asleep = _tenants_with_work(clock)
    for tenant in asleep:
        with tenant_transaction(tenant):
            services.wake_tickets(actor=actors.system("worker", tenant), clock=clock, limit=TICKETS_MAX)
    for tenant in due:
        with tenant_transaction(tenant):
            services.fire_due_clocks(actor=actors.system("worker", tenant), clock=clock, limit=TICKETS_MAX)


def _tenants_with_work(clock: Clock) -> tuple[list[UUID], list[UUID]]:
    """Look over all tenants in one reading transaction, so that an idle second costs two index look-ups."""
    tenants = access.tenants()
    if not tenants:
        return [], []
    with tenant_transaction(tenants[0], readable=tenants, read_only=True):
        return queries.tenants_with_due_clocks(clock.now()), queries.tenants_with_sleepers(clock.now())
