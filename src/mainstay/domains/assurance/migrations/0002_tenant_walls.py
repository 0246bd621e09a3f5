"""Row-level security, and audits that are written once."""

from django.db import migrations

from mainstay.core.tenancy.migrations_ops import RowSecurity

TABLES = (
    "assurance_audit_run",
    "assurance_audit_report",
    "assurance_audit_check",
    "assurance_finding",
    "assurance_audit_finding",
    "assurance_plan",
    "assurance_system",
    "assurance_answer",
    "assurance_economics",
)
WRITTEN_ONCE = ["assurance_audit_run", "assurance_audit_report", "assurance_audit_check", "assurance_audit_finding"]


class Migration(migrations.Migration):
    dependencies = [("assurance", "0001_audits_findings_and_answers")]

    operations = [RowSecurity(*TABLES, insert_only=WRITTEN_ONCE)]
