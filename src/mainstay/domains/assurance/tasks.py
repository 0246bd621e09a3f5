"""Assurance's part of the worker: facts that came in, and audits that are due.

Owns: when they are looked at. Does not own: what then happens (services).
"""

import logging
from uuid import UUID

from mainstay.core.access import queries as access
from mainstay.core.jobs.outbox import Event
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.assurance import queries, services
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock

SWEEP_S = 1.0
AUDITS_MAX = 10

log = logging.getLogger(__name__)


def on_facts_changed(event: Event, actor: Actor, clock: Clock) -> None:
    """Plan an audit when the facts that came in are worth one."""
    groups = event.payload.get("groups")
    names = [str(name) for name in groups] if isinstance(groups, list | tuple) else []
    services.plan_audit(actor=actor, device_id=UUID(str(event.payload["device"])), groups=names, clock=clock)


def sweep(clock: Clock) -> None:
    """Make the audits that are due, each in a transaction of its own: one device in trouble keeps no other back."""
    tenants = access.tenants()
    if not tenants:
        return
    with tenant_transaction(tenants[0], readable=tenants, read_only=True):
        due = [(tenant, device) for tenant in queries.tenants_with_due_plans(clock.now()) for device in _devices(tenant, clock)]
    for tenant, device_id in due:
        with tenant_transaction(tenant):
            run = services.audit_when_due(actor=actors.system("worker", tenant), device_id=device_id, clock=clock)
        if run is not None:
            log.info("audited %s: %s findings, score %s", device_id, run.findings_open, run.score)


def _devices(tenant: UUID, clock: Clock) -> list[UUID]:
    return queries.due_plans(tenant, clock.now(), AUDITS_MAX)
