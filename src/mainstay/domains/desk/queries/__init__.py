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
)
from mainstay.domains.desk.queries.lists import INCIDENTS
from mainstay.domains.desk.queries.pages import IncidentPage, TimelineEntry, incident_page, sla_explanation
from mainstay.domains.desk.queries.promises import Promises

__all__ = [
    "INCIDENTS",
    "IncidentPage",
    "Promises",
    "TimelineEntry",
    "alerts_of",
    "event_rows",
    "incident",
    "incident_of_alert",
    "incident_page",
    "lock_incident",
    "open_incidents",
    "sla_explanation",
    "tenants_with_due_clocks",
]
