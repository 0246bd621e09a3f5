"""Tables of assurance."""

from mainstay.domains.assurance.models.audits import AuditCheck, AuditFinding, AuditReport, AuditRun, Plan
from mainstay.domains.assurance.models.findings import Finding
from mainstay.domains.assurance.models.systems import AuditedSystem, Economics, SystemAnswer

__all__ = ["AuditCheck", "AuditFinding", "AuditReport", "AuditRun", "AuditedSystem", "Economics", "Finding", "Plan", "SystemAnswer"]
