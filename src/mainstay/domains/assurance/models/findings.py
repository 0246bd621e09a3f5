"""What is kept of a finding between audits: who cares for it, until when, whether somebody took the risk.

Invariant: a finding is never deleted; when it is gone it is `fixed`, and its history stays in the runs.
"""

from django.db import models

from mainstay.core.tenancy.models import TenantOwned
from mainstay.domains.assurance.models.words import CHANGES, KINDS, SEVERITIES


class Finding(TenantOwned):
    """One check that fails in one scope. `key` is its stable name; `failing` what failed when it was last seen."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted"
        FIXED = "fixed", "Fixed"

    key = models.CharField(max_length=80)
    check_id = models.CharField(max_length=12)
    version = models.PositiveIntegerField()
    area = models.CharField(max_length=20)
    kind = models.CharField(max_length=6, choices=KINDS)
    scope_id = models.UUIDField()
    scope_name = models.CharField(max_length=253)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES)
    title = models.CharField(max_length=200)
    seen = models.TextField()
    subjects = models.PositiveIntegerField()
    failing = models.JSONField(default=list)
    effort_min = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=State.choices)
    change = models.CharField(max_length=8, choices=CHANGES)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    fixed_at = models.DateTimeField(null=True)
    last_run = models.UUIDField()
    owner = models.CharField(max_length=40, blank=True)
    due = models.DateField()
    exception_reason = models.TextField(blank=True)
    exception_by = models.CharField(max_length=40, blank=True)
    exception_at = models.DateTimeField(null=True)
    exception_until = models.DateField(null=True)
    exception_failing = models.JSONField(default=list)
    ticket = models.UUIDField(null=True)
    ticket_asked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="assurance_finding_once")]
        indexes = [
            models.Index(fields=["tenant", "state", "severity", "id"], name="assurance_finding_state"),
            models.Index(fields=["tenant", "due", "id"], name="assurance_finding_due"),
            models.Index(fields=["tenant", "kind", "scope_id"], name="assurance_finding_scope"),
            models.Index(fields=["tenant", "owner", "state"], name="assurance_finding_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.check_id} {self.scope_name}"
