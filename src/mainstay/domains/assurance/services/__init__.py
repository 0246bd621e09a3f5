"""Writes of assurance."""

from mainstay.domains.assurance.services.answers import describe_device, import_systems, set_economics
from mainstay.domains.assurance.services.audits import note_rendered, start_audit
from mainstay.domains.assurance.services.findings import accept_finding, ask_for_ticket, assign_finding, note_ticket, withdraw_exception
from mainstay.domains.assurance.services.plans import audit_when_due, plan_audit

__all__ = [
    "accept_finding",
    "ask_for_ticket",
    "assign_finding",
    "audit_when_due",
    "describe_device",
    "import_systems",
    "note_rendered",
    "note_ticket",
    "plan_audit",
    "set_economics",
    "start_audit",
    "withdraw_exception",
]
