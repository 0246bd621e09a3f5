"""Tables of the help desk.

Owns: tickets and their events, promises, clocks. Invariant: `TicketEvent` is written once; all else about a ticket's state
and clocks is a cache of its events.
"""

from mainstay.domains.desk.models.clocks import Breach, SlaClock, SlaNotice
from mainstay.domains.desk.models.promises import Calendar, CalendarVersion, PolicyBinding, SlaPolicy, SlaPolicyVersion, SlaTarget
from mainstay.domains.desk.models.tickets import IncidentAlert, IncidentRecord, Ticket, TicketEvent, TicketNumber

__all__ = [
    "Breach",
    "Calendar",
    "CalendarVersion",
    "IncidentAlert",
    "IncidentRecord",
    "PolicyBinding",
    "SlaClock",
    "SlaNotice",
    "SlaPolicy",
    "SlaPolicyVersion",
    "SlaTarget",
    "Ticket",
    "TicketEvent",
    "TicketNumber",
]
