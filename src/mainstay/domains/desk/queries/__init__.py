"""Reads of the help desk. Never writes.

Owns: loading tickets with their lock, what a page or list shows, the promise that holds for a ticket.
"""

from mainstay.domains.desk.queries.incidents import (
    alerts_of,
    event_rows,
    incident,
    incident_of_alert,
    lock_incident,
    open_incidents,
    tenants_with_due_clocks,
    tenants_with_sleepers,
)
from mainstay.domains.desk.queries.lists import INCIDENTS, PRIORITY_TONES, STATUS_TONES
from mainstay.domains.desk.queries.pages import ClockPanel, Explanation, IncidentPage, TimelineEntry, incident_page, sla_explanation
from mainstay.domains.desk.queries.pressing import Pressing, incident_by_reference, pressing_incidents, search_incidents
from mainstay.domains.desk.queries.promises import Promises
from mainstay.domains.desk.queries.shapes import explanation_json, page_json, ticket_json

__all__ = [
    "INCIDENTS",
    "PRIORITY_TONES",
    "STATUS_TONES",
    "ClockPanel",
    "Explanation",
    "IncidentPage",
    "Pressing",
    "Promises",
    "TimelineEntry",
    "alerts_of",
    "event_rows",
    "explanation_json",
    "incident",
    "incident_by_reference",
    "incident_of_alert",
    "incident_page",
    "lock_incident",
    "open_incidents",
    "page_json",
    "pressing_incidents",
    "search_incidents",
    "sla_explanation",
    "tenants_with_due_clocks",
    "tenants_with_sleepers",
    "ticket_json",
]
