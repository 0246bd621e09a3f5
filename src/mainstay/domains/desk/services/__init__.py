"""Every write of the help desk. Each function is one act: authorise, lock, decide, save, ledger, outbox.

Owns: the order of these steps. Does not own: what is decided (rules).
Invariant: what a service changes on a ticket it first appends to the ticket's events, from which the columns follow.
"""

from mainstay.domains.desk.services.alerts import AlertNews, incident_of_alert, open_incident, recover_incident
from mainstay.domains.desk.services.automation import hand_to_person, record_automation, release_automation
from mainstay.domains.desk.services.clocks import RepairReport, fire_due_clocks, rebuild_clocks, wake_tickets
from mainstay.domains.desk.services.incidents import (
    add_note,
    assign_incident,
    change_priority,
    change_status,
    reopen_incident,
    resolve_incident,
    take_incident,
)
from mainstay.domains.desk.services.policies import ensure_default_policy

__all__ = [
    "AlertNews",
    "RepairReport",
    "add_note",
    "assign_incident",
    "change_priority",
    "change_status",
    "ensure_default_policy",
    "fire_due_clocks",
    "hand_to_person",
    "incident_of_alert",
    "open_incident",
    "rebuild_clocks",
    "record_automation",
    "recover_incident",
    "release_automation",
    "reopen_incident",
    "resolve_incident",
    "take_incident",
    "wake_tickets",
]
