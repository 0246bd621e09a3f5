"""Audits that nobody asked for: the first when the first facts are in, the next when more are, then daily.

Invariant: a plan is a row; a worker that dies loses none, and a device is audited by one worker at a time.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from mainstay.core.access.services import require
from mainstay.domains.assurance.models import AuditRun, Plan
from mainstay.domains.assurance.queries.inputs import DEVICE
from mainstay.domains.assurance.rules import schedule
from mainstay.domains.assurance.services.audits import start_audit
from mainstay.domains.estate import queries as estate
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


@transaction.atomic
def plan_audit(*, actor: Actor, device_id: UUID, groups: Sequence[str], clock: Clock) -> Plan:
    """Note that facts of a device came in, and plan an audit if they are worth one."""
    require(actor, "assurance.audit.schedule")
    plan, _ = Plan.objects.select_for_update().get_or_create(tenant=actor.tenant, device_id=device_id)
    facts = estate.facts(actor.tenant, device_id)
    arrived = [name for name in groups if name in facts and facts[name].unknown != schedule.RUNNING]
    due = schedule.due_after_facts(
        now=clock.now(), last_run=plan.last_run_at, due=plan.due_at, known=facts.keys(), arrived=arrived, pending=plan.pending
    )
    if due is not None:
        plan.due_at = due
        plan.save(update_fields=["due_at"])
    return plan


@transaction.atomic
def audit_when_due(*, actor: Actor, device_id: UUID, clock: Clock) -> AuditRun | None:
    """Audit a device whose time has come; None when another worker was first, or the device has left."""
    require(actor, "assurance.audit.schedule")
    plan = (
        Plan.objects.select_for_update(skip_locked=True).filter(tenant=actor.tenant, device_id=device_id, due_at__lte=clock.now()).first()
    )
    if plan is None:
        return None
    if not estate.devices([actor.tenant]).filter(id=device_id).exists():
        plan.due_at = None
        plan.save(update_fields=["due_at"])
        return None
    run = start_audit(actor=actor, kind=DEVICE, scope_id=device_id, clock=clock, trigger=_trigger(plan))
    plan.last_run_at, plan.pending, plan.due_at = clock.now(), run.pending, schedule.due_after_run(clock.now())
    plan.save(update_fields=["last_run_at", "pending", "due_at"])
    return run


def _trigger(plan: Plan) -> str:
    if plan.last_run_at is None:
        return "enrolled"
    return "completed" if plan.due_at is not None and plan.due_at - plan.last_run_at < schedule.DAILY else "scheduled"
