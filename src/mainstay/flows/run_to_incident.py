"""What a run does stands on its incident's timeline; its end resolves the incident as healed, or hands it to a person."""

from uuid import UUID

from mainstay.core.jobs.outbox import Event
from mainstay.domains.automation.queries import RUN_SENTENCES
from mainstay.domains.desk import services as desk
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


def note_start(event: Event, actor: Actor, clock: Clock) -> None:
    incident_id = _incident(event)
    if incident_id is not None:
        text = "Self-healing started a run for this incident."
        desk.record_automation(actor=actor, incident_id=incident_id, run_id=event.subject_id, step="started", text=text, clock=clock)


def resolve_healed(event: Event, actor: Actor, clock: Clock) -> None:
    incident_id = _incident(event)
    if incident_id is None:
        return
    desk.resolve_incident(
        actor=actor,
        incident_id=incident_id,
        resolution_code="healed",
        cause_code="software",
        note=RUN_SENTENCES[str(event.payload["reason"])],
        run_id=event.subject_id,
        clock=clock,
    )


def hand_over_failed(event: Event, actor: Actor, clock: Clock) -> None:
    incident_id = _incident(event)
    if incident_id is None:
        return
    reason, detail = str(event.payload["reason"]), str(event.payload.get("detail") or "")
    desk.hand_to_person(
        actor=actor,
        incident_id=incident_id,
        reason=f"{reason}.{detail}" if detail else reason,
        text=f"{RUN_SENTENCES[reason]} {f'Code: {detail}.' if detail else ''}".strip(),
        run_id=event.subject_id,
        clock=clock,
    )


def _incident(event: Event) -> UUID | None:
    value = event.payload.get("incident_id")
    return UUID(str(value)) if value else None
