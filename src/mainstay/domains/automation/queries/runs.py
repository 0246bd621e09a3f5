"""Runs, their traces, and the ones that need a push."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from django.urls import reverse

from mainstay.domains.automation.models import CommandResult, HealEvent, Run
from mainstay.domains.automation.rules.definitions import RUNBOOKS
from mainstay.domains.automation.rules.runs import ACTIVE, RunReason, StepState
from mainstay.kernel.errors import NotFound
from mainstay.kernel.json import Json
from mainstay.ui.lists import Column, Empty, Kind, ListSpec, View

RUN_SENTENCES: dict[str, str] = {
    RunReason.HEALED: "The service is back and stayed up; an independent status question agreed.",
    RunReason.REFUSED_BY_AGENT: "The device refused the command.",
    RunReason.COMMAND_FAILED: "The command ran on the device and failed.",
    RunReason.COMMAND_EXPIRED: "The command reached the device too late and was not run.",
    RunReason.UNKNOWN_OUTCOME: "The device did not answer in time; whether the command ran is not known.",
    RunReason.VERIFY_FAILED: "The command ran, but the service did not come back.",
    RunReason.RELAPSED: "The service came back and stopped again.",
    RunReason.GATE_REFUSED: "A limit on the server's side refused the command.",
    RunReason.DEADLINE: "The run took longer than it may.",
    RunReason.CANCELLED: "A person stopped the run.",
    RunReason.ATTEMPTS: "The run was tried too often.",
}

RUNS = ListSpec(
    name="automation.runs",
    title="Runs",
    noun="run",
    permission="automation.run.read",
    rows=lambda actor: Run.objects.filter(tenant__in=actor.readable),
    columns=(
        Column("runbook", "Runbook", field="definition", link=True, value=lambda run: RUNBOOKS[run.definition].title),
        Column("subject", "On"),
        Column(
            "state",
            "State",
            Kind.CHOICE,
            choices={
                state: state.replace("_", " ").capitalize() for state in sorted({*ACTIVE, "succeeded", "failed", "cancelled", "dead"})
            },
            tones={"succeeded": "ok", "failed": "critical", "dead": "critical", "running": "info", "waiting": "info"},
        ),
        Column("reason", "Outcome", value=lambda run: RUN_SENTENCES.get(run.reason, "In progress."), sortable=False),
        Column("started", "Started", Kind.TIME, field="started_at"),
        Column("ended", "Ended", Kind.TIME, field="ended_at"),
    ),
    sort="-started",
    search=("subject", "definition"),
    link=lambda run: reverse("automation:run", kwargs={"run_id": run.id}),
    views=(View("Failed", "state=failed"), View("In progress", "state=running&state=waiting&state=ready")),
    empty=Empty(
        "Nothing has run.",
        "Shipped runbooks are listed; they act once a trust ceremony allows it.",
        "See the runbooks",
        "automation:runbooks",
    ),
    topic="run",
)


def lock_run(tenant: UUID, run_id: UUID) -> Run:
    """Return the run, locked until the transaction ends. Errors: NotFound."""
    run = Run.objects.select_for_update().filter(tenant=tenant, id=run_id).first()
    if run is None:
        raise NotFound("automation.run_not_found", "There is no such run.")
    return run


def run(tenants: Sequence[UUID], run_id: UUID) -> Run:
    """Return a run of the readable tenants. Errors: NotFound."""
    found = Run.objects.filter(tenant__in=tenants, id=run_id).first()
    if found is None:
        raise NotFound("automation.run_not_found", "There is no such run.")
    return found


@dataclass(frozen=True)
class Trace:
    """Everything that a page shows of a run: why it started, each step with what came back, each command's result."""

    run: Run
    sentence: str
    heal_event: HealEvent | None
    steps: list[dict[str, object]]


def trace(found: Run) -> Trace:
    """Return the whole story of a run."""
    results = {str(one.command_id): one for one in CommandResult.objects.filter(tenant=found.tenant, command_id__in=_command_ids(found))}
    steps: list[dict[str, object]] = [
        {
            "path": step.path,
            "state": step.state,
            "reason": step.reason,
            "begun_at": step.begun_at,
            "ended_at": step.ended_at or "",
            "output": {key: value for key, value in step.output.items() if key != "seen"},
            "result": _result_line(results.get(str(step.output.get("command")))),
        }
        for step in found.steps.order_by("begun_at", "id")
    ]
    return Trace(found, RUN_SENTENCES.get(found.reason, "In progress."), found.heal_events.first(), steps)


def trace_json(told: Trace) -> dict[str, Json]:
    """Return a trace as the API shows it."""
    found = told.run
    return {
        "id": str(found.id),
        "runbook": found.definition,
        "version": found.version,
        "subject": found.subject,
        "state": found.state,
        "reason": found.reason,
        "sentence": told.sentence,
        "incident_id": str(found.incident_id) if found.incident_id else None,
        "device_id": str(found.device_id) if found.device_id else None,
        "started_at": found.started_at.isoformat(),
        "ended_at": found.ended_at.isoformat() if found.ended_at else None,
        "steps": [{key: _as_json(value) for key, value in step.items()} for step in told.steps],
    }


def _as_json(value: object) -> Json:
    """Return a member of a step as JSON; its values come from JSON columns, but for the instants."""
    return value.isoformat() if isinstance(value, datetime) else cast(Json, value)


def _command_ids(found: Run) -> list[UUID]:
    return [one.id for one in found.commands.all()]


def _result_line(result: CommandResult | None) -> dict[str, Json] | None:
    if result is None:
        return None
    return {
        "decision": result.decision,
        "reason": result.reason,
        "seq": result.seq,
        "sha256": result.payload_sha256,
        "output": result.output,
    }


def failing_detail(found: Run) -> str:
    """Return the typed code below a run's reason, such as the agent's refusal, or an empty text."""
    failed = found.steps.filter(state__in=[StepState.FAILED, StepState.UNKNOWN]).first()
    return str(failed.output.get("code") or failed.output.get("signal") or "") if failed else ""


def has_active_run(tenant: UUID, device_id: UUID, subject: str) -> bool:
    return Run.objects.filter(tenant=tenant, device_id=device_id, subject=subject, state__in=ACTIVE).exists()


def active_run_of_incident(tenant: UUID, incident_id: UUID) -> Run | None:
    """Return the run that is at work on an incident, if one is."""
    return Run.objects.filter(tenant=tenant, incident_id=incident_id, state__in=ACTIVE).first()


def active_runs(tenant: UUID) -> int:
    return Run.objects.filter(tenant=tenant, state__in=ACTIVE).count()


def stuck_runs(tenant: UUID, now: datetime) -> list[UUID]:
    """Return the runs whose job may have been lost: ready, due, or with a lease that ran out."""
    due = Run.objects.filter(tenant=tenant, state="ready") | Run.objects.filter(tenant=tenant, state="waiting", wake_at__lte=now)
    lost = Run.objects.filter(tenant=tenant, state="running", lease_until__lt=now)
    return list((due | lost).values_list("id", flat=True)[:500])


def device_of(found: Run) -> UUID:
    """Return the device a run acts on. Errors: NotFound when the run names none."""
    if found.device_id is None:
        raise NotFound("automation.run_without_device", "This run names no device, so it can send no command.")
    return found.device_id
