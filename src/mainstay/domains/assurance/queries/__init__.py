"""Reads of assurance."""

from mainstay.domains.assurance.queries.audits import (
    audit_json,
    compare,
    finding,
    finding_json,
    findings_csv,
    findings_of,
    latest,
    lock_finding,
    proofs,
    report,
    report_bytes,
    run,
    runs,
)
from mainstay.domains.assurance.queries.lists import CHECKS, FINDINGS, RUNS, SEVERITY_TONES, SEVERITY_WORDS, SYSTEMS
from mainstay.domains.assurance.queries.plans import due_plans, tenants_with_due_plans
from mainstay.domains.assurance.queries.systems import answer, economics, systems

__all__ = [
    "CHECKS",
    "FINDINGS",
    "RUNS",
    "SEVERITY_TONES",
    "SEVERITY_WORDS",
    "SYSTEMS",
    "answer",
    "audit_json",
    "compare",
    "due_plans",
    "economics",
    "finding",
    "finding_json",
    "findings_csv",
    "findings_of",
    "latest",
    "lock_finding",
    "proofs",
    "report",
    "report_bytes",
    "run",
    "runs",
    "systems",
    "tenants_with_due_plans",
]
