"""Schedules: tasks that start by themselves at local times.

Owns: saving a schedule, the row of each fire, starting the task in the same transaction.
Does not own: the arithmetic of times and missed fires (`rules`), the task's work.
Invariant: no fire is without a row, and (schedule, fire time) is unique, so two workers start nothing twice.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from mainstay.core import jobs
from mainstay.core.access.services import require
from mainstay.core.jobs import rules
from mainstay.core.jobs.models import Schedule, ScheduleFire
from mainstay.core.jobs.queue import TASKS, Id, Task
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.errors import Invalid
from mainstay.kernel.json import Json

PER_TICK_MAX = 100


@transaction.atomic
def save_schedule(
    *,
    actor: Actor,
    name: str,
    task: Task,
    rule: rules.Rule,
    zone: str,
    clock: Clock,
    arguments: Mapping[str, Id] | None = None,
    grace: timedelta | None = None,
) -> UUID:
    """Create or replace the schedule of this name. `grace` is how late a missed fire may still start; None skips it.

    Errors: Refused; Invalid("jobs.zone_unknown").
    """
    require(actor, "jobs.schedule.save")
    values = {
        "task": task.name,
        "arguments": {key: str(value) if isinstance(value, UUID) else value for key, value in (arguments or {}).items()},
        "rule": rules.to_json(rule),
        "zone": zone,
        "grace_s": None if grace is None else int(grace.total_seconds()),
        "is_enabled": True,
        "next_fire": rules.next_fire(rule, zone_of(zone), clock.now()),
    }
    schedule, _ = Schedule.objects.update_or_create(tenant=actor.tenant, name=name, defaults=values)
    body: dict[str, Json] = {"name": name, "task": task.name, "rule": rules.to_json(rule), "zone": zone}
    ledger.record(actor, "jobs.schedule.saved", schedule.id, clock=clock, body=body)
    return schedule.id


def zone_of(name: str) -> ZoneInfo:
    """Return an IANA zone. Errors: Invalid("jobs.zone_unknown")."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid("jobs.zone_unknown", f"{name[:40]!r} is not the name of a time zone.") from error


def fire_due(clock: Clock) -> None:
    """Start what is due, tenant by tenant; a loop of the worker calls this every few seconds."""
    for tenant in jobs.tenants():
        with tenant_transaction(tenant):
            due = Schedule.objects.filter(tenant=tenant, is_enabled=True, next_fire__lte=clock.now())
            # A second worker leaves the rows alone that this one holds; they are not due any more when it gets to them.
            for schedule in due.select_for_update(skip_locked=True).order_by("next_fire")[:PER_TICK_MAX]:
                _fire(schedule, clock)


def _fire(schedule: Schedule, clock: Clock) -> None:
    now = clock.now()
    grace = None if schedule.grace_s is None else timedelta(seconds=schedule.grace_s)
    plan = rules.plan_fires(rules.from_json(schedule.rule), zone_of(schedule.zone), schedule.next_fire, now, grace)
    ScheduleFire.objects.bulk_create(
        ScheduleFire(tenant=schedule.tenant, schedule_id=schedule.id, fire_at=at, outcome=outcome, at=now) for at, outcome in plan.fires
    )
    if plan.fires[-1][1] is rules.FireOutcome.STARTED:
        TASKS[schedule.task].defer(schedule.tenant, **schedule.arguments)
    schedule.next_fire = plan.next_fire
    schedule.save(update_fields=["next_fire"])
