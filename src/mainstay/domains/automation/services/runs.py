"""Durable runs: creating, claiming, advancing.

Owns: the life of a run row and of its steps. A job only moves work: a duplicate, early or late job changes nothing.
Invariant: whoever writes to a run holds its newest fence. Source: endpoint page, 2.11.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from mainstay.core.access.services import require
from mainstay.core.jobs import outbox
from mainstay.core.ledger import services as ledger
from mainstay.core.tenancy.binding import tenant_transaction
from mainstay.domains.automation import queries
from mainstay.domains.automation.models import Run, Signal, Step
from mainstay.domains.automation.rules.definitions import DEFINITIONS
from mainstay.domains.automation.rules.runs import (
    ENDED,
    Begin,
    Continue,
    Definition,
    Finish,
    RunReason,
    RunState,
    StepRow,
    StepState,
    next_step,
)
from mainstay.domains.automation.services import schedule, steps
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.kernel.json import Json

LEASE = timedelta(seconds=60)
STEPS_PER_CLAIM = 50


@transaction.atomic
def start_run(
    *,
    actor: Actor,
    definition: Definition,
    input: Mapping[str, Json],
    idem_key: str,
    device_id: UUID,
    incident_id: UUID | None,
    alert_id: UUID | None,
    subject: str,
    clock: Clock,
) -> Run:
    """Create a run that is ready to go, and the job that moves it. The same idem_key returns the run that exists."""
    require(actor, "automation.run.start")
    now = clock.now()
    run, is_new = Run.objects.get_or_create(
        tenant=actor.tenant,
        idem_key=idem_key,
        defaults={
            "definition": definition.name,
            "version": definition.version,
            "input": dict(input),
            "state": RunState.READY,
            "device_id": device_id,
            "incident_id": incident_id,
            "alert_id": alert_id,
            "subject": subject,
            "started_at": now,
            "deadline_at": now + timedelta(seconds=definition.deadline_s),
        },
    )
    if not is_new:
        return run
    ledger.record(actor, "automation.run.started", run.id, clock=clock, body={"definition": run.definition, "subject": subject})
    outbox.publish(actor, "run.started", run.id, {"incident_id": str(incident_id) if incident_id else None}, clock=clock)
    schedule.advance_soon(actor.tenant, run.id)
    return run


@transaction.atomic
def ask_cancel(*, actor: Actor, run_id: UUID, clock: Clock) -> Run:
    """Ask a run to stop between two steps. A run that has ended stays as it is."""
    require(actor, "automation.run.cancel")
    run = queries.lock_run(actor.tenant, run_id)
    if run.state in ENDED or run.is_cancel_asked:
        return run
    run.is_cancel_asked = True
    run.save(update_fields=["is_cancel_asked"])
    ledger.record(actor, "automation.run.cancel_asked", run.id, clock=clock)
    schedule.advance_soon(actor.tenant, run.id)
    return run


@transaction.atomic
def signal_run(*, actor: Actor, run_id: UUID, name: str, idem_key: str, body: Mapping[str, Json], clock: Clock) -> bool:
    """Store what a run waits for and wake it. The same idem_key twice is stored once; returns whether it was new."""
    _, is_new = Signal.objects.get_or_create(
        tenant=actor.tenant,
        run_id=run_id,
        idem_key=idem_key,
        defaults={"name": name, "body": dict(body), "at": clock.now()},
    )
    if is_new:
        Run.objects.filter(tenant=actor.tenant, id=run_id, state=RunState.WAITING).update(state=RunState.READY)
        schedule.advance_soon(actor.tenant, run_id)
    return is_new


def claim(*, tenant: UUID, run_id: UUID, owner: str, clock: Clock) -> int | None:
    """Take a run that is ready, due, or whose lease ran out. Returns the new fence, or None when somebody else has it."""
    now = clock.now()
    is_due = Q(state=RunState.WAITING, wake_at__lte=now) | Q(state=RunState.RUNNING, lease_until__lt=now)
    with tenant_transaction(tenant):
        taken = (
            Run.objects.filter(tenant=tenant, id=run_id)
            .filter(Q(state=RunState.READY) | is_due)
            .update(state=RunState.RUNNING, fence=F("fence") + 1, lease_owner=owner, lease_until=now + LEASE, attempts=F("attempts") + 1)
        )
        return Run.objects.values_list("fence", flat=True).get(id=run_id) if taken else None


def advance(*, actor: Actor, run_id: UUID, owner: str, clock: Clock) -> RunState | None:
    """Move a run as far as it goes now; each step is a transaction of its own. Returns its state, or None without a claim."""
    fence = claim(tenant=actor.tenant, run_id=run_id, owner=owner, clock=clock)
    if fence is None:
        return None
    state = RunState.RUNNING
    for _ in range(STEPS_PER_CLAIM):
        with tenant_transaction(actor.tenant):
            state = _advance_once(actor=actor, run_id=run_id, fence=fence, clock=clock)
        if state is not RunState.RUNNING:
            break
    return state


def _advance_once(*, actor: Actor, run_id: UUID, fence: int, clock: Clock) -> RunState:
    run = queries.lock_run(actor.tenant, run_id)
    if run.fence != fence or run.state != RunState.RUNNING:
        return RunState(run.state)  # a newer claim owns the run: this worker writes nothing
    definition = DEFINITIONS.get((run.definition, run.version))
    if definition is None:
        return _set_state(run, RunState.NEEDS_MIGRATION)
    rows = list(run.steps.order_by("begun_at", "id"))
    following = next_step(
        definition,
        [StepRow(row.path, StepState(row.state), row.reason) for row in rows],
        is_cancelled=run.is_cancel_asked,
        is_late=clock.now() > run.deadline_at,
    )
    match following:
        case Finish(state, reason):
            return _finish(actor, run, state, reason, clock)
        case Begin(path):
            step = Step(
                tenant=actor.tenant, run=run, path=path, effect_class=definition.step(path).effect, begun_at=clock.now(), fence=fence
            )
            progress = steps.begin(actor=actor, run=run, step=step, spec=definition.step(path), clock=clock)
        case Continue(path):
            step = next(row for row in rows if row.path == path)
            progress = steps.look_again(actor=actor, run=run, step=step, spec=definition.step(path), clock=clock)
    return _save_progress(actor, run, step, progress, clock)


def _save_progress(actor: Actor, run: Run, step: Step, progress: "steps.Progress", clock: Clock) -> RunState:
    step.state, step.reason, step.output = progress.state, progress.reason, {**step.output, **progress.output}
    step.attempts += 1
    if progress.state in (StepState.DONE, StepState.FAILED, StepState.UNKNOWN):
        step.ended_at = clock.now()
    step.save()
    if progress.state in (StepState.SENT, StepState.WAITING):
        run.wake_at = progress.wake_at
        if progress.wake_at is not None:
            schedule.advance_at(actor.tenant, run.id, progress.wake_at)
        return _set_state(run, RunState.WAITING)
    ledger.record(actor, "automation.step.ended", step.id, clock=clock, body={"run": str(run.id), "path": step.path, "reason": step.reason})
    return RunState.RUNNING


def _set_state(run: Run, state: RunState) -> RunState:
    run.state = state
    run.save(update_fields=["state", "wake_at"])
    return state


def _finish(actor: Actor, run: Run, state: RunState, reason: RunReason, clock: Clock) -> RunState:
    run.state, run.reason, run.ended_at, run.lease_until = state, reason, clock.now(), None
    run.save(update_fields=["state", "reason", "ended_at", "lease_until"])
    detail = queries.failing_detail(run)
    run.heal_events.filter(ended_at=None).update(outcome=reason, ended_at=clock.now())
    ledger.record(
        actor,
        f"automation.run.{'succeeded' if state is RunState.SUCCEEDED else 'ended'}",
        run.id,
        clock=clock,
        out="ok" if state is RunState.SUCCEEDED else "failed",
        body={"reason": reason, "detail": detail, "subject": run.subject},
    )
    outbox.publish(
        actor,
        "run.succeeded" if state is RunState.SUCCEEDED else "run.failed",
        run.id,
        {"incident_id": str(run.incident_id) if run.incident_id else None, "reason": reason, "detail": detail},
        clock=clock,
    )
    return state
