"""The end of a run resolves its incident as healed, or hands it to a person with the reason."""

from uuid import UUID

from mainstay.core.jobs.outbox import Event
from mainstay.domains.automation.queries import RUN_SENTENCES
from mainstay.domains.desk import services as desk
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock


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
