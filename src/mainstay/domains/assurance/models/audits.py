"""Audits as they were issued: the run, its report, its checks and its findings. Written once and never changed.

`AuditRun` carries what lists and comparisons need; the report's bytes lie in a table of their own, so that a list of a thousand
runs reads none of them.
"""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned
from mainstay.domains.assurance.models.words import KINDS, SEVERITIES

TRIGGERS = [("asked", "Asked for"), ("enrolled", "First facts"), ("completed", "More facts"), ("scheduled", "Daily")]
VERDICTS = [("pass", "Pass"), ("fail", "Fail"), ("partial", "Partly"), ("unknown", "Unknown"), ("not_applicable", "Not applicable")]


class AuditRun(TenantOwned):
    """One audit. `pending` names the fact groups that it had to do without and that were on their way."""

    kind = models.CharField(max_length=6, choices=KINDS)
    scope_id = models.UUIDField()
    scope_name = models.CharField(max_length=253)
    trigger = models.CharField(max_length=10, choices=TRIGGERS)
    as_of = models.DateTimeField()
    window_from = models.DateTimeField()
    issued_by = models.CharField(max_length=40)
    score = models.PositiveSmallIntegerField(null=True)
    score_with_accepted = models.PositiveSmallIntegerField(null=True)
    grade = models.CharField(max_length=20)
    coverage_pct = models.PositiveSmallIntegerField()
    devices = models.PositiveIntegerField()
    findings_open = models.PositiveIntegerField()
    findings_critical = models.PositiveIntegerField()
    findings_new = models.PositiveIntegerField()
    findings_fixed = models.PositiveIntegerField()
    areas = models.JSONField(default=dict)
    pending = models.JSONField(default=list)
    sha256 = models.CharField(max_length=64)
    bytes = models.PositiveIntegerField()
    ledger_entry = models.BigIntegerField()
    previous = models.UUIDField(null=True)

    class Meta:
        db_table = "assurance_audit_run"
        indexes = [
            models.Index(fields=["tenant", "kind", "scope_id", "-as_of"], name="assurance_run_scope"),
            models.Index(fields=["tenant", "-as_of", "id"], name="assurance_run_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.scope_name} {self.as_of:%Y-%m-%d %H:%M}"


class AuditReport(TenantOwned):
    """The canonical JSON of a run, exactly the bytes whose hash is in the ledger."""

    run = models.OneToOneField(AuditRun, models.PROTECT, related_name="report")
    document = models.TextField()

    class Meta:
        db_table = "assurance_audit_report"
        constraints = [models.UniqueConstraint(fields=["tenant", "run"], name="assurance_report_once")]


class AuditCheck(TenantOwned):
    """How one check came out in one run."""

    run = models.ForeignKey(AuditRun, models.PROTECT, related_name="checks")
    check_id = models.CharField(max_length=12)
    area = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    verdict = models.CharField(max_length=14, choices=VERDICTS)
    subjects = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    unknown = models.PositiveIntegerField()
    reason = models.CharField(max_length=60, blank=True)

    class Meta:
        db_table = "assurance_audit_check"
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "check_id"], name="assurance_check_once")]


class AuditFinding(TenantOwned):
    """A finding as one run saw it, with the hash that its own leaf of the ledger holds."""

    run = models.ForeignKey(AuditRun, models.PROTECT, related_name="findings")
    finding = models.ForeignKey("assurance.Finding", models.PROTECT, related_name="sightings")
    sha256 = models.CharField(max_length=64)
    ledger_entry = models.BigIntegerField()

    class Meta:
        db_table = "assurance_audit_finding"
        constraints = [models.UniqueConstraint(fields=["tenant", "run", "finding"], name="assurance_sighting_once")]


class Plan(TenantOwned):
    """When a device is audited next without anybody asking."""

    device_id = models.UUIDField()
    due_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    pending = models.JSONField(default=list)

    class Meta:
        db_table = "assurance_plan"
        constraints = [models.UniqueConstraint(fields=["tenant", "device_id"], name="assurance_plan_once")]
        indexes = [models.Index(fields=["due_at"], name="assurance_plan_due", condition=models.Q(due_at__isnull=False))]
