"""Incidents as JSON: one spelling for the API and the command line."""

from collections.abc import Sequence
from datetime import datetime

from mainstay.domains.desk.models import Ticket
from mainstay.domains.desk.queries.pages import ClockPanel, Explanation, IncidentPage
from mainstay.kernel.json import Json


def ticket_json(ticket: Ticket) -> dict[str, Json]:
    """Return the fields of an incident."""
    record = ticket.incident
    return {
        "id": str(ticket.id),
        "reference": ticket.reference,
        "title": ticket.title,
        "status": ticket.status,
        "waiting_for": ticket.waiting_for or None,
        "resume_at": _time(ticket.resume_at),
        "priority": ticket.priority,
        "queue": ticket.queue,
        "owner": ticket.owner or None,
        "source": ticket.source,
        "device": str(record.device_id) if record.device_id else None,
        "rule": record.rule or None,
        "subject": record.subject or None,
        "started_at": _time(ticket.started_at),
        "resolved_at": _time(ticket.resolved_at),
        "resolution": ticket.resolution_code or None,
        "cause": ticket.cause_code or None,
        "due_at": _time(ticket.next_due_at),
        "is_breached": ticket.is_breached,
        "version": ticket.version,
    }


def page_json(page: IncidentPage) -> dict[str, Json]:
    """Return an incident with everything that its page shows."""
    return {
        **ticket_json(page.ticket),
        "alerts": [str(alert_id) for alert_id in page.alerts],
        "binding": page.binding,
        "clocks": [clock_json(clock) for clock in page.clocks],
        "timeline": [
            {
                "at": _time(entry.at),
                "type": entry.type,
                "title": entry.title,
                "text": entry.text,
                "reason": entry.reason or None,
                "who": entry.who or None,
            }
            for entry in page.timeline
        ],
    }


def clock_json(panel: ClockPanel) -> dict[str, Json]:
    """Return a clock; seconds are of business time."""
    return {
        "clock": panel.clock,
        "cycle": panel.cycle,
        "epoch": panel.epoch,
        "state": panel.state,
        "result": panel.result,
        "start_at": _time(panel.start_at),
        "due_at": _time(panel.due_at),
        "stopped_at": _time(panel.stopped_at),
        "breached_at": _time(panel.breached_at),
        "target_s": panel.target_s,
        "consumed_s": panel.consumed_s,
        "paused_s": panel.paused_s,
        "left_s": panel.left_s,
        "flags": list(panel.flags),
    }


def explanation_json(explanations: Sequence[Explanation]) -> list[dict[str, Json]]:
    """Return clocks with their stretches. Unit of `exact_us`: microseconds; they add up without rounding."""
    return [
        {
            **clock_json(one.panel),
            "consumed_us": one.running_us,
            "paused_us": one.waiting_us,
            "segments": [
                {
                    "kind": segment.kind,
                    "start_at": _time(segment.start_at),
                    "end_at": _time(segment.end_at),
                    "exact_us": segment.exact_us,
                    "reasons": list(segment.reasons),
                }
                for segment in one.segments
            ],
        }
        for one in explanations
    ]


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
